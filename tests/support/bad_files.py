"""Datasets that read a file, one that says so of all files and two that do not."""

from __future__ import annotations

from pathlib import Path

from bench.cohort import Cohort
from bench.components import Context, Dataset
from bench.registry import NoParams
from bench.testing.toy import toy_cohort


class ReadsListedFile(Dataset[NoParams]):
    """Reads a file, `stays.csv`, and nothing else: how long the series are."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        return toy_cohort(n=12, length=int((root / "stays.csv").read_text()))


class ReadsFileBeside(ReadsListedFile):
    """Reads a second file where it is there."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        longer = (root / "more" / "longer.txt").is_file()
        return toy_cohort(n=12, length=int((root / "stays.csv").read_text()) + longer)


class NeedsFileBeside(ReadsListedFile):
    """Reads a second file, which must be there."""

    def prepare(self, root: Path, context: Context) -> Cohort:
        (root / "more" / "longer.txt").read_text()
        return super().prepare(root, context)


def stays_file(root: Path, params: NoParams) -> list[Path]:
    """What these datasets say they read."""
    return [root / "stays.csv"]
