"""What `longcsv` cannot use is refused in one line: what, in which file and line, what is
accepted, and what to type.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.errors import DataError
from support.long_tables import LABELS, MAPPING, MEASUREMENTS, prepare, write

MAPPINGS = {
    "lenght = 4": (("length = 4", "lenght = 4"), r'longcsv.toml, line 8\); did you mean "grid.length"\? accepted: grid.length'),
    "no grid": (("[grid]\nlength = 4", ""), r'"grid" is required and was not given \(from .*longcsv.toml'),
    "no bins": (("length = 4", "length = 0"), r'"grid.length" = 0 .*line 8\): expected a whole number of at least 1'),
    "unit": (("length = 4", 'length = 4\nunit = "hour"'), r'"grid.unit" = "hour" .*line 9\): did you mean "hours"\?'),
    "no modality": (("[modalities.labs]\nlactate = {}", "[modalities.labs]"), r"\[modalities.labs\] names no variable; write"),
    "twice": (("lactate = {}", "pulse = {}"), r'the variable "pulse" stands in two modalities; keep one'),
    "bounds": (("low = 20", "low = 400"), r"low = 400 is above high = 300; exchange them"),
    "kind": (('"binary"', '"binry"'), r'"tasks.died.kind" = "binry" .*line 18\): did you mean "binary"\? accepted: binary'),
    "classes": (('classes = ["home", "ward"]', ""), r"multiclass needs its classes, such as"),
    "file": (('[labels]', '[measurements]\nfile = "m.xlsx"\n[labels]'), r'file = "m.xlsx" .* accepted: .csv, .csv.gz, .parq'),
    "column": (('"stay"', '"stays"'), r'labels.csv, line 1 has no column .stays. .*days.column\); did you mean "stay"\?'),
    "toml": (("[grid]", "[grid"), r"longcsv.toml is not valid TOML: .*line 7"),
    "tasks": ((MAPPING[MAPPING.index("[tasks.died]"):], "[tasks]"), r"\[tasks\] names no task"),
}  # fmt: skip


@pytest.mark.parametrize("case", MAPPINGS)
def test_a_mapping_with_a_slip_is_refused_with_its_line_and_what_is_accepted(tmp_path: Path, case: str) -> None:
    (old, new), words = MAPPINGS[case]
    assert MAPPING.count(old) == 1
    refused(write(tmp_path, MAPPING.replace(old, new)), words)


def refused(folder: Path, words: str) -> None:
    with pytest.raises(DataError, match=words) as error:
        prepare(folder)
    assert len(str(error.value).splitlines()) == 1


TABLES = {
    "header": (("id,time", "id,hour"), r"measurements.csv, line 1 has no column 'time' .*measurements.time\); .*= \"COLUMN\""),
    "twice": (("variable,value", "value,value"), r"has no column 'variable'"),
    "two": (("id,time,variable,value", "id,time,variable,value,value"), r"has the column 'value' twice"),
    "fields": (("b,1,spo2,97", "b,1,spo2,97,5"), r"measurements.csv, line 6 has 5 fields, and the first line 4; mend that line"),
    "comma": (("b,1,spo2,97", 'b,1,spo2,"97'), r"is no table of CSV: the quote opened in line 6 is never closed"),
    "semicolon": ((",", ";"), r'line 1: columns are separated by ";"; save the table with commas'),
    "none": ((MEASUREMENTS[23:], ""), r"measurements.csv holds no row; put measurements there"),
}  # fmt: skip


@pytest.mark.parametrize("case", TABLES)
def test_a_table_that_cannot_be_read_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    (old, new), words = TABLES[case]
    refused(write(tmp_path, measurements=MEASUREMENTS.replace(old, new)), words)


def test_where_no_row_is_kept_the_message_says_why_and_shows_both_sides(tmp_path: Path) -> None:
    names = MEASUREMENTS.replace("pulse", "Puls").replace("lactate", "Laktat").replace("spo2", "SpO2")
    refused(
        write(tmp_path / "names", measurements=names),
        r"rows of variables that are not in the mapping, left out: 5 of 5 \(the table has Laktat, Puls, SpO2; "
        r'the mapping: pulse, spo2, lactate\); did you mean "lactate"\? compare the table with .*longcsv.toml',
    )
    refused(
        write(tmp_path / "ids", measurements=MEASUREMENTS.replace("a,", "s1,").replace("b,", "s2,")),
        r"ids without labels",
    )
    late = "id,time,variable,value\na,9,pulse,70\nb,4,pulse,70\n"
    refused(write(tmp_path / "times", measurements=late), r"after the last bin of the grid, left out: 2 of 2; compare")


LABELLED = {
    "binary": (("N,0", "N,no"), r"labels.csv, line 2: died = 'no' is not accepted; accepted: 0, 1, false, true, or empty"),
    "class": (("ward,\n", "wards,\n"), r"""line 3: to = 'wards' is not accepted; did you mean "ward"\? accepted: home, ward"""),
    "number": (("home,2.5", "home,two"), r"line 2: stay = 'two' is not accepted; accepted: a number"),
    "age": (("1,70", "1,old"), r"line 2: age = 'old' is not accepted, since statics are numbers"),
    "group": (("c,2,", "c,,"), r"line 4 has no group in the column 'patient'"),
    "again": (("c,2,35", "a,2,35"), r"labels.csv, line 4: the id 'a' stands in line 2 too, with another patient"),
    "short": (("c,2,35,", "c,35,"), r"labels.csv, line 4 has 6 fields, and the first line 7"),
    "empty": ((LABELS[LABELS.index("a,"):], ""), r"labels.csv has no row with an id"),
}  # fmt: skip


@pytest.mark.parametrize("case", LABELLED)
def test_a_label_that_is_not_accepted_is_refused_with_its_line(tmp_path: Path, case: str) -> None:
    (old, new), words = LABELLED[case]
    assert LABELS.count(old) == 1
    refused(write(tmp_path, labels=LABELS.replace(old, new)), words)


def test_a_file_that_is_missing_or_of_another_kind_is_named(tmp_path: Path) -> None:
    refused(tmp_path, r"there is no longcsv.toml in .*; type: bench new suite NAME")
    folder = write(tmp_path)
    (folder / "measurements.csv").write_bytes(b"PAR1 and more")
    refused(folder, r"measurements.csv is a Parquet file")
    (folder / "labels.csv").unlink()
    refused(folder, r'labels.csv is missing; put it there, or name another in .*: \[labels\] file = "FILE"')
    write(tmp_path)
    (folder / "labels.csv").write_bytes(LABELS.replace("home", "hôme").encode("latin-1"))
    refused(folder, r"labels.csv is not text in UTF-8 .*; save it as UTF-8")


def test_a_parquet_file_that_is_damaged_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    folder = write(tmp_path, f'[measurements]\nfile = "m.parquet"\n{MAPPING}')
    (folder / "m.parquet").write_bytes(b"id,time")
    refused(folder, r"m.parquet is no readable Parquet file")
