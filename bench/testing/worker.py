"""Fit, apply and audit a component in a fresh process, and hand its result back as safetensors
(no pickle).
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np

from bench import arrays
from bench.components import Context
from bench.registry import Spec
from bench.stages.audits import batch_independent
from bench.stages.imputer_audits import ImputerAudits
from bench.stages.twin import Twin
from bench.testing.subject import Subject
from bench.testing.words import require, skip


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
    job = {
        "kind": spec.kind,
        "name": spec.name,
        "path": spec.path,
        "params": f"{spec.params.__module__}:{spec.params.__qualname__}",
        "test_params": msgspec.to_builtins(dict(spec.test_params)),
        "tags": sorted(spec.tags),
        "out": str(subject.folder / "elsewhere.safetensors"),
    }
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    environment["PYTHONHASHSEED"] = "1" if environment.get("PYTHONHASHSEED") != "1" else "2"
    if "torch" in spec.tags and "torch" in sys.modules:
        # Sums over threads depend on their number, which a program may have changed after torch was
        # loaded.
        environment["OMP_NUM_THREADS"] = str(sys.modules["torch"].get_num_threads())
    done = subprocess.run(
        [sys.executable, "-m", "bench.testing.worker"],
        input=json.dumps(job),
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    last = done.stderr.strip().splitlines()[-1:] or ["no message"]
    require(done.returncode == 0, f"it fails in another process: {last[0]}")
    result, metadata = arrays.read(Path(job["out"]))
    return result, metadata["audit"]


def main() -> None:
    """The other process: a job as JSON on stdin, the result in the file the job names."""
    job = json.load(sys.stdin)
    module, _, name = job["params"].partition(":")
    params = getattr(importlib.import_module(module), name)
    spec = Spec(
        job["kind"], job["name"], job["path"], params, tags=frozenset(job["tags"]), test_params=job["test_params"]
    )
    subject = Subject(spec)
    result, audit = audited(subject)
    arrays.write(Path(job["out"]), result, {"audit": audit})


if __name__ == "__main__":
    main()
