"""Where the files of PTB-XL are. Light: looks at names only, opens nothing.

Accepted as data.root: the folder with `ptbxl_database.csv`, `scp_statements.csv` and
`records100/`, or one above it in a usual place. The two tables may be compressed (`.csv.gz`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench.registry import MARK
from bench_datasets.ptbxl.params import PtbxlParams

INDEX, STATEMENTS, SIGNALS = "ptbxl_database.csv", "scp_statements.csv", "records100"
FOLDER = "ptb-xl-1.0.3"
"""Where `bench data fetch` puts them, below data.root."""

_PLACES = (
    "",
    FOLDER,
    "ptbxl",
    "ptb-xl",
    "1.0.3",
    "ptb-xl/1.0.3",
    "files/ptb-xl/1.0.3",
    "physionet.org/files/ptb-xl/1.0.3",
    "ptb-xl-a-large-publicly-available-electrocardiography-dataset-*",
)
_SIGNAL = re.compile(r"[0-9]{5}_lr\.(hea|dat)", re.ASCII)


@dataclass(frozen=True)
class PtbxlFiles:
    """What is there. base: the folder that names of records start from; mark: of generated files
    only.
    """

    base: Path
    index: Path
    statements: Path
    mark: Path | None


def find(root: Path) -> PtbxlFiles:
    """The files under `root`. Raises DataError, with what to type next, where there are none."""
    for place in _PLACES:
        for base in sorted(root.glob(place)) if place else [root]:
            if index := _table(base, INDEX):
                if not (statements := _table(base, STATEMENTS)):
                    raise DataError(f"{base} holds {index.name} but no {STATEMENTS}; {_fetch(root)}")
                mark = base / MARK
                return PtbxlFiles(base, index, statements, mark if mark.is_file() else None)
    raise DataError(
        f"no PTB-XL under {root}: looked for {INDEX} there and in {FOLDER}, ptb-xl/1.0.3 and the like; {_fetch(root)}"
    )


def files(root: Path, params: PtbxlParams) -> list[Path]:
    """The files that decide the cohort's content: the tables, and every record of
    `records100/`. Raises DataError as `find` does.
    """
    there = find(root)
    signals = sorted(path for path in there.base.glob(f"{SIGNALS}/[0-9]*/*") if _SIGNAL.fullmatch(path.name))
    return [there.index, there.statements, *([there.mark] if there.mark else []), *signals]


def _table(base: Path, name: str) -> Path | None:
    return next((path for path in (base / name, base / f"{name}.gz") if path.is_file()), None)


def _fetch(root: Path) -> str:
    return (
        f"download it with: bench data fetch ptbxl data.root={root}, "
        "or unpack the archive of physionet.org/content/ptb-xl/1.0.3 there"
    )
