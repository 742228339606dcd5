"""Where the recordings of Sleep-EDF are, and which file belongs to which. Light: looks at names
only.

Accepted as data.root: the folder with `SC4...-PSG.edf` and `SC4...-Hypnogram.edf`, or one above it
in a usual place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from bench.errors import DataError
from bench.registry import MARK
from bench_datasets.sleepedf.params import SC20, SleepedfParams

FOLDER = "sleep-edfx-1.0.0"
"""Where `bench data fetch` puts them, below data.root."""

NAME = re.compile(r"SC4(?P<subject>[0-9]{2})(?P<night>[12])[A-Z][A-Z0-9]-(?P<kind>PSG|Hypnogram)\.edf", re.ASCII)
"""Letters after the night tell the equipment and who scored, and differ between the two files."""

_PLACES = (
    "",
    "sleep-cassette",
    f"{FOLDER}/sleep-cassette",
    "sleepedf",
    "sleep-edfx/1.0.0/sleep-cassette",
    "1.0.0/sleep-cassette",
    "files/sleep-edfx/1.0.0/sleep-cassette",
    "physionet.org/files/sleep-edfx/1.0.0/sleep-cassette",
    "sleep-edf-database-expanded-1.0.0/sleep-cassette",
)


@dataclass(frozen=True)
class Night:
    """One recording. name: `SC4ssN`; signals, hypnogram: its two files."""

    name: str
    signals: Path
    hypnogram: Path

    @property
    def subject(self) -> str:
        """`SC4ss`, the same for both nights."""
        return self.name[:5]


def chosen(name: str, params: SleepedfParams) -> re.Match[str] | None:
    """What a file name says, of a file of the part that is read; None of any other."""
    match = NAME.fullmatch(name)
    return match if match and (params.part == "sc" or int(match["subject"]) < SC20) else None


def nights(root: Path, params: SleepedfParams) -> list[Night]:
    """The recordings under `root`, by name. Raises DataError, with what to type next, where there
    are none, where a file lacks the other of its pair, and where a night is there twice.
    """
    base = _base(root, params)
    files: dict[str, dict[str, list[Path]]] = {"PSG": {}, "Hypnogram": {}}
    for path in sorted(base.iterdir()):
        if match := chosen(path.name, params):
            files[match["kind"]].setdefault(path.name[:6], []).append(path)
    signals, hypnograms = files["PSG"], files["Hypnogram"]
    if alone := sorted(signals.keys() ^ hypnograms.keys()):
        lacking = [f"{name}: no {'hypnogram' if name in signals else 'PSG'}" for name in alone[:5]]
        raise DataError(
            f"{len(alone)} of the recordings in {base} lack a file ({'; '.join(lacking)}); nights are never left out without "
            f"notice: {_fetch(root)}, or move the other file away"
        )
    for name, paths in [*signals.items(), *hypnograms.items()]:
        if len(paths) > 1:
            raise DataError(f"{base} holds {name} twice: {', '.join(path.name for path in paths)}; keep one")
    return [Night(name, signals[name][0], hypnograms[name][0]) for name in sorted(signals)]


def files(root: Path, params: SleepedfParams) -> list[Path]:
    """The files that decide the cohort's content. Raises DataError as `nights` does."""
    pairs = nights(root, params)
    mark = pairs[0].signals.parent / MARK
    return [*([mark] if mark.is_file() else []), *(path for each in pairs for path in (each.signals, each.hypnogram))]


def _base(root: Path, params: SleepedfParams) -> Path:
    for place in _PLACES:
        base = root / place
        if base.is_dir() and any(chosen(path.name, params) for path in base.iterdir()):
            return base
    raise DataError(
        f"no recording of Sleep-EDF (part {params.part}) under {root}: looked for SC4...-PSG.edf there and in "
        f"{FOLDER}/sleep-cassette and the like; {_fetch(root)}"
    )


def _fetch(root: Path) -> str:
    return f"download with: bench data fetch sleepedf data.root={root}"
