"""Snapshots of runs: the export of each run as it ended, in a file of its own, so that no run hides
the one before. `<out>/runs/<suite>/<name>.json`.

A snapshot is never changed. One exception: a run that was stopped goes on under its name.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import msgspec

from bench.config.layers import name_of
from bench.config.words import ORIGIN
from bench.errors import StorageError, UsageError, unknown
from bench.files import read_bytes, storage
from bench.grid.differences import deciding
from bench.results.export_file import LARGEST, check_seal, load_export, save_export
from bench.results.named_suite import file_of
from bench.results.records import Export
from bench.results.run_info import RunInfo
from bench.text.names import check, is_name

LAST = "last"
"""What stands for the last run in place of a name."""

Say = Callable[[str], None]


class _Head(msgspec.Struct):
    run: RunInfo


def folder_of(out: Path, suite: str) -> Path:
    """Where the snapshots of a suite lie."""
    return out / "runs" / check("suite", suite, ORIGIN)


def suite_of(out: Path, typed: str) -> str:
    """The name of a suite: of one that has runs here, or of one that is known, by name or file.
    Raises UsageError.
    """
    return typed if is_name(typed) and (out / "runs" / typed).is_dir() else name_of(typed)


def check_name(name: str) -> None:
    """UsageError for a name that no run may have."""
    check("name", name, ORIGIN)
    if name == LAST:
        raise UsageError(f'name "{LAST}" (from {ORIGIN}) stands for the last run; give another one')


def check_free(out: Path, suite: str, name: str, keys: list[str] | None = None) -> None:
    """UsageError where a run of the suite has the name, unless it was stopped and planned the same.

    keys: of the cells that are planned now; None where that is not known yet.
    """
    check_name(name)
    path = folder_of(out, suite) / f"{name}.json"
    if not path.exists():
        return
    held = load_export(path, "bench run with another name")
    ended = held.run is None or not held.run.stopped
    if ended or (keys is not None and [key for _, key in held.planned] != keys):
        what = "" if ended else " was stopped and"
        other = "" if ended else "; it planned other cells, so this run cannot go on with it"
        date = f" ({held.run.second})" if held.run else ""
        raise UsageError(
            f'name "{name}" (from {ORIGIN}): a run of suite {suite}{what} has it{date}{other}; give another name. '
            "See all with: bench runs"
        )


def keep(out: Path, export: Export) -> Path:
    """Store the export of a run under the name in it. Where another has the name, a number is added
    to it, unless that one was stopped: then this run went on with it.

    Raises StorageError.
    """
    assert export.run is not None
    folder = folder_of(out, export.suite)
    base, number = export.run.name, 1
    while True:
        name = base if number == 1 else f"{base}-{number}"
        run = msgspec.structs.replace(export.run, name=name)
        path = folder / f"{name}.json"
        if _create(path, msgspec.structs.replace(export, run=run)):
            return path
        number += 1


def _create(path: Path, export: Export) -> bool:
    """Write a snapshot whole or not at all. False where another run has the name."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp")
    try:
        save_export(temporary, export)
        with storage(path):
            if path.exists() and _goes_on(path, export):
                temporary.replace(path)
                return True
            try:
                os.link(temporary, path)
            except FileExistsError:
                return False
            except OSError:  # a file system without links
                if path.exists():
                    return False
                temporary.replace(path)
        return True
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _goes_on(path: Path, export: Export) -> bool:
    """Whether the run of a snapshot was stopped, and an export is of the same cells."""
    try:
        held = load_export(path)
    except StorageError:
        return False
    return held.run is not None and bool(held.run.stopped) and held.planned == export.planned


def infos(out: Path, say: Say, suite: str = "") -> Iterator[tuple[Path, str, RunInfo]]:
    """File, suite and description of each snapshot, by suite and date. Says which are damaged."""
    folders = [folder_of(out, suite)] if suite else sorted((out / "runs").glob("*"))
    for folder in folders:
        described = []
        for path in folder.glob("*.json"):
            try:
                described.append((msgspec.structs.replace(_info(path), name=path.stem), path))
            except StorageError as error:
                say(f"warning: {error}")
        for info, path in sorted(described, key=lambda each: (each[0].date, each[0].name)):
            yield path, folder.name, info


def _info(path: Path) -> RunInfo:
    """What a snapshot says of its run, of its first lines alone."""
    lines = []
    try:
        with path.open("rb") as stream:
            for _ in range(4):
                lines.append(stream.readline(2**20))
        field = next((line.strip().rstrip(b",") for line in lines if line.startswith(b'"run": ')), None)
        if field is None:
            raise msgspec.DecodeError("it does not begin with a run")
        return msgspec.json.decode(b"{" + field + b"}", type=_Head).run
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise StorageError(f"{path} is no snapshot of a run, or is damaged ({error}); it is left out") from None


def check_whole(path: Path) -> None:
    """Raises StorageError where a byte of a snapshot is not as it was written."""
    try:
        check_seal(read_bytes(path, LARGEST))
    except (OSError, msgspec.DecodeError) as error:
        raise StorageError(f"{path} is damaged ({error}); restore it, or remove it") from None


def suites_of(out: Path, name: str) -> list[str]:
    """The suites that have a run of that name."""
    return [suite for _, suite, info in infos(out, lambda message: None) if info.name == name]


def only_suite(out: Path) -> str:
    """The one suite of which runs are kept; "" where there are several or none."""
    kept = {suite for _, suite, _ in infos(out, lambda message: None)}
    return kept.pop() if len(kept) == 1 else ""


def names(out: Path, suite: str, say: Say = lambda message: None) -> list[str]:
    """The names of the runs of a suite, oldest first. Says which are damaged."""
    return [path.stem for path, _, _ in infos(out, say, suite)]


def find(out: Path, suite: str, name: str) -> Export:
    """The snapshot of a run, by its name or `last`. UsageError, with what there is, for another
    name; StorageError where it is damaged.
    """
    return _load(out, suite, _until(out, suite, name)[-1])


def _until(out: Path, suite: str, name: str, say: Say = lambda message: None) -> list[str]:
    """The names of all runs up to that one, oldest first. UsageError where there is no such run."""
    known = names(out, suite, say)
    if not known:
        raise UsageError(
            f"{out / 'runs'} holds no run of suite {suite}; a run is kept when it ends, so first: bench run suite={suite}"
        )
    if name == LAST:
        return known
    if name not in known:
        raise unknown("run", name, known, ORIGIN, f"see all with: bench runs suite={suite}" if len(known) > 12 else "")
    return known[: known.index(name) + 1]


def _load(out: Path, suite: str, name: str) -> Export:
    """A run under the name of its file. StorageError where it is damaged, or of another suite."""
    path = folder_of(out, suite) / f"{name}.json"
    export = load_export(path, "bench run")
    if export.suite != suite:
        raise StorageError(f"{path} is a run of suite {export.suite}, filed under {suite}; move it, or remove it")
    return msgspec.structs.replace(export, run=msgspec.structs.replace(export.run, name=name)) if export.run else export


def series(out: Path, suite: str, say: Say, until: str = LAST) -> list[Export]:
    """The run of that name, and those before it that asked the same of the suite: suite file,
    profile, splits and all keys that decide a table. Oldest first; says how many others there are.

    Damaged runs are left out, with a warning. Raises StorageError where the run that is named is
    damaged, or all are.
    """
    readable = []
    *earlier, last = _until(out, suite, until, say)
    for name in (*earlier, last):
        try:
            readable.append(_load(out, suite, name))
        except StorageError as error:
            if name == until or (name == last and not readable):
                raise
            say(f"warning: {error}")
    *before, newest = readable
    alike = [export for export in before if _asked(export) == _asked(newest)]
    if others := len(before) - len(alike):
        say(
            f"{others} run{'s' * (others > 1)} of another suite file, profile, split, shard or other settings of the suite "
            "left out"
        )
    return [*alike, newest]


def before(out: Path, suite: str, new: Export, count: int, say: Say) -> list[Export]:
    """The last runs before a new one that asked the same of the suite, oldest first, `count` at
    most; of runs of the very same cells the last one. The last run of all is the new one itself
    where it planned its cells. Says where there are fewer. UsageError without any.
    """
    if new.run:
        alike = series(out, suite, say, new.run.name)[:-1]
    else:
        known = series(out, suite, say)
        alike = [each for each in known if _asked(each) == _asked(new)]
        if alike and {key for _, key in new.planned} <= {key for _, key in alike[-1].planned}:
            alike = alike[:-1]
    if not alike:
        raise UsageError(
            f"{folder_of(out, suite)} holds no run before this one that asked the same of the suite; run it twice, or pin a "
            f"baseline: bench baseline pin suite={suite}"
        )
    last_of_results = {_results(export): place for place, export in enumerate(alike)}
    several = [alike[place] for place in sorted(last_of_results.values())]
    if len(several) < count:
        repeated = len(alike) - len(several)
        say(
            f"the last {count} runs are named and {len(several)} can be used"
            + f"; {repeated} more repeat{'s' * (repeated == 1)} the cells of another" * bool(repeated)
        )
    return several[-count:]


def _results(export: Export) -> tuple[object, ...]:
    """Cells and scores of a run: a repetition has the same."""
    scores = sorted((record.key, *sorted(record.scores.items())) for record in export.records)
    return tuple(sorted(key for _, key in export.planned)), tuple(scores)


def _asked(export: Export) -> tuple[object, ...]:
    shard = export.run.shard if export.run else ""
    return file_of(export), export.profile, export.splits, shard, [(o.key, o.value) for o in deciding(export.overrides)]
