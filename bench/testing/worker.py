"""Fit, apply and audit a component in a fresh process, and hand its result back as safetensors
(no pickle).

Libraries take seconds to load. So one process loads them, calls nothing, and splits off a fresh
process for each component.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import os
import subprocess
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

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
"""What takes long to load, and is loaded once for all components that are tagged torch."""


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
        "errors": str(subject.folder / "elsewhere.log"),
        "folder": str(Path.cwd()),
        "libraries": LIBRARIES if "torch" in spec.tags else (),
    }
    environment = dict(os.environ)
    environment["PYTHONPATH"] = os.pathsep.join(path or str(Path.cwd()) for path in sys.path)
    environment["PYTHONHASHSEED"] = "1" if environment.get("PYTHONHASHSEED") != "1" else "2"
    if "torch" in spec.tags and "torch" in sys.modules:
        # Sums over threads depend on their number, which a program may have changed after torch was
        # loaded.
        environment["OMP_NUM_THREADS"] = str(sys.modules["torch"].get_num_threads())
    job["environment"] = environment
    code = _ForkServer.of(environment).do(job)
    require(code == 0, f"it fails in another process: {_last_line(Path(job['errors'])) or 'no message'}")
    result, metadata = arrays.read(Path(job["out"]))
    return result, metadata["audit"]


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1] if lines else ""


@dataclass
class _ForkServer:
    """A process that loads libraries, calls nothing else, and splits off one process per job.

    It ends with this one, or when jobs need another environment. Where no process can be split off
    safely, it does one job and ends.
    """

    key: tuple[int, dict[str, str]]
    process: subprocess.Popen[str]

    newest: ClassVar[_ForkServer | None] = None

    @classmethod
    def of(cls, environment: dict[str, str]) -> _ForkServer:
        """The one of this process with these variables, started where there is none."""
        key = os.getpid(), {name: value for name, value in environment.items() if name != "PYTEST_CURRENT_TEST"}
        if not FORKS or cls.newest is None or cls.newest.key != key or cls.newest.process.poll() is not None:
            cls.end()
            process = subprocess.Popen(
                [sys.executable, "-m", "bench.testing.worker"], env=environment, text=True,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            )  # fmt: skip
            cls.newest = cls(key, process)
        return cls.newest

    @classmethod
    def end(cls) -> None:
        """End the newest, if this process started it."""
        newest, cls.newest = cls.newest, None
        if newest is not None and newest.key[0] == os.getpid():
            with newest.process as process:
                process.kill()

    def do(self, job: dict[str, Any]) -> int:
        """The exit status of a fresh process that does a job; below 0 where it or the server was
        killed.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(job), file=self.process.stdin, flush=True)
            return int(self.process.stdout.readline() or -1)
        except BrokenPipeError:
            return -1
        except BaseException:  # an interrupt: the answer to this job is still to come
            self.end()
            raise


atexit.register(_ForkServer.end)


def main() -> None:
    """The server: jobs come as lines of JSON on stdin, exit statuses go out as lines on stdout."""
    for line in sys.stdin:
        job = json.loads(line)
        for name in job["libraries"]:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        child = os.fork() if FORKS else 0
        if not child:
            status, answer = 1, os.dup(1)
            try:
                _work(job)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                if not FORKS:
                    os.write(answer, f"{status}\n".encode())
                sys.stderr.flush()
                os._exit(status)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _work(job: dict[str, Any]) -> None:
    """A job in its own process. What is printed goes nowhere, and errors into the job's file."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    errors = os.open(job["errors"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    for stream, file in enumerate((nowhere, nowhere, errors)):
        os.dup2(file, stream)
    os.environ.clear()
    os.environ.update(job["environment"])
    os.chdir(job["folder"])
    module, _, name = job["params"].partition(":")
    params = getattr(importlib.import_module(module), name)
    spec = Spec(
        job["kind"], job["name"], job["path"], params, tags=frozenset(job["tags"]), test_params=job["test_params"]
    )
    result, audit = audited(Subject(spec))
    arrays.write(Path(job["out"]), result, {"audit": audit})


if __name__ == "__main__":
    main()
