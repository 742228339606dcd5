"""Where the files of PhysioNet 2012 are. Looks at names only, opens nothing.

Accepted: the folder named by data.root, or `physionet2012/` in it, or a usual place below them. It
holds for each set `set-a.tar.gz`, `set-a.zip` or a folder `set-a/` of `<RecordID>.txt`, and
`Outcomes-a.txt`. Where a set is there in several forms, the first in this order is read. An archive
is the published form and can be checked against a checksum; a folder may be incomplete.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench_datasets.physionet2012.params import Physionet2012Params

SETS = ("a", "b", "c")
RECORD_NAME = re.compile(r"([0-9]+)\.txt", re.ASCII)


@dataclass(frozen=True)
class SetFiles:
    """One set on disk. source: an archive, or a folder of record files; outcomes: its Outcomes
    file.
    """

    name: str
    source: Path
    outcomes: Path


_PLACES = (
    "",
    "1.0.0",
    "challenge-2012/1.0.0",
    "files/challenge-2012/1.0.0",
    "physionet.org/files/challenge-2012/1.0.0",
    "predicting-mortality-of-icu-patients*",
)
"""Where the sets lie below a folder: as `wget` and PhysioNet's own archive make it."""


def folder(root: Path) -> Path:
    """The folder that holds the sets: `root/physionet2012`, else `root`, else a usual place
    below one of them.
    """
    inside = root / "physionet2012"
    for place in _PLACES:
        for above in (inside, root):
            for below in sorted(above.glob(place)) if place else [above]:
                if _holds_data(below):
                    return below
    return inside


def find(root: Path, params: Physionet2012Params) -> list[SetFiles]:
    """The sets to read, in the order a, b, c.

    Raises DataError, with what to type next, when there is no set at all, when one of `params.sets`
    is missing, or when a set lacks its Outcomes file.
    """
    base = folder(root)
    sources = {name: source for name in SETS if (source := _source(base, name))}
    fetch = f"bench data fetch physionet2012 data.root={root}"
    if not sources:
        raise DataError(
            f"no PhysioNet 2012 data under {root}: looked in {root / 'physionet2012'} and {root} for set-a, "
            f"set-b or set-c as .tar.gz, .zip or a folder of .txt files; download with: {fetch}"
        )
    missing = [name for name in SETS if name in params.sets and name not in sources]
    if missing:
        raise DataError(
            f"set {', '.join(missing)} of data.sets is not in {base} (found: {', '.join(sources)}); looked "
            f"for set-{missing[0]}.tar.gz, set-{missing[0]}.zip and the folder set-{missing[0]}; download with: {fetch}, or read "
            f"what is there: data.sets={','.join(sources)}"
        )
    sets = []
    for name in [name for name in SETS if name in (params.sets or sources)]:
        outcomes = base / f"Outcomes-{name}.txt"
        if not outcomes.is_file():
            others = ",".join(other for other in sources if (base / f"Outcomes-{other}.txt").is_file())
            leave = f", or leave the set out with data.sets={others}" if others else ""
            raise DataError(
                f"{sources[name].name} has no {outcomes.name} beside it in {base}; download it with: {fetch}{leave}"
            )
        sets.append(SetFiles(name, sources[name], outcomes))
    return sets


def files(root: Path, params: Physionet2012Params) -> list[Path]:
    """The files that decide the cohort's content, in a fixed order. Raises DataError as `find`
    does.
    """
    result = []
    for entry in find(root, params):
        result += record_files(entry.source) if entry.source.is_dir() else [entry.source]
        result.append(entry.outcomes)
    return result


def record_files(source: Path) -> list[Path]:
    """The record files of a folder, by name."""
    return sorted(path for path in source.iterdir() if RECORD_NAME.fullmatch(path.name) and path.is_file())


def _source(base: Path, name: str) -> Path | None:
    for suffix in (".tar.gz", ".zip"):
        if (archive := base / f"set-{name}{suffix}").is_file():
            return archive
    unpacked = base / f"set-{name}"
    if unpacked.is_dir() and any(RECORD_NAME.fullmatch(path.name) for path in unpacked.iterdir()):
        return unpacked
    return None


def _holds_data(base: Path) -> bool:
    return any(_source(base, name) or (base / f"Outcomes-{name}.txt").is_file() for name in SETS)
