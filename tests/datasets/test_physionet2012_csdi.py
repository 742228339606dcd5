"""The physionet2012_csdi cohort and the published held-out entries, on stays written by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.cohort import Cohort, bin_events
from bench.components import Context
from bench.registry import Registry
from bench_datasets import plugin
from bench_datasets.physionet2012.csdi import VARIABLES, fold
from support.pages import page
from support.physionet_files import record, write_set

REGISTRY = Registry()
REGISTRY.register_plugin("gapbench:datasets", plugin)
SPEC = REGISTRY.get("dataset", "physionet2012_csdi")


def cohort(root: Path, *lines: str, **params: object) -> Cohort:
    """The cohort of one stay, and of one that holds nothing of the 35 variables."""
    write_set(root, {"11": record(11, *lines), "12": record(12, "01:00,MechVent,1", "01:00,Weight,80")})
    made: Cohort = SPEC.build(params).prepare(root, Context())
    return made


def values(made: Cohort, name: str) -> dict[int, float]:
    """Hour -> value of a variable in the first record."""
    column = made.modalities["series"].grid[0, :, VARIABLES.index(name)]
    return {int(hour): float(column[hour]) for hour in np.flatnonzero(~np.isnan(column))}


def test_one_modality_holds_the_35_variables_in_the_published_order(tmp_path: Path) -> None:
    made = cohort(tmp_path, "00:07,HR,80", "03:10,ALP,60")
    series = made.modalities["series"]
    assert (series.channels, len(series.channels), series.grid.shape) == (VARIABLES, 35, (1, 48, 35))
    assert (series.channels[0], series.channels[1], series.channels[-1]) == ("DiasABP", "HR", "ALP")
    assert (values(made, "HR"), values(made, "ALP")) == ({0: 80}, {3: 60})
    assert made.statics.shape == (1, 0)


def test_of_several_values_in_an_hour_the_last_line_of_the_file_wins_whatever_its_minute(tmp_path: Path) -> None:
    made = cohort(tmp_path, "01:50,HR,95", "01:10,HR,90", "02:00,HR,70", "02:00,HR,71")
    assert values(made, "HR") == {1: 90, 2: 71}
    assert (
        made.counts["lines of an hour and variable that are given again later in the file, the last one kept"].number
        == 2
    )
    series = made.modalities["series"]
    assert np.array_equal(bin_events(series.events, 48)[0], series.grid, equal_nan=True)
    assert series.events.times.tolist() == [pytest.approx(70 / 60), 2.0]


def test_what_is_stamped_48_00_is_outside(tmp_path: Path) -> None:
    made = cohort(tmp_path, "47:59,HR,80", "48:00,HR,90")
    assert values(made, "HR") == {47: 80}
    assert made.counts["lines at 48:00 or later, outside the window"].number == 1


def test_a_record_without_any_of_the_variables_is_left_out_and_counted(tmp_path: Path) -> None:
    made = cohort(tmp_path, "01:00,HR,80")
    assert made.ids.tolist() == ["11"]
    assert made.counts["records without any of the 35 variables, left out"].number == 1
    assert len(made.targets["ihm"]) == 1


def test_values_stay_as_typed_unless_cleaning_is_asked_for(tmp_path: Path) -> None:
    lines = ("01:00,pH,735", "02:00,HR,0")
    assert values(cohort(tmp_path / "typed", *lines), "pH") == {1: 735}
    made = cohort(tmp_path / "clean", *lines, clean=True)
    assert values(made, "pH") == {1: pytest.approx(7.35)}
    assert values(made, "HR") == {}


@pytest.mark.parametrize("number", range(5))
def test_a_fold_is_the_one_of_the_published_code(number: int) -> None:
    n, seed = 3997, 1
    order = np.arange(n)
    np.random.seed(seed)  # noqa: NPY002
    np.random.shuffle(order)  # noqa: NPY002
    start, end = (int)(number * 0.2 * n), (int)((number + 1) * 0.2 * n)
    rest = np.delete(order, np.arange(start, end))
    np.random.seed(seed)  # noqa: NPY002
    np.random.shuffle(rest)  # noqa: NPY002
    parts, train = fold(n, number, seed), (int)(n * 0.7)
    assert set(np.flatnonzero(parts == 2)) == set(order[start:end])
    assert set(np.flatnonzero(parts == 0)) == set(rest[:train])
    assert set(np.flatnonzero(parts == 1)) == set(rest[train:])


def test_each_record_is_in_the_test_part_of_one_fold() -> None:
    assert (np.sum([fold(998, number, 7) == 2 for number in range(5)], axis=0) == 1).all()
    assert SPEC.splits == ("fold0", "fold1", "fold2", "fold3", "fold4")


def test_the_manual_names_every_parameter_and_variable() -> None:
    manual = page("reference/suites/csdi_healthcare.md")
    assert ", ".join(VARIABLES) in " ".join(manual.split())
