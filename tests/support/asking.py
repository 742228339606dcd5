"""Requests and plans of small suites, made in this process: no command is started and nothing is
run.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import pytest

from bench.cohort import Task
from bench.config.command import Request
from bench.config.request import request
from bench.errors import DataError, UsageError
from bench.grid.plan import Plan, plan
from bench.registry import Registry, Spec

SUPPORT = Path(__file__).parent
if str(SUPPORT) not in sys.path:
    sys.path.append(str(SUPPORT))

SMALL = """
name = "small"
title = "A small suite"
dataset = "made"

[grid]
task = ["ihm"]
imputer = ["plain"]
fuser = ["flat"]
seed = [1, 2]

[controls]
imputer = []
fuser = []

[audits]
cells = []
"""


class Params(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One parameter of each sort."""

    rate: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.1
    steps: int = 10
    layers: tuple[int, ...] = (8, 8)
    note: str = ""
    on: bool = False


class DataParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    sets: tuple[str, ...] = ()
    clean: bool = True


def made_registry(**changes: dict) -> Registry:
    """One dataset and a few methods of each sort; `flat={"version": "2"}` changes what is
    declared of one of them.
    """
    registry = Registry()

    def declare(kind: str, name: str, attribute: str, **declared: object) -> None:
        declared = {"path": f"bench_toy.parts:{attribute}", "params": Params, **declared, **changes.get(name, {})}
        getattr(registry, kind)(name, **declared)

    tasks = [Task("ihm", "binary", ("auroc",)), Task("los", "binary", ("auroc",))]
    declare("dataset", "made", "Toy", tasks=tasks, modalities=("vitals", "labs"), params=DataParams)
    declare("scenario", "natural", "Toy")
    declare("scenario", "mcar", "Toy", randomness="seeded")
    declare("imputer", "plain", "Touches")
    declare("imputer", "deep", "Touches", tags={"torch", "draws"}, randomness="seeded")
    declare("imputer", "hole", "Touches", tags={"leaves_nan"})
    declare("fuser", "flat", "Level")
    declare("fuser", "net", "Level", tags={"torch"}, randomness="seeded")
    declare("fuser", "tree", "Level", tags={"nan_aware"})
    return registry


def marked_files(root: Path, params: object) -> list[Path]:
    """The files of a dataset that needs a file called `marked`."""
    if not (root / "marked").is_file():
        raise DataError(f"nothing is marked in {root}")
    return [root / "marked"]


MARKED = Spec("dataset", "marked", "bench_toy.parts:Toy", files="asking:marked_files")


class Asker:
    """Suites written to a folder, and what is made of them."""

    def __init__(self, folder: Path):
        self.file = folder / "small.toml"
        self.text = SMALL
        self.registry = made_registry()

    def request(self, *words: str) -> Request:
        """The request of a command line on the suite `text`."""
        self.file.write_text(self.text, encoding="utf-8")
        return request([f"suite={self.file}", *words], self.registry)

    def plan(self, *words: str, manifest: str = "m", device: str = "cpu") -> Plan:
        return plan(self.request(*words), self.registry, manifest, device)

    def refusal(self, *words: str) -> str:
        """The message with which a command line (or the suite) is refused."""
        with pytest.raises(UsageError) as caught:
            self.request(*words)
        assert "\n" not in str(caught.value)
        return str(caught.value)
