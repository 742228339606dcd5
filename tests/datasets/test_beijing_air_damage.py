"""Damaged files of `beijing_air`, and files that another program saved: one clear error, or a
count, and nothing lost in silence.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from bench.errors import DataError
from bench.testing.subject import leaves
from bench_datasets.beijing_air.files import file_name, files, find
from bench_datasets.beijing_air.params import BeijingAirParams
from support.beijing_files import hours, prepare, row, text, write
from support.counting import numbers

ROWS = [row(hour, PM25=str(7 + place % 50)) for place, hour in enumerate(hours("2013-03-01T00", 240))]


def refused(root: Path, *words: str, **params: object) -> None:
    """Preparing `root` raises one DataError whose single line holds all `words`."""
    with pytest.raises(DataError) as caught:
        prepare(root, **params)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_root_without_data_says_where_it_looked_and_what_to_type(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path / "beijing_air"), f"bench data fetch beijing_air data.root={tmp_path}")


def test_a_station_that_was_asked_for_and_is_missing_is_named(tmp_path: Path) -> None:
    write(tmp_path, {"Tiantan": ROWS})
    refused(tmp_path, file_name("Dongsi"), "found: Tiantan", "data.stations=Tiantan", stations=("Dongsi", "Tiantan"))


@pytest.mark.parametrize("place", ["", "beijing_air", "beijing-air-quality", "PRSA_Data_20130301-20170228"])
def test_the_folder_may_lie_in_the_usual_places(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, {"Tiantan": ROWS})
    assert files(tmp_path, BeijingAirParams()) == [tmp_path / place / file_name("Tiantan")]


def test_the_plain_file_is_read_where_a_compressed_one_lies_beside_it(tmp_path: Path) -> None:
    write(tmp_path, {"Tiantan": ROWS})
    (tmp_path / f"{file_name('Tiantan')}.gz").write_bytes(b"damaged")
    assert list(find(tmp_path, BeijingAirParams()).values()) == [tmp_path / file_name("Tiantan")]


@pytest.mark.parametrize("column", ["PM2.5", "WSPM", "wd", "hour", "year"])
def test_a_missing_column_is_named(tmp_path: Path, column: str) -> None:
    write(tmp_path, {"Tiantan": text(ROWS).replace(f'"{column}"', '"other"', 1)})
    refused(tmp_path, f"it lacks it: {column}", "fetch it again")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "empty"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\0" * 500, "nothing but zeros"),
        (text(ROWS).replace(",", ";").encode(), "lacks it: year"),
        (text([]).encode(), "holds no hour"),
        (text(ROWS).encode("utf-16"), "UTF-16"),
        (text(ROWS).replace("NW", "\xe9").encode("latin-1"), "not text in UTF-8"),
    ],
)
def test_what_is_no_table_of_a_station_is_refused_by_what_it_is(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / file_name("Tiantan")).write_bytes(content)
    refused(tmp_path, file_name("Tiantan"), words)


def test_an_archive_that_is_cut_short_or_is_none_or_is_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / f"{file_name('Tiantan')}.gz"
    whole = gzip.compress(text(ROWS).encode())
    for content, words in (
        (whole[: len(whole) // 2], "cut short or damaged"),
        (whole[:200] + b"\0\0\0\0" + whole[204:], "cut short or damaged"),
        (text(ROWS).encode(), "not compressed with gzip"),
        (gzip.compress(b" " * (64 * 2**20 + 1), 9), "unpacks to more than 64 MiB"),
    ):
        path.write_bytes(content)
        refused(tmp_path, path.name, words, "fetch it again")


def test_a_file_of_another_station_is_refused(tmp_path: Path) -> None:
    write(tmp_path, {"Dongsi": ROWS})
    refused(tmp_path, "Tiantan", "its name says Dongsi")


def test_an_hour_that_stands_twice_is_skipped_where_it_is_the_same_and_refused_where_it_differs(tmp_path: Path) -> None:
    cohort = prepare(write(tmp_path / "same", {"Tiantan": [*ROWS, ROWS[3]]}))
    assert numbers(cohort)["rows that repeat an hour, skipped"] == 1
    write(tmp_path / "other", {"Tiantan": [*ROWS, ROWS[3].replace("1020.1", "1020.2")]})
    refused(tmp_path / "other", "line 242", "other values (1 such lines)")


def unusable(root: Path, old: str, new: str) -> dict[str, int]:
    """The counts of what could not be used, after one change of one row."""
    return numbers(prepare(write(root, {"Tiantan": [ROWS[0], ROWS[1].replace(old, new), *ROWS[2:]]})), "unusable")


@pytest.mark.parametrize(
    ("old", "new", "count"),
    [
        ("2013,3,1,1,", "2013,13,1,1,", "rows whose date or hour cannot be read, skipped"),
        ("2013,3,1,1,", "2013,2,30,1,", "rows whose date or hour cannot be read, skipped"),
        ("2013,3,1,1,", "2013,3,1,24,", "rows whose date or hour cannot be read, skipped"),
        ("2013,3,1,1,", "2013,3,1,-1,", "rows whose date or hour cannot be read, skipped"),
        ("2013,3,1,1,", "2013,3,1,noon,", "rows whose date or hour cannot be read, skipped"),
        ("2013,3,1,1,", "2013,3,1,", "rows with another number of fields than the header, skipped"),
        ("-1.5", "cold", "TEMP: values that are not a number, left out"),
        ("-1.5", "1,5", "rows with another number of fields than the header, skipped"),
        ("-1.5", "inf", "TEMP: values that are not a number, left out"),
        ("-1.5", "1e9", "TEMP: values that are not a number, left out"),
        ("NW", "calm", "wd: values that are none of the 16 points of the compass, left out"),
    ],
)
def test_what_cannot_be_used_is_left_out_and_counted(tmp_path: Path, old: str, new: str, count: str) -> None:
    assert unusable(tmp_path, old, new) == {count: 1}


def test_a_file_cut_within_a_line_loses_that_line_and_says_how_many_hours_it_lacks(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = prepare(write(tmp_path, {"Tiantan": text(ROWS)[:-20]}))
    assert numbers(cohort, "unusable") == {"rows with another number of fields than the header, skipped": 1}
    assert numbers(cohort)["hours without a row, taken as not observed"] == 24 * 1461 - 239
    assert "has 239 of 35064 hours; was it cut short?" in caplog.text


@pytest.mark.parametrize(
    ("old", "new", "words"), [(r",-1\.5,", ",cold,", "TEMP"), (r"2013,3,", "2013,33,", "most rows have no")]
)
def test_a_column_most_of_which_cannot_be_read_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    write(tmp_path, {"Tiantan": [re.sub(old, new, each) for each in ROWS]})
    refused(tmp_path, words, "fetch it again")


def test_rows_of_other_years_are_left_out_and_counted(tmp_path: Path) -> None:
    cohort = prepare(
        write(tmp_path, {"Tiantan": [*ROWS, row(hours("2017-03-01T00", 1)[0]), row(hours("2013-02-28T23", 1)[0])]})
    )
    assert numbers(cohort, "left_out")["rows outside 2013-03-01 to 2017-02-28, left out"] == 2


def test_values_that_no_instrument_can_mean_are_removed_and_counted(tmp_path: Path) -> None:
    cohort = prepare(write(tmp_path, {"Tiantan": [ROWS[0].replace("1020.1", "-999"), *ROWS[1:]]}))
    assert numbers(cohort)["PRES: outside 950 to 1060, removed"] == 1


def _quoted(whole: str) -> str:
    return "\n".join(",".join(f'"{field.strip(chr(34))}"' for field in line.split(",")) for line in whole.splitlines())


def _reversed_columns(whole: str) -> str:
    return "\n".join(",".join(reversed(line.split(","))) for line in whole.splitlines())


def _reversed_rows(whole: str) -> str:
    head, *rows = whole.splitlines()
    return "\n".join([head, *reversed(rows)])


def _indexed(whole: str) -> str:
    return "\n".join(f"{'' if place == 0 else place - 1},{line}" for place, line in enumerate(whole.splitlines()))


RESAVED: dict[str, Callable[[str], str]] = {
    "with line feeds": lambda whole: whole.replace("\r\n", "\n"),
    "with a byte-order mark": lambda whole: f"\ufeff{whole}",
    "with quotes everywhere": _quoted,
    "with an index": _indexed,
    "with columns in another order": _reversed_columns,
    "with hours in another order": _reversed_rows,
    "with whole numbers as floats": lambda whole: re.sub(
        r"(?m)^1,2013,3,(\d+),(\d+),", r"1,2013.0,3.0,\1.0,\2.0,", whole
    ),
    "with blanks for what is missing": lambda whole: whole.replace(",NA,", ", ,"),
    "with NaN for what is missing": lambda whole: whole.replace(",NA,", ",NaN,"),
    "without the name of the station": lambda whole: re.sub(r',"(station|Tiantan)"', "", whole),
    "with blank lines": lambda whole: whole.replace("\r\n", "\r\n\r\n"),
}


@pytest.mark.parametrize("how", RESAVED)
def test_files_that_another_program_saved_give_the_same_cohort(tmp_path: Path, how: str) -> None:
    whole = text([*ROWS, *(row(hour, NO2="NA", WSPM="NA") for hour in hours("2013-03-20T00", 30))])
    before = prepare(write(tmp_path / "before", {"Tiantan": whole}))
    after = prepare(write(tmp_path / "after", {"Tiantan": RESAVED[how](whole)}))
    assert before.ids.tolist() == after.ids.tolist()
    assert before.counts == after.counts
    for name, values in leaves(before).items():
        np.testing.assert_array_equal(values, leaves(after)[name], err_msg=name)
