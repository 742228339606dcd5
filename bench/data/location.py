"""Where the data are: `data.root`, else BENCH_DATA_ROOT, else ../shared/data, else what was fetched
before, else fetched or made.

A dataset that can generate a cohort (raw files of the same layout, known to be synthetic) is asked
for it by `data.root=synthetic`. Without any data it is the last resort: that is announced, and
every table made on it says so.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.errors import DataError
from bench.files import read_bytes, replacing, sweep, write_bytes
from bench.registry import MARK, Spec
from bench.results.sealed import seal, unseal

NEIGHBOUR = Path("..") / "shared" / "data"
"""A folder of data beside the one the command runs in, so that several checkouts can share it."""

SYNTHETIC = "synthetic"
"""The `data.root` that asks for a generated cohort."""

VARIABLE = "BENCH_DATA_ROOT"
"""The variable of the environment that names the folder where no `data.root` is given."""

SETTLED = 5.0
"""Seconds after which an unlocked leftover of a generator belongs to no process: a generator locks
its folder at once.
"""


class Located(NamedTuple):
    """A dataset's root, the files that decide its content, and whether they were generated."""

    root: Path
    files: list[Path]
    synthetic: bool


def locate(
    spec: Spec,
    params: Any,
    data_root: str,
    cache: Path,
    report: Callable[[str], None] | None = None,
    pending: bool = False,
    only_there: bool = False,
) -> Located:
    """Where a dataset's data are. Raises DataError saying how to obtain them, and who named the
    folder where one was named.

    - data_root: the `data.root` of the command line, or empty. A root that was given (or
      BENCH_DATA_ROOT) is the only place looked at: data found elsewhere would be a surprise.
    - report: where given, data that are found nowhere are downloaded into the cache when that needs
      no credentials, or generated. Without it only what is there counts. It also hears when the
      data were generated, and when given parameters have no effect on files that are there.
    - pending: data that are not there yet and that a run would download or generate are answered
      with the folder they will have and no files, and nothing is written.
    - only_there: data that are found nowhere are neither downloaded nor generated: a question about
      what is there must not be answered with something else.
    """
    located = _located(spec, params, data_root, cache, report, pending, only_there)
    if report and spec.files and located.synthetic:
        report(f"{spec.name} in {located.root} is a generated (synthetic) cohort, not real records")
    return located


def _located(
    spec: Spec,
    params: Any,
    data_root: str,
    cache: Path,
    report: Callable[[str], None] | None,
    pending: bool,
    only_there: bool,
) -> Located:
    if not spec.files:
        return Located(Path(data_root or "."), [], "synthetic" in spec.tags)
    named = data_root or os.environ.get(VARIABLE, "")
    if data_root == SYNTHETIC:
        return _generated(spec, params, cache, report, pending)
    if named:
        return _named(spec, params, named, "data.root" if data_root else VARIABLE, report)
    reasons = []
    for root in (NEIGHBOUR, fetched(cache)):
        if root.is_dir():
            try:
                return _at(spec, params, root, report)
            except DataError as error:
                reasons.append(str(error))
    if spec.fetch and report and not spec.fetch_name and not only_there:
        report(f"{spec.name} is not on this machine; downloading it into {fetched(cache)}")
        forget_kept(fetched(cache), cache)
        spec.call(spec.fetch, fetched(cache), params, report)
        return _at(spec, params, fetched(cache), report)
    if spec.fetch and spec.generate and pending and not spec.fetch_name and not only_there:
        return Located(fetched(cache), [], False)
    if spec.generate and not only_there:
        if report:
            report(f"{spec.name} is not on this machine; using a generated cohort (as data.root={SYNTHETIC} does)")
        return _generated(spec, params, cache, report, pending)
    hint = f"; {reasons[0]}" if reasons else ""
    ways = ["give data.root=DIR", f"set {VARIABLE}"]
    ways += (
        [f"type: bench data fetch {spec.fetch_name or spec.name}"] if spec.fetch else [f"see: bench show {spec.name}"]
    )
    ways += [f"take a generated cohort: data.root={SYNTHETIC}"] if spec.generate else []
    raise DataError(f"no data for {spec.name}: {', or '.join([', '.join(ways[:-1]), ways[-1]])}{hint}")


def fetched(cache: Path) -> Path:
    """Where `bench data fetch` puts data when no data.root is given."""
    return cache / "data"


def check_kept(located: Located, digest: str, cache: Path) -> None:
    """Refuse files below the cache, fetched or generated there, that are not what they were when a
    run first used them.

    digest: of their contents. What lies elsewhere is its owner's to change. Raises DataError.
    """
    root = located.root.absolute()
    if not root.is_relative_to(cache.absolute()):
        return
    names = sorted(str(file.absolute().relative_to(root)) for file in located.files)
    remembered = cache / "kept" / f"{_short([str(root)])}-{_short(names)}.json"
    try:
        known = msgspec.json.decode(unseal(read_bytes(remembered, 2**20)), type=str)
    except (OSError, ValueError, msgspec.MsgspecError):
        known = ""
    if known and known != digest:
        raise DataError(
            f"the files in {root} are not what was put there: remove that folder, and the same command puts them there again; "
            "for data of your own give data.root=DIR"
        )
    if not known:
        write_bytes(remembered, seal(msgspec.json.encode(digest)))


def forget_kept(root: Path, cache: Path) -> None:
    """New data are put into that folder: what it held before counts no more."""
    for remembered in (cache / "kept").glob(f"{_short([str(root.absolute())])}-*.json"):
        remembered.unlink(missing_ok=True)


def _short(texts: list[str]) -> str:
    return hashlib.sha256(msgspec.json.encode(texts)).hexdigest()[:32]


def _at(spec: Spec, params: Any, root: Path, report: Callable[[str], None] | None) -> Located:
    root = root.absolute()
    files = spec.call(spec.files, root, params)
    if report:
        usual = spec.parameters({})
        idle = [name for name in spec.generate_params if getattr(params, name) != getattr(usual, name)]
        if idle:
            report(
                f"warning: {', '.join(f'data.{name}' for name in idle)} has no effect on the files in {root}: only the "
                f"generator of data.root={SYNTHETIC} reads it"
            )
    marked = (root / MARK).is_file() or any(file.name == MARK for file in files)
    return Located(root, files, marked or "synthetic" in spec.tags)


def _named(spec: Spec, params: Any, named: str, origin: str, report: Callable[[str], None] | None) -> Located:
    root = Path(named).expanduser()
    if not root.is_dir():
        how = f"bench show {spec.name}"
        if spec.fetch:
            how = f"bench data fetch {spec.fetch_name or spec.name} data.root=DIR"
        raise DataError(f'{origin} = "{named}" is not a folder; how to get the data: {how}{_instead(spec, origin)}')
    try:
        return _at(spec, params, root, report)
    except DataError as error:
        whose = f'; the folder is that of {VARIABLE} = "{named}"' if origin == VARIABLE else ""
        raise DataError(f"{error}{whose}{_instead(spec, origin)}", error.public) from error


def _instead(spec: Spec, origin: str) -> str:
    """What to do in place of using a folder that was named and does not hold the data."""
    ways = [f"unset {VARIABLE}", "give data.root=DIR"] if origin == VARIABLE else []
    ways += [f"use a generated cohort: data.root={SYNTHETIC}"] if spec.generate else []
    return f"; or {', or '.join(ways)}" if ways else ""


def _generated(
    spec: Spec, params: Any, cache: Path, report: Callable[[str], None] | None, pending: bool = False
) -> Located:
    """The generated cohort of these parameters and this version of the generator; made where it is
    not there yet.

    What killed generators left behind is removed first.
    """
    if not spec.generate:
        raise DataError(f"{spec.name} has no generated cohort; give data.root=DIR (see: bench show {spec.name})")
    from bench.grid.identity import digest, sources

    deciding = msgspec.to_builtins(params)
    if spec.generate_params:
        deciding = {name: deciding[name] for name in spec.generate_params}
    key = digest([sources(spec.generate.partition(":")[0])[0], deciding])
    root = cache / SYNTHETIC / f"{spec.name}-{key[:16]}"
    if not root.is_dir():
        if pending:
            return Located(root, [], True)
        if report is None:
            raise DataError(
                f"the generated cohort of {spec.name} is not made yet; bench run makes it. For data that are elsewhere, repeat "
                "the words of their run (data.root=...); for the last run, give no further words"
            )
        sweep(root.parent, SETTLED)
        report(f"generating a synthetic cohort of {spec.name} in {root}")
        forget_kept(root, cache)
        with replacing(root) as temporary:
            spec.call(spec.generate, temporary, params, report)
            if not (temporary / MARK).exists():
                write_bytes(temporary / MARK, msgspec.json.encode({"dataset": spec.name, **deciding}))
    return Located(root, spec.call(spec.files, root, params), True)
