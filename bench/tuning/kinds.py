"""The kinds of methods that can be tuned: by which score of a record, what of it counts as
failed, and what took time.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import ClassVar, Literal

from bench.errors import unknown
from bench.grid.federated import FILLS_NOTHING
from bench.metrics.known import metric
from bench.registry import Spec
from bench.results.records import IMPUTER_AUDITS, Record


class Kind(ABC):
    """One kind. costs: the seconds of a record that are its own."""

    name: ClassVar[Literal["fuser", "imputer"]]
    costs: ClassVar[tuple[str, ...]]

    @abstractmethod
    def metric(self, primary: str) -> tuple[str, bool]:
        """The metric that trials are chosen by, and whether more of it is better. primary: that
        of the task.
        """

    @abstractmethod
    def score(self, record: Record, name: str) -> float | None:
        """That metric of the validation part; None where there is none."""

    @abstractmethod
    def described(self, name: str) -> str:
        """That metric in words."""

    @abstractmethod
    def judged_by(self, audits: Collection[str]) -> list[str]:
        """Those of the audits that are about this kind, by name."""

    def refusal(self, spec: Spec) -> str:
        """Why such a method cannot be tuned; empty where it can."""
        return ""


class FuserKind(Kind):
    """Fusers, by the primary metric of the task."""

    name = "fuser"
    costs = ("fit_seconds", "predict_seconds")

    def metric(self, primary: str) -> tuple[str, bool]:
        return primary, bool(metric(primary).higher)

    def score(self, record: Record, name: str) -> float | None:
        return record.validation.get(name)

    def described(self, name: str) -> str:
        return name

    def judged_by(self, audits: Collection[str]) -> list[str]:
        return sorted(audits)


class ImputerKind(Kind):
    """Imputers, by the error on entries that the scenario hid in the validation part, over all
    modalities.
    """

    name = "imputer"
    costs = ("impute_fit_seconds", "impute_seconds")

    def metric(self, primary: str) -> tuple[str, bool]:
        return "mae", False

    def score(self, record: Record, name: str) -> float | None:
        return record.imputation_validation.get("all", {}).get(name)

    def described(self, name: str) -> str:
        return f"{name} of hidden entries"

    def judged_by(self, audits: Collection[str]) -> list[str]:
        return sorted(set(audits) & set(IMPUTER_AUDITS))

    def refusal(self, spec: Spec) -> str:
        return "fills nothing" if FILLS_NOTHING & spec.tags else ""


KINDS: Mapping[str, Kind] = {kind.name: kind for kind in (FuserKind(), ImputerKind())}


def kind_of(name: str, origin: str) -> Kind:
    """The kind of that name. Raises UsageError with the nearest."""
    if name not in KINDS:
        raise unknown("kind", name, KINDS, origin)
    return KINDS[name]
