"""Pinned runs: one file per suite, an export without predictions, never replaced without being
told to.
"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from bench.errors import StorageError, UsageError
from bench.grid.differences import sentence
from bench.leaderboard.board import join
from bench.results.collect import suite_word
from bench.results.coordinates import method_of
from bench.results.export_file import load_export, save_export
from bench.results.records import Export
from bench.results.redact import redact


def path_of(out: Path, suite: str) -> Path:
    """Where the baseline of a suite lies, unless a file is named."""
    return out / "baselines" / f"{suite}.json"


def pin(export: Export, path: Path, replace: bool = False) -> None:
    """Store a run as a baseline, redacted.

    UsageError when nothing in it is ok, or when there is one already and `replace` was not said;
    StorageError when it cannot be written.
    """
    cells, _ = join(export)
    ends = [record.status for at, record in cells.items() if record and not at.audit]
    if not ends:
        raise UsageError(
            f"no cell of suite {export.suite} that is named was run, so nothing can be pinned; {_run(export)}"
        )
    if "ok" not in ends:
        raise UsageError(
            f"suite {export.suite} has no ok cell to pin; see how its cells ended: bench report {suite_word(export)} --print"
        )
    if path.exists() and not replace:
        raise UsageError(
            f"there is a baseline at {path} already ({_held(path)}); to put this run in its place add --replace, to keep both "
            "name another file: --baseline FILE"
        )
    save_export(path, redact(export))


def _run(export: Export) -> str:
    return f"run what is named first: {export.command}" if export.command else "run the suite first"


def find(path: Path, suite: str) -> Export:
    """A pinned run. UsageError when there is none; StorageError when it is damaged. suite: its
    name or file, for what to type.
    """
    if not path.is_file():
        there = ", ".join(sorted(file.stem for file in path.parent.glob("*.json"))) or "nothing"
        raise UsageError(
            f"there is no baseline at {path} (in this folder: {there}); make one with: {_pin(path, suite)}"
        )
    return load_export(path, _pin(path, suite, "--replace"))


def _pin(path: Path, suite: str, *options: str) -> str:
    named = ["suite=" + suite] if suite else []
    own = path.parent.name == "baselines"
    out = [f"out={path.parent.parent}"] if own and path.parent.parent != Path("results") else []
    return shlex.join(["bench", "baseline", "pin", *named, *out, *options, *([] if own else ["--baseline", str(path)])])


def _held(path: Path) -> str:
    try:
        return in_words(load_export(path))
    except StorageError as error:
        return str(error)


def in_words(export: Export) -> str:
    """A baseline in a few words: of what, how much, with which versions."""
    about = describe(export)
    seeds = ", ".join(map(str, about["seeds"]))
    return (
        f"{about['suite']}, profile {about['profile']}, {about['ok']} of {about['cells']} cells ok, seeds {seeds}, "
        f"data {about['release'] or about['data'][:12] or 'unknown'}, revision {about['revision'] or 'unknown'}"
        + (f"; {about['differs']}" if about["differs"] else "")
    )


def describe(export: Export) -> dict[str, Any]:
    """What a baseline is of: plain data, nothing of a patient."""
    cells, _ = join(export)
    scored = {at: record for at, record in cells.items() if not at.audit}
    records = [record for record in scored.values() if record]

    def entries(name: str) -> str:
        return " and ".join(sorted({r.provenance.get(name, "") for r in records} - {""}))

    return {
        "suite": export.suite,
        "title": export.title,
        "dataset": export.dataset,
        "synthetic": export.synthetic,
        "profile": export.profile,
        "split": "+".join(export.splits),
        "differs": sentence(export.overrides),
        "release": export.release,
        "command": export.command,
        "tasks": [task.name for task in export.tasks],
        "imputers": list(dict.fromkeys(method_of(at).imputer for at in scored)),
        "fusers": list(dict.fromkeys(method_of(at).fuser for at in scored)),
        "scenarios": list(dict.fromkeys(at.scenario for at in scored)),
        "seeds": sorted({at.seed for at in scored}),
        "cells": len(scored),
        "ok": sum(record.status == "ok" for record in records),
        "data": entries("manifest"),
        "device": entries("device"),
        "revision": entries("revision"),
        "gapbench": entries("gapbench"),
        "edits": export.edits,
    }
