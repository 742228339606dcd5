"""Where a number comes from: versions, revision, device."""

from __future__ import annotations

import platform
import subprocess
from functools import cache
from pathlib import Path

import bench
from bench.execute import device
from bench.grid.identity import library_version

LIBRARIES = ("numpy", "scipy", "pandas", "sklearn", "torch")


def revision() -> str:
    """The git revision of the harness when it runs from a checkout, with "+changes" where files
    differ; else empty.
    """
    folder = Path(bench.__file__).resolve().parents[1]
    return revision_of(folder) if (folder / ".git").exists() else ""


@cache
def revision_of(folder: Path) -> str:
    """The git revision of the checkout that a folder lies in, with "+changes" where files differ;
    empty where it lies in none.
    """

    def git(*words: str) -> str:
        line = ["git", "--no-optional-locks", "-C", str(folder), *words]
        return subprocess.run(line, capture_output=True, text=True, timeout=10).stdout

    try:
        head = git("rev-parse", "--short=12", "HEAD").strip()
        return head + ("+changes" if head and git("status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.SubprocessError):
        return ""


@cache
def surroundings() -> dict[str, str]:
    """Versions, revision and system of this process."""
    versions = {name: library_version(name) for name in LIBRARIES}
    return {
        "gapbench": bench.__version__,
        "revision": revision(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        **{f"library {name}": version for name, version in versions.items() if version},
    }


def of_worker(gpu: str | None) -> dict[str, str]:
    """The surroundings of a worker, with its host and the names of its devices ("cpu", and
    "cuda" where it has a GPU).
    """
    named = {"cuda": device.name("cuda")} if gpu is not None else {}
    return {**surroundings(), "host": platform.node(), "cpu": device.cpu_name(), **named}
