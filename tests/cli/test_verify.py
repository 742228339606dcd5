"""`bench data verify`: of every dataset, each count stands in one of two blocks, by its kind
alone.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.cohort import COUNT_KINDS
from bench.registry import discover
from bench_datasets.affect import generate as affect
from bench_datasets.beijing_air import generate as beijing_air
from support import affect_pickles, long_tables, physionet_files, ptbxl_files, sleepedf_files
from support.commanding import command, folder
from support.mimic4_tables import ward


def challenge(root: Path) -> None:
    """Three stays with lines of every kind: kept, mended, outside the range and the window,
    repeated, and unreadable.
    """
    odd = ("01:00,Temp,98.6", "01:10,HR,999", "49:00,HR,80", "02:00,HR,70", "02:00,HR,71", "zz:zz,HR,80", "03:00,HR")
    stays = {str(number): physionet_files.record(number, *odd) for number in (11, 12, 13)}
    physionet_files.write_set(root, stays)


def bedside(root: Path) -> None:
    pytest.importorskip("duckdb", reason="the extra clinical is not installed")
    tables = ward()
    tables.chart(5000, 1, "Heart Rate", 999)
    tables.chart(5000, 2, "Heart Rate", "fast")
    tables.write(root)


def spoken(root: Path) -> None:
    affect_pickles.write(root / "mosi_data.pkl", affect_pickles.aligned())


def hearts(root: Path) -> None:
    pytest.importorskip("wfdb", reason="the extra signals is not installed")
    ptbxl_files.four(root)


def sleep(root: Path) -> None:
    pytest.importorskip("edfio", reason="the extra sleep is not installed")
    sleepedf_files.night(root)


def events(root: Path) -> None:
    pytest.importorskip("pyarrow", reason="the extra clinical is not installed")
    from support import meds_files

    meds_files.write(root)


OWN = ("data.terms=accepted", "data.fold_sizes=any", "data.feature_pipeline=none")

DATA: dict[str, tuple[Callable[[Path], object], tuple[str, ...]]] = {
    "physionet2012": (challenge, ("data.sets=a",)),
    "physionet2012_csdi": (challenge, ("data.sets=a",)),
    "mimic4": (bedside, ()),
    "mosi": (spoken, OWN),
    "mosei": (lambda root: affect.generate("mosei", root, 60, 0), ()),
    "beijing_air": (lambda root: beijing_air.generate(root, 1, 0), ()),
    "ptbxl": (hearts, ()),
    "ptbxl_limb_chest": (hearts, ()),
    "sleepedf": (sleep, ()),
    "longcsv": (long_tables.write, ()),
    "meds": (events, ()),
    "trace_motivational": (Path.mkdir, ("data.train=20", "data.valid=5", "data.test=5")),
}
"""Dataset -> what writes a small folder of it, and words that it needs."""


def block(lines: list[str], title: str) -> list[tuple[int, str]]:
    """Number and name of each count below a title."""
    if title not in lines:
        return []
    counts = []
    for line in lines[lines.index(title) + 1 :]:
        if not line.startswith("    "):
            break
        number, _, what = line.strip().partition("  ")
        counts.append((int(number), what))
    return counts


@pytest.mark.parametrize("name", sorted(DATA))
def test_the_two_blocks_share_out_all_counts_by_their_kind(name: str) -> None:
    write, words = DATA[name]
    with folder() as here:
        write(here / "data")
        asked = ("data", "verify", name, "data.root=data", *words)
        text, plain = command(here, *asked), command(here, *asked, "--json")
    assert (text.code, plain.code) == (0, 0), text.err
    counts = json.loads(plain.out)["counts"]
    assert counts
    assert all(count["kind"] in COUNT_KINDS for count in counts.values())
    lines = text.out.splitlines()
    for title, found in (("  left out or repaired:", False), ("  also counted:", True)):
        expected = [(count["number"], what) for what, count in counts.items() if (count["kind"] == "found") == found]
        assert block(lines, title) == expected
    changed = any(count["kind"] != "found" for count in counts.values())
    assert ("  nothing was left out or repaired" in lines) != changed


def test_every_dataset_of_the_house_is_looked_at() -> None:
    own = [spec.name for spec in discover().specs("dataset") if spec.plugin.startswith("gapbench:")]
    assert sorted(own) == sorted(DATA)


def test_a_plan_estimates_with_the_records_that_were_counted_in_the_same_files() -> None:
    """Until then it assumes a number; another file makes it unknown again."""
    with folder() as here:
        challenge(here / "data")
        words = ("suite=physionet48", f"data.root={here / 'data'}", "data.sets=a", "seed=1")

        def planned() -> str:
            ended = command(here, "plan", *words)
            assert ended.code == 0, ended.err
            return ended.out

        assert "(assuming 10,000 records)" in planned()
        assert command(here, "data", "verify", "physionet2012", f"data.root={here / 'data'}").code == 0
        assert "(assuming 3 records)" in planned()
        (here / "data" / "physionet2012" / "set-a" / "11.txt").write_text(physionet_files.record(11, "01:00,HR,80"))
        assert "(assuming 10,000 records)" in planned()
