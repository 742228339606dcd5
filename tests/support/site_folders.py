"""A cell that clients train in one process, and the same cell with a folder for each client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from bench.components import Context
from bench.execute.job import Job, Setup
from bench.grid.cell import Cell
from bench.registry import Registry
from bench.sites.folder import prepare
from bench.sites.messages import Message
from bench.sites.site import Site
from bench.stages.fusing import fuse
from bench.stages.imputing import impute
from bench.stages.stage import Output
from bench.stages.view import _views
from bench.testing.toy import toy_cohort
from support.toy_stages import prepared

COHORT = toy_cohort(n=150, length=6, absent=0.1)
COHORT = replace(COHORT, columns={"site": np.array(["north", "south", "west"])[np.arange(len(COHORT)) // 2 % 3]})
SUITE = """
name = "sites"
title = "t"
dataset = "toy"
grid = { task = ["toy"], scenario = ["mcar"], imputer = ["locf"], fuser = ["gru"], federation = ["fedavg"], seed = [1] }
controls = { imputer = [], fuser = [], federation = [] }
audits = { cells = [] }
scenario = { mcar = { rate = 0.3 } }
partition = { by = "site" }
rounds = { number = 2, per_round = 2 }
fuser = { gru = { hidden = 4, epochs = 3 } }
"""


@dataclass
class World:
    """folder: of the server, too. folders: of the sites."""

    folder: Path
    cell: Cell
    setup: Setup
    registry: Registry

    @property
    def folders(self) -> list[Path]:
        return [self.folder / f"site{number}" for number in range(3)]

    def in_process(self) -> Output:
        """The cell as the in-process loop trains it."""
        for stage, work in (("impute", impute), ("fuse", fuse)):
            job = Job(id=self.cell.keys[stage], stage=stage, label="", cell=self.cell)
            output = work(job, self.setup, self.registry, Context(seed=1, scratch=self.folder / "scratch" / stage))
        assert isinstance(output, Output)
        return output

    def post(self, questions: Mapping[int, Message]) -> dict[int, Message]:
        """A transport without a network: each question meets a site that knows nothing of others
        before. Answers come in the opposite order.
        """
        return {
            number: Site(self.folders[number], self.registry).answer(number, question)
            for number, question in reversed(questions.items())
        }


def world(folder: Path, *words: str, cohort: Any = COHORT) -> World:
    """A cell of the toy suite with these words, and the folders of its three sites."""
    _views.clear()  # kept by keys, which do not know that the toy has another content
    folder.mkdir(exist_ok=True)
    planned, setup, registry = prepared(folder, SUITE, cohort, *words, columns=("site",))
    made = World(folder, planned.cells[0], setup, registry)
    for number, each in enumerate(made.folders):
        prepare(each, made.cell, setup, registry, "sites", number)
    return made
