"""What a plugin writes: Dataset, Scenario, Imputer, Fuser. The base classes are the contract.

The harness owns the order. It splits by group, hides, and fits scalers on visible training values.
It fits the imputer on training groups and imputes. It fits the fuser on train, selects on
validation and scores the test part once. No component ever sees a hidden value or a test target.
Values reach imputers and fusers standardised: mean 0, standard deviation 1 over the visible
training entries of each channel, winsorised.

A component is constructed with one argument, its typed parameters, and does nothing expensive
there.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from bench import seeds

if TYPE_CHECKING:
    import numpy as np

    from bench.cohort import Cohort, Task

__all__ = ["Component", "Context", "Dataset", "Fuser", "Imputer", "Interrupted", "NotFitted", "Scenario"]

P = TypeVar("P")


def _never() -> bool:
    return False


def _ignore(message: str) -> None:
    return None


@dataclass(frozen=True)
class Context:
    """The surroundings of a call: seed, device, precision, and how to be a good guest.

    - seed: the cell's seed. Use `seed_for(axis)` or `rng(axis)`, never the bare number or a global
      generator.
    - device: "cpu" or "cuda" (one visible device).
    - precision: "fp32" or "bf16" (autocast; weights stay float32).
    - scratch: a private folder that survives an interruption of this very cell, for checkpoints;
      None when there is none.
    - parts: for datasets tagged `uses_split`; None for others. Called with the ids and the groups
      of all records of the cohort, it gives the part of each: int8 [n], an index into
      `bench.data.splits.PARTS`. So what is learnt while preparing (a text encoder) is learnt from
      training records only.
    - redrawn: for what is trained step by step, where the scenario gives training records new masks
      at each epoch; None elsewhere. Called with the epoch and training records, it gives the same
      records as that epoch shows them. Epoch 0 is what `fit` was given.
    - should_stop: becomes True when the run is being stopped; a long loop checkpoints and raises
      `Interrupted`.
    - report: takes a short progress line for the person who waits ("epoch 3 of 20").
    - notes: where `note` keeps what it is told; None where no notes are kept.
    """

    seed: int = 0
    device: str = "cpu"
    precision: str = "fp32"
    scratch: Path | None = None
    parts: Callable[[Sequence[str], Sequence[str]], np.ndarray] | None = field(default=None, compare=False)
    redrawn: Callable[[int, Cohort], Cohort] | None = field(default=None, compare=False)
    should_stop: Callable[[], bool] = field(default=_never, compare=False)
    report: Callable[[str], None] = field(default=_ignore, compare=False)
    notes: list[tuple[str, tuple[object, ...]]] | None = field(default=None, compare=False)

    def note(self, name: str, *values: object) -> None:
        """Keep in the record of the cell what a fuser's fit decided or found: a mode, a size, how
        evenly experts are used.

        name, values: as the fuser declares them (`notes=` of its registration, see
        `bench.discovery.spec.NOTES`); anything else fails the cell, since a record is shared.
        Reported like progress too; without values it is progress and no more.
        """
        words = (f"{value:.3g}" if isinstance(value, float) else str(value) for value in values)
        self.report(f"{name}: {', '.join(words)}" if values else name)
        if self.notes is not None and values:
            self.notes.append((name, values))

    def seed_for(self, axis: str, *names: object) -> int:
        """A seed for one axis (see `bench.seeds`)."""
        return seeds.derive(self.seed, axis, *names)

    def rng(self, axis: str, *names: object) -> np.random.Generator:
        """A NumPy generator for one axis (see `bench.seeds`)."""
        return seeds.generator(self.seed, axis, *names)


class Interrupted(Exception):
    """Raised by a long loop after `should_stop` became True and its checkpoint is written."""


class NotFitted(RuntimeError):
    """Raised by `impute` or `predict` before `fit`."""


class Component(ABC, Generic[P]):
    """Base of all components: holds the typed parameters."""

    def __init__(self, params: P):
        self.params = params


class Method(Component[P]):
    """What is fitted: an imputer or a fuser."""

    def parameters(self) -> int:
        """How many numbers were learnt; 0 when the notion does not apply."""
        return 0

    def steps_taken(self) -> int | None:
        """How many optimiser steps the last fit took, over all networks; None when it is not
        trained step by step.
        """
        return None


class Dataset(Component[P]):
    """Reads files a person has into a `Cohort`."""

    @abstractmethod
    def prepare(self, root: Path, context: Context) -> Cohort:
        """The whole cohort, unscaled, in recorded units, nothing hidden, all tasks' targets.

        Raises DataError with the file and what is wrong with it when something is missing or
        damaged. Rows that can be skipped safely are counted in `Cohort.counts`, never dropped in
        silence.
        """


class Scenario(Component[P]):
    """Hides visible cells. Called once per record, with generators keyed by the record's id.

    So what is hidden depends on nothing but (seed, scenario, parameters, record): not on the order,
    on other records or on any method. The exception is a published procedure that draws record
    after record: see `hide_cohort`.
    """

    unit: str = "cells"
    """What shares are counted in: "entries" (observed values) or "cells" (record x modality x bin).
    A modality of a record that holds no observation has nothing to hide and no cells.
    """

    @abstractmethod
    def hide(
        self, observed: Mapping[str, np.ndarray], rng: Callable[[str], np.random.Generator]
    ) -> dict[str, np.ndarray]:
        """The mask of what to hide in one record.

        - observed: modality -> bool [length, channels], True where a value was recorded. Read-only.
        - rng: a fresh generator for a name (a modality's, or "" for the record as a whole).

        Returns modality -> bool [length, channels]; True = hidden; a modality left out hides
        nothing. Hiding what was never observed is allowed and has no effect, and it counts where
        `unit` is "cells".
        """

    def hide_cohort(self, observed: Mapping[str, np.ndarray], ids: Sequence[str]) -> dict[str, np.ndarray] | None:
        """The mask of all records at once, for a published procedure that draws record after record
        from one generator.

        - observed: modality -> bool [n, length, channels]. Read-only.
        - ids: the ids of the n records.

        Returns modality -> bool [n, length, channels], as `hide` does for one; or None, the
        default: record by record. No generator is handed over: such a scenario is declared
        deterministic and its seed is a parameter of its own. `hide` then gives what a cohort of
        that one record would meet; `expected` and `spread` hold for each record.
        """
        return None

    @abstractmethod
    def expected(self, observed: Mapping[str, np.ndarray]) -> float:
        """The mean, over the draws, of the share of this record's units that are hidden: exact,
        0 to 1.
        """

    def spread(self, observed: Mapping[str, np.ndarray]) -> float:
        """The standard deviation of that share, or an upper bound of it.

        The default is the largest a share with that mean can have (Bhatia and Davis 2000); a
        tighter one makes the assertion on the realised share stricter.
        """
        mean = self.expected(observed)
        return float(max(mean * (1 - mean), 0.0) ** 0.5)


class Imputer(Method[P]):
    """Completes the grid of every modality.

    Promises, checked by `bench check`:

    - Entries that are visible come back bit-identical.
    - The result for a record does not depend on the other records in the call.
    - More draws begin with the same draws (prefixes).
    - The same seed gives the same result.
    - A reloaded state imputes the same.
    """

    @abstractmethod
    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        """Learn from the training groups; `valid` is for early stopping only. No targets are
        inside.
        """

    @abstractmethod
    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        """modality -> float32 [draws, n, length, channels], equal to the grid at every observed
        entry; plain arrays of finite numbers up to `bench.stages.contract.LARGEST` in size.

        An imputer that is not tagged `draws` returns [1, n, length, channels] whatever `draws`
        says. What is called first, last or never changes nothing. Raises NotFitted before `fit`.
        """

    def state_dict(self) -> dict[str, np.ndarray]:
        """What `fit` learnt, as named arrays (stored as safetensors)."""
        return {}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Take what `state_dict` gave; afterwards `impute` works without `fit`."""
        return None


class Fuser(Method[P]):
    """Predicts a task's target from all modalities.

    Receives, per modality, the completed grid, the original mask, the raw events with their own
    mask, and the flags `available` and `filled`; never infers absence from zeros. Predictions do
    not depend on batch mates.
    """

    @property
    def reads_imputed(self) -> bool | None:
        """False where its parameters ask for observed values alone; the audit of a run then tests
        that no other counts.

        None where they ask for a part of the imputed values, so that a prediction may move with
        them or not.
        """
        return True

    @property
    def reads_events(self) -> bool:
        """False where the parameters of a fuser tagged `uses_events` ask for the grid alone;
        then no event counts.
        """
        return True

    @abstractmethod
    def fit(self, train: Cohort, valid: Cohort, task: Task, context: Context) -> None:
        """Learn from `train`, select on `valid`. Both hold the targets of `task` and of nothing
        else, none of them NaN.
        """

    @abstractmethod
    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        """float32 [n, outputs]: probabilities (binary, multiclass, multilabel) or values
        (regression); see `Task`.

        A plain array of finite numbers; probabilities within [0, 1], those of classes with the sum
        1 (`bench.stages.contract`). Raises NotFitted before `fit`.
        """

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray] | None:
        """Of a fuser tagged `own_imputer`: its own completion, as `Imputer.impute` gives one. It is
        scored on hidden entries of the test part.

        None where its parameters ask for no completion. One that is not tagged `draws` returns a
        single draw.
        """
        return None

    def embed(self, cohort: Cohort, context: Context) -> np.ndarray | None:
        """Optional: float32 [n, width], the representation the prediction is made from."""
        return None
