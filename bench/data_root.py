"""Where the data are: `data.root`, else BENCH_DATA_ROOT, else ../shared/data, else what was fetched before, else fetched."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.errors import DataError
from bench.registry import Spec

NEIGHBOUR = Path("..") / "shared" / "data"
"""A folder of data beside the one the command runs in, so that several checkouts can share it."""


def locate(spec: Spec, params: Any, said: str, cache: Path) -> tuple[Path, list[Path]]:
    """The root of a dataset and the files that decide its content. Raises DataError saying how to obtain them.

    said: the `data.root` of the command line, or empty. A root that was said (or BENCH_DATA_ROOT) is the only place
    looked at: data found elsewhere would be a surprise.
    """
    if not spec.files:
        return Path(said or "."), []
    files = spec.load(spec.files)
    named = said or os.environ.get("BENCH_DATA_ROOT", "")
    if named:
        root = Path(named).expanduser()
        origin = "data.root" if said else "BENCH_DATA_ROOT"
        if not root.is_dir():
            raise DataError(
                f'{origin} = "{named}" is not a folder; get the data with: bench data fetch {spec.name} data.root=DIR'
            )
        return root.absolute(), files(root.absolute(), params)
    reasons = []
    for root in (NEIGHBOUR, fetched(cache)):
        if root.is_dir():
            try:
                return root.absolute(), files(root.absolute(), params)
            except DataError as error:
                reasons.append(str(error))
    hint = f"; {reasons[0]}" if reasons else ""
    raise DataError(
        f"no data for {spec.name}: say data.root=DIR, set BENCH_DATA_ROOT, or type: bench data fetch {spec.name}{hint}"
    )


def fetched(cache: Path) -> Path:
    """Where `bench data fetch` puts data when no data.root is said."""
    return cache / "data"


def locate_or_fetch(
    spec: Spec, params: Any, said: str, cache: Path, report: Callable[[str], None]
) -> tuple[Path, list[Path]]:
    """As `locate`; data that are nowhere, and can be had without credentials, are downloaded into the cache."""
    try:
        return locate(spec, params, said, cache)
    except DataError:
        if said or os.environ.get("BENCH_DATA_ROOT") or not spec.fetch:
            raise
    report(f"{spec.name} is not on this machine; downloading it into {fetched(cache)}")
    spec.load(spec.fetch)(fetched(cache), params, report)
    return locate(spec, params, said, cache)
