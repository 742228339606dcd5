"""`benchmarks/etl.py`: what it generates, what it concludes, what it exits with. How fast this
machine is, is no test.
"""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("duckdb")
pytest.importorskip("pyarrow")

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def checkout(monkeypatch):
    monkeypatch.syspath_prepend(str(CHECKOUT))


@pytest.fixture
def measured():
    from benchmarks.etl import Measured

    return Measured("any", 10, 20_000_000, 1, 1, seconds=10.0, cpu=10.0, peak=1e9, size=1, reload=0.1, goal=True)


def chart(folder: Path) -> list[list[str]]:
    with gzip.open(folder / "icu" / "chartevents.csv.gz", "rt", encoding="utf-8") as stream:
        return [line.rstrip("\n").split(",") for line in stream]


def test_rows_of_other_items_stand_between_the_generated_rows_which_stay_as_they_are(tmp_path):
    from benchmarks.etl_tables import FIRST_OTHER, OTHER_ITEMS, Tables, make, rows

    alone = chart(make(Tables(20, 1.0), tmp_path, print))
    root = make(Tables(20, 1.0, others=1.5), tmp_path, print)
    mixed = chart(root)
    assert rows(root) == len(mixed) - 1
    item = alone[0].index("itemid")
    others = {str(number) for number in range(FIRST_OTHER, FIRST_OTHER + OTHER_ITEMS)}
    assert [row for row in mixed if row[item] not in others] == alone
    assert len(mixed) / len(alone) == pytest.approx(2.5, rel=0.02)
    with gzip.open(root / "icu" / "d_items.csv.gz", "rt", encoding="utf-8") as stream:
        assert others < {line.split(",")[0] for line in stream}


def test_rows_of_other_items_change_nothing_in_the_cohort(tmp_path):
    from bench.components import Context
    from bench.registry import discover
    from benchmarks.etl_tables import Tables, make

    context = Context(parts=lambda records, groups: np.zeros(len(records), np.int8))
    dataset = discover().get("dataset", "mimic4").build({})
    alone, mixed = (
        dataset.prepare(make(tables, tmp_path, print), context)
        for tables in (Tables(20, 1.0), Tables(20, 1.0, others=1.5))
    )
    of_others = {name for name in mixed.counts if name.endswith(("rows", "rows of other items, not read"))}
    assert {n: c for n, c in alone.counts.items() if n not in of_others} == {
        n: c for n, c in mixed.counts.items() if n not in of_others
    }
    for table in ("icu/chartevents", "icu/d_items"):  # and every one of them is counted
        more = [
            mixed.counts[f"{table}: {what}"].number - alone.counts[f"{table}: {what}"].number
            for what in ("rows", "rows of other items, not read")
        ]
        assert more[0] == more[1] > 0
    for name, series in alone.modalities.items():
        assert np.array_equal(series.events.values, mixed.modalities[name].events.values, equal_nan=True)


def test_a_line_through_points_of_a_line_is_that_line():
    from benchmarks.etl import line

    found = line([5.0, 10.0, 20.0], [3.0, 4.0, 6.0])
    assert (found.constant, found.slope) == pytest.approx((2.0, 0.2))
    assert found.off == pytest.approx([0.0, 0.0, 0.0])
    assert found.at(100.0) == pytest.approx(22.0)


@pytest.mark.parametrize("power", [1.0, 2.0])
def test_the_exponent_is_the_power_with_which_seconds_grow(power):
    from benchmarks.etl import exponent

    rows = np.array([5e6, 1e7, 2e7])
    assert exponent(rows, 3e-6 * rows**power) == pytest.approx(power)


def test_time_and_memory_are_one_goal(measured):
    assert measured.ok is True
    assert replace(measured, seconds=90.1).ok is False
    assert replace(measured, peak=3.1e9).ok is False
    assert replace(measured, peak=3.1e9, goal=False).ok is None


def test_growth_faster_than_linear_is_missed_and_every_estimate_says_that_it_is_one(measured):
    from benchmarks.etl import verdict

    def growing(power: float):
        return [replace(measured, rows=rows, seconds=(rows / 1e6) ** power) for rows in (5_000_000, 10_000_000)]

    said, ok = verdict(growing(1.0), None, judged=True)
    assert ok
    assert [sentence for sentence in said if "estimate, not measured: 313,645,063 rows" in sentence]
    said, ok = verdict(growing(1.2), None, judged=True)
    assert not ok
    assert any("MISSED" in sentence for sentence in said)


def test_memory_is_estimated_as_the_cohort_and_what_is_held_beside_it(measured):
    from benchmarks.etl import verdict

    def sized(rows: int):
        return replace(measured, rows=rows, size=rows * 10, peak=rows * 10 + 2**30, seconds=rows / 1e6)

    said, _ = verdict([sized(5_000_000), sized(10_000_000)], sized(20_000_000), judged=True)
    assert "1.2 GiB; the estimate for so many is" in said[-1]
    assert said[-1].endswith("1.2 GiB")
    assert f"{313_645_063 * 10 / 2**30 + 1:.1f} GiB" in said[-2]


def test_the_fastest_time_counts_and_the_highest_peak(measured):
    from benchmarks.etl import best

    found = best("both", 7, [replace(measured, seconds=9.0), replace(measured, peak=2e9)], goal=True)
    assert (found.seconds, found.slowest, found.peak, found.repetitions) == (9.0, 10.0, 2e9, 2)
    assert found.rows == 7


def test_what_the_release_has_is_what_verify_knows():
    from bench_datasets.mimic4.verify import RELEASES
    from benchmarks.etl import RELEASE_ROWS, RELEASE_STAYS

    assert RELEASES["2.2"]["icu/chartevents"] == RELEASE_ROWS
    assert RELEASES["2.2"]["icu/icustays"] == RELEASE_STAYS


@pytest.mark.slow
def test_every_size_is_prepared_by_a_worker_and_the_raw_tables_are_kept(tmp_path):
    line = [sys.executable, str(CHECKOUT / "benchmarks" / "etl.py"), "--quick", "--repetitions=1", "--json"]
    done = subprocess.run([*line, "--keep", "raw"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert len(rows) == 4
    assert len(list((tmp_path / "raw").iterdir())) == 4
    for row in rows:
        assert row["rows"] > row["used"] > row["kept"] > 0
        assert row["peak"] > 50e6
        assert row["seconds"] > 0
