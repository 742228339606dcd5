"""Which device a run uses, found out without importing torch."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import subprocess
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

from bench.config.words import ORIGIN
from bench.errors import UsageError, nearest

KINDS = ("auto", "cpu", "cuda")
"""What a person may ask for; `cuda:1` is one GPU of several."""


class Listed(NamedTuple):
    """A device that the driver lists. number: of a GPU; "" for a part of one (MIG)."""

    number: str
    uuid: str
    name: str


@cache
def gpus() -> dict[str, str]:
    """What CUDA_VISIBLE_DEVICES must say for one device -> its name, of all that torch would see.

    Asked of the driver, limited by CUDA_VISIBLE_DEVICES of this process.
    """
    if not torch_cuda():
        return {}
    try:
        done = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return {}
    return visible(listed(done.stdout), os.environ.get("CUDA_VISIBLE_DEVICES"))


def listed(listing: str) -> list[Listed]:
    """The devices in what `nvidia-smi -L` prints: GPUs, and below each the parts it was divided
    into (MIG).
    """
    devices: list[Listed] = []
    gpu = ""
    for line in listing.splitlines():
        if match := re.match(r"GPU (\d+): (.+?) \(UUID: ([^)\s]+)\)", line):
            gpu = match[2]
            devices.append(Listed(match[1], match[3], gpu))
        elif match := re.match(r"\s+MIG (\S+)\s+Device\s+\d+: \(UUID: ([^)\s]+)\)", line):
            devices.append(Listed("", match[2], f"{gpu} MIG {match[1]}"))
    return devices


def visible(devices: Sequence[Listed], value: str | None) -> dict[str, str]:
    """Those that CUDA shows for a value of CUDA_VISIBLE_DEVICES: indices, or beginnings of UUIDs
    that fit one device alone.

    The first entry that names no device ends the list, as in CUDA. Without a value, all GPUs; of
    one that is divided (MIG) CUDA shows no whole but only its first part.
    """
    if value is None:
        divided = {device.name.partition(" MIG ")[0] for device in devices if not device.number}
        whole = {device.number: device.name for device in devices if device.number and device.name not in divided}
        parts = [device for device in devices if not device.number]
        return whole or {device.uuid: device.name for device in parts[:1]}
    shown: dict[str, str] = {}
    for word in (part.strip() for part in value.split(",")):
        if word.isdigit():
            fitting = [device for device in devices if device.number == str(int(word))]
        else:
            fitting = [device for device in devices if re.match("(GPU|MIG)-.", word) and device.uuid.startswith(word)]
        if len(fitting) != 1:
            break
        shown[fitting[0].number if word.isdigit() else fitting[0].uuid] = fitting[0].name
    return shown


def doubt(wanted: str) -> str:
    """Why `device=auto` takes the CPU although this process was given a GPU; "" where it was given
    none, or uses it.
    """
    value = os.environ.get("CUDA_VISIBLE_DEVICES", "").strip()
    if wanted != "auto" or value in ("", "-1", "NoDevFiles") or gpus():
        return ""
    why = "nvidia-smi lists no such device" if torch_cuda() else "the installed torch is a CPU build"
    return (
        f'warning: CUDA_VISIBLE_DEVICES = "{value}", but {why}: the CPU is used; to use a GPU or stop, give device=cuda'
    )


@cache
def torch_cuda() -> str:
    """The CUDA version the installed torch was built for; empty for a CPU build. Read from its
    version file.
    """
    spec = importlib.util.find_spec("torch")
    if spec is None or not spec.origin:
        return ""
    version = Path(spec.origin).with_name("version.py")
    match = re.search(r"^cuda(?:: [^=]+)? = '([^']+)'", version.read_text() if version.is_file() else "", re.MULTILINE)
    return match[1] if match else ""


def check(wanted: str) -> None:
    """Raises UsageError for what is no device."""
    if not re.fullmatch(r"auto|cpu|cuda(:\d{1,3})?", wanted):
        raise UsageError(
            f'"device" = "{wanted}" is not accepted (from {ORIGIN}): {nearest(wanted, KINDS)}accepted: '
            f"{', '.join(KINDS)}, cuda:N"
        )


def resolve(wanted: str) -> str:
    """ "cpu" or "cuda" for auto | cpu | cuda | cuda:N. Raises UsageError when CUDA is asked for and
    not there.
    """
    check(wanted)
    if wanted == "auto":
        return "cuda" if gpus() else "cpu"
    if wanted != "cpu":
        chosen(wanted)
    return wanted.partition(":")[0]


def chosen(wanted: str) -> tuple[str, ...]:
    """What CUDA_VISIBLE_DEVICES must say for each GPU that a run may use: one for `cuda:N`, counted
    from 0, else all. Raises UsageError where there is none.
    """
    there, number = tuple(gpus()), wanted.partition(":")[2]
    if not there:
        why = "the installed torch is a CPU build" if not torch_cuda() else "the driver shows no device"
        raise UsageError(f"device={wanted} (from {ORIGIN}), but {why}; use device=cpu, or see: bench doctor")
    if number and int(number) >= len(there):
        raise UsageError(
            f"device={wanted} (from {ORIGIN}), but there are {len(there)} GPUs here, cuda:0 to cuda:{len(there) - 1}"
            if len(there) > 1
            else f"device={wanted} (from {ORIGIN}), but there is one GPU here; give device=cuda"
        )
    return there[int(number) : int(number) + 1] if number else there


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


def cores() -> int:
    """Cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
