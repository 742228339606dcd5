"""What must not matter to the cohort, and what must be counted: tables saved anew by other
programs, and tables damaged.
"""

from __future__ import annotations

import gzip
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import DataError
from bench_datasets.mimic4.table import COLUMNS, VARIABLES
from support.cohort_digest import cohort_digest
from support.counting import numbers
from support.mimic4_tables import Tables, edit, prepare, read_text, ward
from support.saved_anew import SAVED, as_parquet, rows_of, save_anew, saved

ALL = list(COLUMNS)
NAMES = [name for name in COLUMNS if name != "note/radiology"]


def mixed() -> Tables:
    """Some stays with all that tells readers apart: repeats, ties, zeros in front of codes, text
    with commas and quotes.
    """
    tables = ward(12)
    for stay in range(5000, 5012):
        tables.chart(stay, 3, "Glucose (serum)", 150)
        tables.chart(stay, 3, "Glucose (serum)", 149.5)
        tables.chart(stay, 4, "Temperature Fahrenheit", 98.6)
        tables.chart(stay, 60, "Heart Rate", 70)
        tables.chart(stay, -1, "Heart Rate", 71)
        tables.chart(stay, 5, "Heart Rate", 999)
        tables.chart(stay, 5.5, "GCS - Verbal Response", None)
        tables.rows["icu/chartevents"][-1][7] = 'said "no, thank you", twice'
    tables.diagnosis(1003, "E119", 10)
    tables.diagnosis(1004, "00845")
    tables.diagnosis(1999, "4019")
    tables.patient(99)
    tables.admission(1999, 99)
    return tables


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return mixed().write(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def expected(whole: Path) -> str:
    return cohort_digest(prepare(whole))


@pytest.mark.parametrize("way", SAVED)
def test_tables_saved_anew_give_the_same_cohort(whole: Path, expected: str, tmp_path: Path, way: str) -> None:
    names = [*NAMES, "note/radiology"]
    assert cohort_digest(prepare(save_anew(whole, tmp_path / "anew", way, names))) == expected


SETTINGS = [
    {"TZ": "Asia/Kolkata"},
    {"TZ": "America/New_York"},
    {"LC_ALL": "de_DE.UTF-8"},
    {"LC_ALL": "C"},
    {"THREADS": "1"},
]


@pytest.mark.parametrize("machine", SETTINGS, ids=lambda machine: "=".join(*machine.items()))
def test_settings_of_the_machine_change_nothing(whole: Path, expected: str, machine: dict[str, str]) -> None:
    code = (
        "import os, sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path; from bench_datasets.mimic4 import read;"
        "read.THREADS = int(os.environ.get('THREADS', 4)); os.cpu_count = lambda: 4;"
        "from support.cohort_digest import cohort_digest; from support.mimic4_tables import prepare;"
        "print(cohort_digest(prepare(Path(sys.argv[1]))))"
    )
    folders = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(whole), *folders],
        env=os.environ | machine,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split()[-1] == expected


def accounts(counts: dict[str, int]) -> Iterator[tuple[str, int, int]]:
    """Table, rows in it, and rows kept or counted: in any cohort the two are equal."""

    def total(table: str, *names: str) -> int:
        return sum(counts.get(f"{table}: {name}", 0) for name in names)

    ragged = "rows with another number of fields than the first line, skipped"
    for table, noun, key in (("hosp/patients", "patient", "subject_id"), ("hosp/admissions", "admission", "hadm_id")):
        yield (
            table,
            total(table, "rows"),
            total(
                table,
                ragged,
                f"rows without a readable {key}, skipped",
                f"rows that repeat a{'n' if noun == 'admission' else ''} {noun}, skipped",
                f"{noun}s with an ICU stay",
                f"{noun}s without an ICU stay, not read",
            ),
        )
    yield (
        "icu/icustays",
        total("icu/icustays", "rows"),
        total(
            "icu/icustays",
            ragged,
            "rows without a readable stay_id, subject_id or intime, skipped",
            "rows that repeat a stay, skipped",
            "stays",
        ),
    )
    yield (
        "hosp/diagnoses_icd",
        total("hosp/diagnoses_icd", "rows"),
        total(
            "hosp/diagnoses_icd",
            ragged,
            "rows of admissions without a stay of the cohort, not read",
            "rows without a readable hadm_id, code or version (9, 10), skipped",
            "codes read",
        ),
    )
    yield (
        "icu/d_items",
        total("icu/d_items", "rows"),
        total(
            "icu/d_items",
            ragged,
            "rows without a readable itemid, skipped",
            "labels with an item",
            "rows of other items, not read",
        ),
    )
    removed = sum(
        counts.get(f"{variable.name}: outside {variable.low:g} to {variable.high:g}, removed", 0)
        for variable in VARIABLES
    )
    yield (
        "icu/chartevents",
        total("icu/chartevents", "rows"),
        removed
        + total(
            "icu/chartevents",
            ragged,
            "rows without a readable itemid, skipped",
            "rows of other items, not read",
            "rows of a stay that is not in icu/icustays, skipped",
            "rows without a readable charttime, skipped",
            "rows without a number, left out",
            "rows with a valuenum that is not a number, skipped",
            "rows before ICU admission, outside the window",
            "rows 48 hours or more after ICU admission, outside the window",
            "values repeating a time and variable, one kept",
            "values kept",
        ),
    )
    yield (
        "notes",
        total("notes", "rows", "reports of a further stay, counted for each"),
        total(
            "notes",
            ragged,
            "rows without a readable subject_id or charttime, skipped",
            "rows of no ICU stay, not read",
            "reports of a stay, known only after the window, left out",
            "reports without text, left out",
            "reports before the last ones of a stay, left out",
            "reports kept",
        ),
    )


def check_accounts(root: Path, counts: dict[str, int], tables: Sequence[str] = ALL) -> None:
    """Every row that the csv module sees is kept or counted."""
    found = {table: (rows, told) for table, rows, told in accounts(counts)}
    for table, (rows, told) in found.items():
        assert rows == told, (table, rows, told)
    for table in tables:
        path = root / f"{table}.csv.gz"
        name = "notes" if table == "note/radiology" else table
        assert counts[f"{name}: rows"] == sum(bool(row) for row in rows_of(path)) - 1


def test_every_row_of_every_table_is_kept_or_counted(whole: Path) -> None:
    check_accounts(whole, numbers(prepare(whole)))


def counts_or_refusal(root: Path) -> dict[str, int] | None:
    """The counts, or None where the file is refused, which is said in one line."""
    try:
        return numbers(prepare(root))
    except DataError as error:
        message = str(error)
    assert "\n" not in message
    return None


def drop_a_field(row: list[str], r: random.Random) -> list[str]:
    return row[:-1] if r.random() < 0.5 else row[: r.randrange(1, len(row))]


HARM: dict[str, Callable[[list[str], random.Random], list[str]]] = {
    "a field lost": drop_a_field,
    "a field too many": lambda row, r: [*row[:1], "9", *row[1:]],
    "a decimal comma": lambda row, r: [part for field in row for part in field.split(".", 1)],
    "letters in a field": lambda row, r: [f"{f}x" if i == r.randrange(len(row)) else f for i, f in enumerate(row)],
    "a field emptied": lambda row, r: ["" if i == r.randrange(len(row)) else f for i, f in enumerate(row)],
    "an American date": lambda row, r: ["1/13/2150 6:00" if f.startswith("2150-") else f for f in row],
    "an impossible date": lambda row, r: [f.replace("2150-01", "2150-13") for f in row],
    "a number of another kind": lambda row, r: [f"{f}.5" if f.isdigit() else f for f in row],
    "twice": lambda row, r: row,
}
"""What happens to single rows -> what becomes of one."""


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.sampled_from([*NAMES, "note/radiology"]),
    harm=st.sampled_from(sorted(HARM)),
    share=st.sampled_from([0.02, 0.1, 0.4]),
    seed=st.integers(0, 2**16),
)
def test_damaged_rows_are_counted_or_the_file_is_refused(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, table: str, harm: str, share: float, seed: int
) -> None:
    root = tmp_path_factory.mktemp("harm") / "data"
    shutil.copytree(whole, root)
    path, r = root / f"{table}.csv.gz", random.Random(seed)
    header, *rows = rows_of(path)
    made = []
    for row in rows:
        hit = r.random() < share
        made += [row, row] if hit and harm == "twice" else [HARM[harm](row, r) if hit else row]
    path.write_bytes(gzip.compress(saved([header, *made])))
    if (counts := counts_or_refusal(root)) is None:
        return
    check_accounts(root, counts)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    table=st.sampled_from([*NAMES, "note/radiology"]),
    place=st.floats(0.05, 0.999),
    what=st.sampled_from(['"', "\r", ',"']),
)
def test_a_stray_mark_anywhere_swallows_no_row_in_silence(
    whole: Path, tmp_path_factory: pytest.TempPathFactory, table: str, place: float, what: str
) -> None:
    root = tmp_path_factory.mktemp("stray") / "data"
    shutil.copytree(whole, root)
    path = root / f"{table}.csv.gz"
    text = read_text(path)
    before = int(place * len(text))
    path.write_bytes(gzip.compress((text[:before] + what + text[before:]).encode()))
    if (counts := counts_or_refusal(root)) is None:
        return
    for name, rows, told in accounts(counts):
        assert rows == told, name
    name = "notes" if table == "note/radiology" else table
    assert counts[f"{name}: rows"] == text.count("\n") - 1


@pytest.mark.parametrize("table", NAMES)
def test_a_quote_opened_near_the_end_is_refused_with_its_line(whole: Path, tmp_path: Path, table: str) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole, root)
    lines = read_text(root / f"{table}.csv.gz").count("\n")

    def open_quote(text: str) -> str:
        rows = text.split("\n")
        rows[lines - 1] = rows[lines - 1].replace(",", ',"', 1)
        return "\n".join(rows)

    edit(root / f"{table}.csv.gz", open_quote)
    with pytest.raises(DataError, match=rf"{table}.csv.gz is damaged: the quote opened in line {lines}"):
        prepare(root)


COLUMNS_RUINED: list[tuple[str, str, Callable[[str], str], str]] = [
    (
        "icu/chartevents",
        "charttime",
        lambda f: f"{f[5:7]}/{f[8:10]}/{f[:4]} {f[11:16]}",
        "'99/99/9999 99:99', expected is YYYY",
    ),
    ("icu/chartevents", "charttime", lambda f: str(int(pd.Timestamp(f).timestamp())), "'9999999999'"),
    ("icu/chartevents", "charttime", lambda f: f"{f}-05:00", "'9999-99-99 99:99:99-99:99'"),
    ("icu/chartevents", "valuenum", lambda f: f.replace(".", ",") + ",5" if f else f, "decimal point"),
    ("icu/chartevents", "itemid", lambda f: f"i{f}", "itemid"),
    ("icu/icustays", "intime", lambda f: f"{f[5:7]}/{f[8:10]}/{f[:4]} {f[11:16]}", "intime"),
    ("icu/icustays", "los", lambda f: f"{f} d", "los"),
    ("hosp/admissions", "hospital_expire_flag", lambda f: "ny"[int(f)], "0 or 1"),
    ("hosp/patients", "gender", lambda f: f"{f}x", "M or F"),
    ("hosp/diagnoses_icd", "icd_version", lambda f: f"ICD{f}", "9 or 10"),
    ("hosp/diagnoses_icd", "icd_code", lambda f: f.lstrip("0") + ".0", "leading zeros"),
]


@pytest.mark.parametrize(("table", "column", "ruin", "words"), COLUMNS_RUINED)
def test_a_column_that_another_program_ruined_is_named(
    tmp_path: Path, table: str, column: str, ruin: Callable[[str], str], words: str
) -> None:
    root = ward(60).write(tmp_path)
    path = root / f"{table}.csv.gz"
    header, *rows = rows_of(path)
    place = header.index(column)
    for row in rows:
        row[place] = ruin(row[place])
    path.write_bytes(gzip.compress(saved([header, *rows])))
    with pytest.raises(DataError) as caught:
        prepare(root)
    assert path.name in str(caught.value)
    assert words in str(caught.value)


@pytest.mark.parametrize("table", [*NAMES, "note/radiology"])
def test_a_table_with_row_names_that_have_no_name_is_refused(whole: Path, tmp_path: Path, table: str) -> None:
    """As write.table of R saves it: every row has one field more than the first line."""
    root = tmp_path / "data"
    shutil.copytree(whole, root)
    path = root / f"{table}.csv.gz"
    header, *rows = rows_of(path)
    path.write_bytes(gzip.compress(saved([header, *([str(k), *row] for k, row in enumerate(rows, 1))])))
    with pytest.raises(
        DataError, match=rf"{table}.csv.gz: .* rows have another number of fields than its first line has names"
    ):
        prepare(root)


def test_a_variable_in_another_unit_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tables = ward(60)
    for stay in range(5000, 5060):
        tables.chart(stay, 2, "Temperature Celsius", 366)
    prepare(tables.write(tmp_path))
    assert [
        m for m in caplog.messages if m.startswith("Temperature: implausible, most of its values are outside its range")
    ]


def test_zeros_lost_from_codes_are_named_also_where_no_code_proves_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tables = ward(60)
    tables.rows["hosp/diagnoses_icd"] = []
    for number in range(600):
        tables.diagnosis(1000 + number % 60, "4019")
    prepare(tables.write(tmp_path))
    assert [m for m in caplog.messages if "none of which begins with 0" in m]


def test_one_outcome_for_all_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    tables = ward(60)
    for row in tables.rows["hosp/admissions"]:
        row[-1] = 0
    prepare(tables.write(tmp_path))
    assert [m for m in caplog.messages if "all have the same hospital_expire_flag" in m]


def test_times_of_another_zone_in_parquet_are_refused(whole: Path, tmp_path: Path) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole, root)
    as_parquet(root / "icu/icustays.csv.gz", root / "icu/icustays.parquet", zone="America/New_York")
    (root / "icu/icustays.csv.gz").unlink()
    with pytest.raises(DataError, match="moments in the time zone America/New_York"):
        prepare(root)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "a pointer of Git LFS"),
        (b"<!DOCTYPE html><html>sign in</html>", "a web page"),
        (b"PK\x03\x04abc", "a zip archive"),
        ("subject_id,gender".encode("utf-16"), "UTF-16"),
        (b"subject_id;gender;anchor_age;anchor_year\n1;F;60;2148\n", "semicolons"),
        (b"subject_id\tgender\tanchor_age\tanchor_year\n", "tabs"),
        (b"", "empty"),
    ],
)
@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet"])
def test_what_is_no_table_is_called_by_its_name(
    whole: Path, tmp_path: Path, suffix: str, content: bytes, words: str
) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole, root)
    (root / "hosp/patients.csv.gz").unlink()
    packed = suffix == ".csv.gz" and not content.startswith((b"version", b"<!", b"PK"))
    (root / f"hosp/patients{suffix}").write_bytes(gzip.compress(content) if packed else content)
    with pytest.raises(DataError) as caught:
        prepare(root)
    text_with_other_marks = suffix == ".parquet" and words in ("semicolons", "tabs")
    assert ("no Parquet file" if text_with_other_marks else words) in str(caught.value)


def test_a_table_without_its_last_line_end_is_warned_of(
    whole: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    root = tmp_path / "data"
    shutil.copytree(whole, root)
    edit(root / "icu/icustays.csv.gz", lambda text: text.rstrip("\n"))
    prepare(root)
    assert [m for m in caplog.messages if "icustays.csv.gz does not end with the end of a line" in m]


def test_values_of_the_intubated_and_after_outtime_are_kept_and_counted(tmp_path: Path) -> None:
    tables = Tables()
    tables.patient(1)
    tables.admission(10, 1)
    tables.stay(100, 10)
    tables.chart(100, 2, "GCS - Verbal Response", 1)
    tables.rows["icu/chartevents"][-1][7] = "No Response-ETT"
    tables.chart(100, 3, "GCS - Verbal Response", 1)
    tables.chart(100, 12, "Heart Rate", 80)
    cohort = prepare(tables.write(tmp_path))
    assert (
        cohort.counts[
            "GCS - Verbal Response: values of patients with a tube (No Response-ETT, stored as 1), kept"
        ].number
        == 1
    )
    assert cohort.counts["icu/chartevents: values charted after the stay's outtime, kept"].number == 1
    assert cohort.counts["icu/chartevents: values kept"].number == 3


def test_known_items_are_those_of_the_published_table() -> None:
    items = {label.text: label.item for variable in VARIABLES for label in variable.labels}
    assert items["Absolute Neutrophil Count"] == 229355
    assert [items[f"Vancomycin ({kind})"] for kind in ("Peak", "Random", "Trough")] == [227453, 227454, 227455]
