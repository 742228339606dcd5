"""A job: one stage of one cell to be done by a worker, with all it needs, as plain data."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bench.config.suite import Hiding, Scaling
from bench.data.store import Store
from bench.federated.settings import Partition, Privacy, Rounds
from bench.grid.cell import Cell
from bench.registry import Contents


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What all jobs of a run share.

    - root: where the data lie.
    - manifest: of the files that the keys were made with; "" where the dataset has none.
    - contents: of the dataset, where only its files say what is in them.
    - differ: what may differ between weights and data, as in `bench.config.suite.Weights`.
    - partition, rounds, privacy: as in `bench.config.suite.Suite`.
    - classes: the task whose classes a Dirichlet draw looks at.
    """

    root: str
    cache: str
    manifest: str = ""
    contents: Contents | None = None
    scaling: Scaling
    hiding: Hiding
    fill_absent: bool
    draws: int
    precision: str
    threads: int
    differ: tuple[str, ...] = ()
    partition: Partition = Partition()
    classes: str = ""
    rounds: Rounds = Rounds()
    privacy: Privacy = Privacy()

    @property
    def store(self) -> Store:
        return Store(Path(self.cache))

    def scratch(self, job: Job) -> Path:
        """A folder of the job's own that survives an interruption."""
        return Path(self.cache) / "scratch" / job.id


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of a cell; others may share it.

    id: the stage's key. stage: its name (`bench.stages.order`). needs: ids of jobs that come first.
    estimate: seconds it will probably take.
    """

    id: str
    stage: str
    label: str
    cell: Cell
    needs: tuple[str, ...] = ()
    device: str = "cpu"
    estimate: float = 1.0
