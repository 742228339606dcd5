"""A folder in which tests run the command `bench` as a person would."""

from __future__ import annotations

import contextlib
import gc
import io
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

SUPPORT = Path(__file__).parent


@dataclass
class Project:
    """An empty folder in which the command `bench` sees the test plugin, with a cache of its
    own.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    suite: str = f"suite={SUPPORT / 'toy.toml'}"

    def scored_plainly(self) -> Project:
        """The same with a score that needs no large library, which every worker process would load
        for a second and more: for tests that look at no score.
        """
        text = (SUPPORT / "toy.toml").read_text()
        file = self.folder.parent / "plain.toml"
        file.write_text(text.replace('task = ["toy"]', 'task = ["plain"]'))
        self.suite = f"suite={file}"
        return self

    def start(self, *words: str, group: bool = False) -> subprocess.Popen[str]:
        """The command, started and not waited for. It can be interrupted, which what a shell starts
        with `&` cannot.

        group: in a group of processes of its own, as a terminal starts it, to which signals can be
               sent as a whole.
        """
        return subprocess.Popen(
            [sys.executable, "-m", "bench", *words], cwd=self.folder, env=self.environment, start_new_session=group,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )  # fmt: skip

    def bench(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """The command, run to its end; asserts its exit code (None: any) and that no traceback
        is shown.
        """
        process = self.start(*words)
        out, err = process.communicate(timeout=240)
        return self._expected(subprocess.CompletedProcess(process.args, process.returncode, out, err), code)

    def here(self, *words: str, code: int | None = 0) -> subprocess.CompletedProcess[str]:
        """The same in this process, its jobs as well: for what no process decides, and ten times
        as fast. `BENCH_CACHE` is the only variable of the environment that it sees.
        """
        from bench.cli.main import outcome
        from bench.execute import executors
        from bench.text.clean import line
        from support import inline

        out, err = io.StringIO(), io.StringIO()
        registry = inline.installed()
        inline.fresh()
        with (
            contextlib.chdir(self.folder),
            mock.patch.dict(os.environ, {"BENCH_CACHE": self.environment["BENCH_CACHE"]}),
            mock.patch.object(sys, "argv", ["bench", *words]),
            mock.patch("bench.registry.discover", return_value=registry),
            mock.patch.object(executors, "find", inline.find(registry)),
            contextlib.redirect_stdout(out),
            contextlib.redirect_stderr(err),
        ):
            ended, message = outcome()
            if message:
                print(f"bench: {line(message)}", file=sys.stderr)
        gc.enable()  # which `bench report` leaves off, since its process ends
        done = subprocess.CompletedProcess(["bench", *words], ended, out.getvalue(), err.getvalue())
        return self._expected(done, code)

    @staticmethod
    def _expected(done: subprocess.CompletedProcess[str], code: int | None) -> subprocess.CompletedProcess[str]:
        assert "Traceback" not in done.stderr, done.stderr
        assert code is None or done.returncode == code, (
            f"exit {done.returncode}, expected {code}\n{done.stdout}\n{done.stderr}"
        )
        return done

    def records(self) -> list[dict]:
        """All records of the project's ledger."""
        found = sorted(self.folder.glob("results/ledger/cells/*/*.json"))
        return [json.loads(path.read_bytes())["record"] for path in found]

    def page(self, *words: str) -> str:
        """The Markdown that `bench report` writes for these words."""
        paths = self.here("report", *words).stdout.split()
        return (self.folder / next(path for path in paths if path.endswith(".md"))).read_text(encoding="utf-8")

    def leaderboard(self, *words: str) -> bytes:
        """The Markdown, CSV and JSON of the last run without timings, joined; what differs from
        the suite is in their name.
        """
        self.here("report", self.suite, "--no-costs", *words)
        pages = (self.folder / "results" / "leaderboards").glob("toy*.md")
        page = max(pages, key=lambda path: path.stat().st_mtime_ns)
        return b"".join(page.with_suffix(f".{kind}").read_bytes() for kind in ("md", "csv", "json"))

    def wait_for(self, path: Path, seconds: float = 60) -> None:
        """Until a file appears."""
        end = time.monotonic() + seconds
        while not path.exists():
            assert time.monotonic() < end, f"{path} did not appear"
            time.sleep(0.02)


def toy_site(site: Path) -> str:
    """A PYTHONPATH on which the test plugin is installed: its package, and the metadata that
    declares its entry point.
    """
    info = site / "bench_toy-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: bench-toy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[bench]\ntoy = bench_toy.plugin\n")
    return os.pathsep.join([str(site), str(SUPPORT)])


def project_in(place: Path, toy_plugin: str) -> Project:
    """An empty project below a folder. toy_plugin: the PYTHONPATH on which the test plugin is
    installed.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith("BENCH_")}
    environment |= {"PYTHONPATH": toy_plugin, "BENCH_CACHE": str(place / "cache"), "COLUMNS": "200"}
    folder = place / "project"
    folder.mkdir()
    return Project(folder, environment)


def interrupt(process: subprocess.Popen[str], number: int = signal.SIGINT) -> tuple[str, str]:
    """Send a signal and wait for the end; what it printed."""
    process.send_signal(number)
    return process.communicate(timeout=60)
