"""Which device a run uses, found out without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
from functools import cache
from pathlib import Path

from bench.errors import UsageError


@cache
def gpus() -> dict[str, str]:
    """Index -> name of the CUDA devices that torch would see: asked of the driver, limited by CUDA_VISIBLE_DEVICES."""
    if not torch_cuda():
        return {}
    try:
        listing = subprocess.run(
            ["nvidia-smi", "--query-gpu=index,name", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=True,
        ).stdout  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return {}
    names = dict(line.split(", ", 1) for line in listing.strip().splitlines() if ", " in line)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        return names
    return {i.strip(): names[i.strip()] for i in visible.split(",") if i.strip() in names}


@cache
def torch_cuda() -> str:
    """The CUDA version the installed torch was built for; empty for a CPU build. Read from its version file."""
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return ""
    version = Path(spec.origin).with_name("version.py")
    match = re.search(r"^cuda(?:: [^=]+)? = '([^']+)'", version.read_text() if version.is_file() else "", re.MULTILINE)
    return match[1] if match else ""


def resolve(wanted: str) -> str:
    """ "cpu" or "cuda" for auto | cpu | cuda. Raises UsageError when CUDA is asked for and not there."""
    if wanted == "auto":
        return "cuda" if gpus() else "cpu"
    if wanted == "cuda" and not gpus():
        why = "the installed torch is a CPU build" if not torch_cuda() else "the driver shows no device"
        raise UsageError(f"device=cuda (from the command line), but {why}; use device=cpu, or see: bench doctor")
    return wanted


@cache
def cpu_name() -> str:
    """The processor's model name, as the system gives it."""
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or platform.machine()


def name(device: str) -> str:
    """A person's name of the device: the processor, or the first GPU."""
    return next(iter(gpus().values())) if device == "cuda" else cpu_name()
