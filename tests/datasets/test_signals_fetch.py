"""`bench data fetch` of PTB-XL and Sleep-EDF from a server on this machine: asked for by name,
read afterwards from where it was put, and never downloaded unasked.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.registry import discover
from support import ptbxl_files, sleepedf_files
from support.commanding import command, folder
from support.publishing import publishing

pytest.importorskip("wfdb", reason="the extra signals is not installed")
pytest.importorskip("edfio", reason="the extra sleep is not installed")


def hearts(origin: Path) -> None:
    ptbxl_files.four(origin)
    (origin / "LICENSE.txt").write_text("as published")


def sleep(origin: Path) -> None:
    sleepedf_files.night(origin / "sleep-cassette")


PUBLISHED: dict[str, tuple[Callable[[Path], None], str, int]] = {
    "ptbxl": (hearts, "BENCH_PTBXL_URL", 3),
    "ptbxl_limb_chest": (hearts, "BENCH_PTBXL_URL", 3),
    "sleepedf": (sleep, "BENCH_SLEEPEDF_URL", 10),
}
"""Dataset -> what its publisher has, the variable that names a mirror, and records."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_was_fetched_is_verified_in_the_same_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, variable, records = PUBLISHED[name]
    write(tmp_path / "origin")
    with publishing(tmp_path / "origin") as (address, _), folder() as here:
        monkeypatch.setenv(variable, address)
        fetched = command(here, "data", "fetch", name, "data.root=data")
        assert fetched.code == 0, fetched.err
        verified = command(here, "data", "verify", name, "data.root=data", "--json")
        assert verified.code == 0, verified.err
        assert json.loads(verified.out)["records"] == records
        assert not json.loads(verified.out)["synthetic"]
        assert not [*fetched.faults, *verified.faults]


@pytest.mark.parametrize("name", PUBLISHED)
def test_gigabytes_are_never_downloaded_unasked(name: str) -> None:
    assert discover().get("dataset", name).fetch_name == name
