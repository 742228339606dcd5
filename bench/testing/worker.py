"""Fit and apply a component in a fresh process, and hand its result back as safetensors (no pickle)."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from bench import arrays
from bench.registry import Spec
from bench.testing.checks import require, skip

if TYPE_CHECKING:
    from bench.testing.subject import Subject


def apply_elsewhere(subject: Subject) -> dict[str, np.ndarray]:
    """What the subject gives for the test part of `small` when fitted in another process.

    Skips when the parameter struct cannot be found by its name. Another hash seed is used there, so that an order of
    sets or a `hash(...)` that decides a result shows.
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
        # Sums over threads depend on their number, which a program may have changed after torch was loaded.
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
    return arrays.read(Path(job["out"]))[0]


def main() -> None:
    """The other process: a job as JSON on stdin, the result in the file the job names."""
    from bench.testing.subject import Subject

    job = json.load(sys.stdin)
    module, _, name = job["params"].partition(":")
    params = getattr(importlib.import_module(module), name)
    spec = Spec(
        job["kind"], job["name"], job["path"], params, tags=frozenset(job["tags"]), test_params=job["test_params"]
    )
    subject = Subject(spec)
    arrays.write(Path(job["out"]), subject.apply(subject.fit(subject.small), subject.small.test))


if __name__ == "__main__":
    main()
