"""A project whose imputer and fuser lie in modules of their own, so that a test can edit one of
them after a run.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from support.project import SUPPORT, Project

IMPUTER = '''
import numpy as np

from bench.components import Imputer

SHIFT = {shift}


class Filler(Imputer):
    """The training mean, and around it draws of the channel's spread where `WIDTH` is not 0."""

    WIDTH = {width}

    def fit(self, train, valid, context):
        self.state = {{name: np.nan_to_num(np.nanmean(s.grid, axis=(0, 1))) for name, s in train.modalities.items()}}

    def impute(self, cohort, draws, context):
        made = {{}}
        for name, s in cohort.modalities.items():
            filled = np.broadcast_to(self.state[name] + SHIFT, s.grid.shape)
            if self.WIDTH:
                noise = [context.rng("draw", name, record).normal(size=s.grid.shape[1:]) for record in cohort.ids]
                filled = filled + self.WIDTH * np.stack(noise)
            made[name] = np.where(s.observed, s.grid, filled).astype(np.float32)[None]
        return made

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = dict(state)
'''

FUSER = '''
import numpy as np

from bench.components import Fuser

SLOPE = {slope}


class Reader(Fuser):
    """The mean of all values it is given, through a logistic curve; a little noise from its seed."""

    def fit(self, train, valid, task, context):
        self.offset = context.rng("init").normal() * 1e-3

    def predict(self, cohort, context):
        read = [np.where(s.present[:, None, None], s.grid, 0).mean(axis=(1, 2)) for s in cohort.modalities.values()]
        return (1 / (1 + np.exp(-SLOPE * np.mean(read, axis=0)[:, None] - self.offset))).astype(np.float32)
'''

PLUGIN = """
from bench.hooks import hookimpl

bench_contract = 1


@hookimpl
def bench_register(registry):
    registry.imputer("filler", "bench_toy.filler:Filler", randomness="{randomness}", seconds=0.01)
    registry.fuser("reader", "bench_toy.reader:Reader", randomness="seeded", seconds=0.01)
"""

SUITE = """
name = "edits"
title = "A suite whose methods change"
dataset = "toy"

[grid]
task = ["toy"]
scenario = ["mcar"]
imputer = ["mean", "filler"]
fuser = ["waits", "reader"]
seed = [1, 2, 3]

[scenario.mcar]
rate = 0.3

[controls]
imputer = []
fuser = []

[audits]
cells = []

[stats]
resamples = 100

[limits]
time = "1m"
memory = "4GiB"
"""


class Editing(Project):
    """The project; `imputer` and `fuser` write their modules anew."""

    def imputer(self, shift: float = 0.0, width: float = 0.0) -> None:
        (self.site / "filler.py").write_text(IMPUTER.format(shift=shift, width=width))

    def fuser(self, slope: float = 1.0) -> None:
        (self.site / "reader.py").write_text(FUSER.format(slope=slope))

    @property
    def site(self) -> Path:
        return Path(self.environment["PYTHONPATH"]) / "bench_toy"

    @property
    def suite_file(self) -> Path:
        return self.folder / "edits.toml"


def editing(place: Path, width: float = 0.0) -> Editing:
    """A project in `place`, not run yet. width: 0 for an imputer that is declared deterministic,
    else seeded.
    """
    site = place / "site"
    shutil.copytree(SUPPORT / "bench_toy", site / "bench_toy", ignore=shutil.ignore_patterns("__pycache__"))
    info = site / "bench_toy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench]\ntoy = bench_toy.plugin\nedited = bench_toy.edited_plugin\n")
    randomness = "seeded" if width else "deterministic"
    (site / "bench_toy" / "edited_plugin.py").write_text(PLUGIN.format(randomness=randomness))
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
    environment |= {"PYTHONPATH": str(site), "BENCH_CACHE": str(place / "cache"), "COLUMNS": "200"}
    environment |= {"PYTHONDONTWRITEBYTECODE": "1"}
    made = Editing(place / "project", environment, suite="suite=edits.toml")
    made.folder.mkdir()
    made.suite_file.write_text(SUITE)
    made.imputer(width=width)
    made.fuser()
    return made
