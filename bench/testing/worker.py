"""Fit, apply and audit a component in a fresh process, and hand its result back as safetensors
(no pickle).

Libraries take seconds to load. So one process (`multiprocessing`'s fork server) loads them, calls
nothing, and splits off a fresh process for each component.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import types
from collections.abc import Sequence
from multiprocessing import forkserver
from pathlib import Path
from typing import Any
from unittest import mock

import msgspec
import numpy as np

from bench import arrays
from bench.components import Context
from bench.registry import Spec
from bench.stages.audits import batch_independent
from bench.stages.imputer_audits import ImputerAudits
from bench.stages.twin import FORKS, Twin
from bench.testing.subject import Subject
from bench.testing.words import require, skip

LIBRARIES = ("torch", "torch._dynamo")
"""What takes long to load, and is loaded once for all components, if the first uses torch or the
caller has loaded it.
"""


def audited(subject: Subject) -> tuple[dict[str, np.ndarray], str]:
    """What a component that is fitted now gives for the test part of `small`, and what its audit of
    independence finds in it.

    The audit is that of a run (`imputer-independent`, `batch-independent`); "" where it passes.
    """
    test, context = subject.small.test.without_targets(), Context()
    component = subject.fit(subject.small)
    with Twin(component, subject.spec, context) as twin:
        raw = subject.raw(component, subject.small.test)
        result = subject.records_first(raw, len(test))
        if subject.spec.kind == "imputer":
            return result, ImputerAudits(twin, subject.spec, test, raw, context).run(alone=4).independent
        audit = batch_independent(twin, test, raw["predictions"], context)
        return result, "" if audit.passed else audit.detail


def apply_elsewhere(subject: Subject) -> tuple[dict[str, np.ndarray], str]:
    """The same as `audited`, in another process, in which nothing was called before.

    Skips when the parameter struct cannot be found by its name. Another hash seed is used there, so
    that an order of sets or a `hash(...)` that decides a result shows.
    """
    spec = subject.spec
    if "<locals>" in spec.params.__qualname__ or spec.params.__module__ == "__main__":
        skip("the parameter struct is not at the top level of an importable module")
    torch = sys.modules.get("torch")
    job = {
        "kind": spec.kind,
        "name": spec.name,
        "path": spec.path,
        "params": f"{spec.params.__module__}:{spec.params.__qualname__}",
        "test_params": msgspec.to_builtins(dict(spec.test_params)),
        "tags": sorted(spec.tags),
        "out": str(subject.folder / "elsewhere.safetensors"),
        "errors": str(subject.folder / "elsewhere.log"),
        "environment": dict(os.environ),
        # Sums over threads depend on their number.
        "threads": torch.get_num_threads() if torch and "torch" in spec.tags else 0,
    }
    code = _in_fresh_process(job, LIBRARIES if torch or "torch" in spec.tags else ())
    require(code == 0, f"it fails in another process: {_last_line(Path(job['errors'])) or 'no message'}")
    result, metadata = arrays.read(Path(job["out"]))
    return result, metadata["audit"]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else ""


def _in_fresh_process(job: dict[str, Any], libraries: Sequence[str]) -> int:
    """The exit status of a process that does a job; below 0 where it was killed."""
    context: Any = multiprocessing.get_context("forkserver" if FORKS else "spawn")
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    # The caller's own program is not run again there: nothing of it is needed.
    with (
        mock.patch.dict(os.environ, PYTHONHASHSEED=seed),
        mock.patch.dict(sys.modules, {"__main__": types.ModuleType("__main__")}),
    ):
        if FORKS:
            context.set_forkserver_preload([__name__, *libraries])
            forkserver.ensure_running()
        process = context.Process(target=_work, args=(job,))
        process.start()
    try:
        process.join()
        return process.exitcode or 0
    finally:
        process.kill()


def _work(job: dict[str, Any]) -> None:
    """A job in its own process. What is printed goes nowhere, and errors into the job's file."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    errors = os.open(job["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream, file in enumerate((nowhere, nowhere, errors)):
        os.dup2(file, stream)
    os.environ.clear()
    os.environ.update(job["environment"])
    if job["threads"]:
        importlib.import_module("torch").set_num_threads(job["threads"])
    module, _, name = job["params"].partition(":")
    params = getattr(importlib.import_module(module), name)
    spec = Spec(
        job["kind"], job["name"], job["path"], params, tags=frozenset(job["tags"]), test_params=job["test_params"]
    )
    result, audit = audited(Subject(spec))
    arrays.write(Path(job["out"]), result, {"audit": audit})
