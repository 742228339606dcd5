"""What a stage is: a step that all cells take, with a key, something it leaves, and the work a
worker does for it.

Plan, schedule, worker, progress, estimates and tables loop over the stages (`bench.stages.order`).
A new stage is a file with a `Stage` in it, and an entry there. This module, and every module with a
stage in it, is light: the work is imported when it is done.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from bench import NUMERICS
from bench.components import Context
from bench.config.command import Request, Variant
from bench.data.store import Store
from bench.discovery.spec import Kind
from bench.execute.job import Job, Setup
from bench.grid.axes import Axis
from bench.grid.cell import Cell
from bench.grid.identity import component, digest, harness
from bench.registry import Registry, Spec
from bench.results.coordinates import Coordinates
from bench.results.records import SCHEMA

if TYPE_CHECKING:
    from bench.results.predictions import Predictions
    from bench.results.records import Measures

Values = tuple[tuple[str, Any], ...]
"""Name and value of each thing that a key is made of; hashable."""


@dataclass(frozen=True)
class Basis:
    """What all keys of a plan are made of. manifest: the digest of the data. device: "cpu" or
    "cuda".
    """

    request: Request
    registry: Registry
    manifest: str
    device: str
    _specs: dict[tuple[str, str], Spec] = field(default_factory=dict)
    _methods: dict[tuple[str, str], str] = field(default_factory=dict)

    def spec(self, variant: Variant) -> Spec:
        """The component of a variant, looked up once."""
        at = variant.kind, variant.name
        if at not in self._specs:
            self._specs[at] = self.registry.get(*at)
        return self._specs[at]

    def method(self, stage: Stage, variant: Variant) -> str:
        """The digest of a stage's code and of the method it runs, with its parameters; computed
        once.
        """
        at = stage.name, variant.label
        if at not in self._methods:
            spec = self.spec(variant)
            self._methods[at] = digest(
                {
                    "stage": stage.name,
                    "harness": harness(stage.code),
                    "component": component(spec),
                    "params": variant.params,
                    "weights": variant.weights,
                    "numerics": NUMERICS,
                    "schema": SCHEMA,
                    **stage.settings(self, spec),
                }
            )
        return self._methods[at]

    def arithmetic(self, spec: Spec) -> dict[str, Any]:
        """What of the run changes how a component computes."""
        settings, torch = self.request.settings, "torch" in spec.tags
        return {
            "threads": settings.threads,
            "device": self.device if torch else "cpu",
            "precision": settings.precision if torch else "fp32",
        }


class Stage(ABC):
    """One step of a cell.

    - kind: of the component that it runs.
    - noun: what a job of it makes.
    - code: the module whose code, with all it imports, decides its result.
    - costs: those of a record that are its seconds.
    - own_job: whether a worker does it by itself; else the first job that needs it does.
    - ends_run: data that it cannot use are an error of the run, not of a cell.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind]
    code: ClassVar[str]
    noun: ClassVar[str]
    costs: ClassVar[tuple[str, ...]] = ()
    own_job: ClassVar[bool] = True
    ends_run: ClassVar[bool] = False

    def variant(self, cell: Cell) -> Variant:
        """The component of a cell that the stage runs, with its parameters."""
        variant: Variant = cell.chosen[self.kind]
        return variant

    def spec(self, cell: Cell, registry: Registry) -> Spec:
        return registry.get(self.kind, self.variant(cell).name)

    def settings(self, basis: Basis, spec: Spec) -> dict[str, Any]:
        """Name -> value of all settings of the suite and of the run that decide its result."""
        return {}

    def reads(self, axis: Axis, spec: Spec) -> bool:
        """Whether the value of an axis is in its key; that of every axis which enters before is in
        the key of a stage before.

        A seed is left out where the component is declared deterministic. A federation is in the key
        of every stage that trains something on the records of clients (`trains`).
        """
        if axis.name == "federation":
            return self.trains(spec)
        return axis.stage == self.name or (axis.name == "seed" and spec.randomness != "deterministic")

    def trains(self, spec: Spec) -> bool:
        """Whether what it leaves depends on how records are divided among clients."""
        return False

    def key(self, variant: Variant, values: Values, before: str, basis: Basis) -> str:
        """The key: everything that can change the result, and nothing else.

        values: what it reads of the axes (`reads`). before: the key of the stage before.
        """
        return digest([basis.method(self, variant), values, before])

    def is_done(self, store: Store, key: str) -> bool:
        """Whether what it leaves is in the store."""
        return False

    @abstractmethod
    def label(self, cell: Cell) -> str:
        """Its job for a cell in a few words, for a person who watches."""

    def where(self, coordinates: Coordinates) -> str:
        """What of the coordinates its seconds depend on, besides the method; for estimates."""
        return ""

    def context(self, job: Job, setup: Setup, **guest: Any) -> Context:
        """The surroundings of its component. guest: as `Context` has them, from the worker."""
        return Context(
            seed=job.cell.coordinates.seed,
            device=job.device,
            precision=setup.precision,
            scratch=setup.scratch(job),
            **guest,
        )

    @abstractmethod
    def run(self, job: Job, setup: Setup, registry: Registry, context: Context) -> Output | None:
        """Do the job, in a worker. The last stage gives what the cell measured."""


class Output(msgspec.Struct, frozen=True):
    """What the last stage gives of a cell.

    completion_errors: the array file that `Measures.completion_errors` names; empty where it names
                       none.
    """

    measures: Measures
    predictions: Predictions
    completion_errors: bytes = b""
