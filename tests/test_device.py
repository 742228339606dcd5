"""Which device a run uses: found out without torch, and never another one than was asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from bench import device
from bench.errors import UsageError


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver tool that shows two GPUs, and a torch that was built for CUDA."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho '0, First GPU'\necho '1, Second GPU'\n")
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(device, "torch_cuda", lambda: "12.6")
    device.gpus.cache_clear()
    yield
    device.gpus.cache_clear()


def test_gpus_are_those_the_driver_shows(driver):
    assert device.gpus() == {"0": "First GPU", "1": "Second GPU"}
    assert device.resolve("auto") == "cuda"
    assert device.name("cuda") == "First GPU"


def test_a_person_may_show_fewer(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert device.gpus() == {"1": "Second GPU"}
    assert device.name("cuda") == "Second GPU"


def test_a_cpu_build_of_torch_sees_no_gpu_and_says_so_when_asked_for_one(driver, monkeypatch):
    monkeypatch.setattr(device, "torch_cuda", lambda: "")
    assert device.gpus() == {}
    assert device.resolve("auto") == "cpu"
    with pytest.raises(UsageError, match="the installed torch is a CPU build"):
        device.resolve("cuda")
