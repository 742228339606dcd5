"""Which device a run uses: found out without torch, and never another one than was asked for."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest

from bench.config.command import Settings
from bench.errors import UsageError
from bench.execute import device
from bench.execute.api import Options, Watch
from bench.execute.executors import local
from bench.execute.queue import Waiting
from bench.run import schedule
from support.asking import Asker
from support.fake_cells import fake_job

LISTING = """\
GPU 0: First GPU (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000000)
GPU 1: Second GPU (UUID: GPU-22222222-aaaa-bbbb-cccc-000000000000)
"""
DIVIDED = """\
GPU 0: First GPU (UUID: GPU-11111111-aaaa-bbbb-cccc-000000000000)
  MIG 1g.10gb     Device  0: (UUID: MIG-33333333-aaaa-bbbb-cccc-000000000000)
  MIG 3g.40gb     Device  1: (UUID: MIG-44444444-aaaa-bbbb-cccc-000000000000)
"""
"""What `nvidia-smi -L` prints."""


@pytest.fixture
def driver(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver tool that shows two GPUs, and a torch that was built for CUDA."""
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\ncat <<'END'\n{LISTING}END\n")
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


FIRST, SECOND = "GPU-11111111-aaaa-bbbb-cccc-000000000000", "GPU-22222222-aaaa-bbbb-cccc-000000000000"
PART, OTHER_PART = "MIG-33333333-aaaa-bbbb-cccc-000000000000", "MIG-44444444-aaaa-bbbb-cccc-000000000000"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (None, ["0", "1"]),
        ("", []),
        ("-1", []),
        ("0,1", ["0", "1"]),
        ("1,0", ["1", "0"]),
        (" 1 , 0", ["1", "0"]),
        ("00", ["0"]),
        (FIRST, [FIRST]),
        ("GPU-2222", [SECOND]),
        (f"{SECOND},0", [SECOND, "0"]),
        ("0,7,1", ["0"]),  # CUDA stops at the first that is none
        ("GPU-", []),
        ("GPU-9", []),
        ("NoDevFiles", []),
        ("all", []),
    ],
)
def test_devices_are_named_by_number_or_by_the_beginning_of_their_uuid(said, shown):
    assert list(device.visible(device.listed(LISTING), said)) == shown


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (None, [PART]),
        (PART, [PART]),
        ("MIG-4", [OTHER_PART]),
        ("MIG-", []),
        (f"{OTHER_PART},{PART}", [OTHER_PART, PART]),
    ],
)
def test_of_a_gpu_that_is_divided_its_parts_are_the_devices(said, shown):
    found = device.visible(device.listed(DIVIDED), said)
    assert list(found) == shown
    assert all(name.startswith("First GPU MIG ") for name in found.values())


@pytest.mark.parametrize("said", ["1", "GPU-1111", SECOND, "0,1"])
def test_what_a_scheduler_gives_is_used_and_given_on_in_its_own_words(driver, monkeypatch, said):
    """A worker is shown one device by what stands in the answer, so each answer alone must name
    the same device.
    """
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", said)
    assert device.resolve("auto") == "cuda"
    for word, name in device.gpus().items():
        assert device.visible(device.listed(LISTING), word) == {word: name}


def test_a_gpu_that_was_given_and_cannot_be_used_is_no_silent_cpu(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "GPU-99")
    assert device.resolve("auto") == "cpu"
    assert 'CUDA_VISIBLE_DEVICES = "GPU-99"' in device.doubt("auto")
    assert device.doubt("cpu") == ""
    for nothing in ("", "-1", "0"):
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", nothing)
        device.gpus.cache_clear()
        assert device.doubt("auto") == ""


@pytest.mark.parametrize(
    ("wanted", "kind", "number", "gpus"),
    [
        ("workers=0", "cpu", 3, ()),
        ("workers=0", "cuda", 3, ("0", "1")),  # the third has no GPU and takes what needs none
        ("workers=0 on one core", "cuda", 2, ("0", "1")),  # no GPU idles
        ("workers=5", "cuda", 5, ("0", "1")),
        ("workers=1", "cuda", 1, ("0", "1")),  # who wants one process gets one, on the first GPU
    ],
)
def test_without_a_number_there_is_a_worker_for_each_core_and_for_each_gpu(
    driver, monkeypatch, wanted, kind, number, gpus
):
    monkeypatch.setattr(device, "cores", lambda: 1 if "one core" in wanted else 3)
    settings = Settings(workers=int(wanted.removeprefix("workers=").split()[0]))
    prepared = SimpleNamespace(plan=SimpleNamespace(device=kind), request=SimpleNamespace(settings=settings))
    assert (schedule.workers_of(prepared), schedule.gpus_of(prepared)) == (number, gpus)


def test_one_of_several_gpus_can_be_named_and_its_number_is_in_no_key(driver, tmp_path):
    assert device.chosen("cuda") == ("0", "1")
    assert device.chosen("cuda:1") == ("1",)
    assert device.resolve("cuda:1") == "cuda"
    asker = Asker(tmp_path)
    request = asker.request("device=cuda:1", "imputer=deep", "fuser=net")
    assert request.settings.device == "cuda:1"
    prepared = SimpleNamespace(request=request, plan=SimpleNamespace(device="cuda"))
    assert schedule.gpus_of(prepared) == ("1",)


def test_the_number_counts_among_the_gpus_that_a_person_shows(driver, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert device.chosen("cuda:0") == ("1",)
    with pytest.raises(UsageError, match="one GPU here; give device=cuda"):
        device.resolve("cuda:1")


def test_a_gpu_that_is_not_there_is_refused_with_those_that_are(driver):
    with pytest.raises(UsageError, match="2 GPUs here, cuda:0 to cuda:1"):
        device.resolve("cuda:2")


@pytest.mark.parametrize("word", ["cuda:", "cuda:x", "gpu", "cpu:0", "cuda:0:1", "CUDA"])
def test_what_is_no_device_is_refused(word):
    with pytest.raises(UsageError, match="accepted: auto, cpu, cuda"):
        device.check(word)


def test_each_gpu_is_a_slot_for_what_trains_on_it_and_the_rest_goes_elsewhere():
    """Two GPUs and three workers: no GPU has two jobs, and jobs of the CPU wait for none."""
    executor = local.Executor(Options(workers=3, gpus=("0", "1"), limits=mock.Mock(), logs=Path()))
    executor.watch = Watch(finished=lambda result: None)
    executor.waiting = Waiting([fake_job(f"g{n}", device="cuda") for n in range(3)] + [fake_job("c0"), fake_job("c1")])
    gpus = [*executor.options.gpus, None]
    executor.running = [
        local.Worker(number=n, gpu=gpu, process=mock.Mock(), connection=mock.Mock(), ready=True)
        for n, gpu in enumerate(gpus)
    ]
    executor._hand_out()
    assert {worker.gpu: worker.job.id for worker in executor.running} == {"0": "g0", "1": "g1", None: "c0"}
