"""Peak memory of this process, measured from a mark on."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any


def start() -> None:
    """Start a new measurement (Linux; elsewhere the peak is that of the process)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")
    torch = _used_torch()
    if torch is not None:
        torch.cuda.reset_peak_memory_stats()


def peak() -> int:
    """Peak resident memory of this process since `start`, plus the GPU's peak where torch used
    one; bytes.
    """
    resident = 0
    try:
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                resident = int(line.split()[1]) * 1024
    except OSError:
        import resource

        resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    torch = _used_torch()
    return resident + (torch.cuda.max_memory_allocated() if torch is not None else 0)


def exhausted(error: BaseException, words: str) -> bool:
    """Whether an exception, whose text is `words`, says that memory, of the machine or of the
    GPU, was not enough.
    """
    names = {cls.__name__ for cls in type(error).__mro__}
    return bool(names & {"MemoryError", "OutOfMemoryError"}) or "can't allocate memory" in words


def _used_torch() -> Any:
    """torch, where it is loaded and has used a GPU."""
    torch = sys.modules.get("torch")
    used = torch is not None and torch.cuda.is_available() and torch.cuda.is_initialized()
    return torch if used else None
