"""What must not matter to the cohort of PhysioNet 2012, and what must be refused by name."""

from __future__ import annotations

import csv
import io
import os
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.cohort import Cohort
from bench.components import Context
from bench.errors import DataError
from bench_datasets.physionet2012.csdi import Physionet2012Csdi
from bench_datasets.physionet2012.csdi_params import Physionet2012CsdiParams
from support.cohort_digest import cohort_digest
from support.physionet_files import STAYS, outcomes, prepare, record, unaccounted, write_set

WARD = {
    str(number): record(
        number, *(f"{h:02d}:{number % 60:02d},HR,{60 + h}" for h in range(20)), "05:00,Temp,36.6", "05:00,Temp,36.7"
    )
    for number in range(20, 60)
} | STAYS


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


def saved(rows: list[list[str]], **how: object) -> str:
    stream = io.StringIO(newline="")
    csv.writer(stream, **({"lineterminator": "\n"} | how)).writerows(rows)  # type: ignore[arg-type]
    return stream.getvalue()


def by_pandas(text: str) -> str:
    return pd.read_csv(io.StringIO(text)).to_csv()


def as_floats(text: str) -> str:
    frame = pd.read_csv(io.StringIO(text))
    return frame.assign(**{c: frame[c].astype(float) for c in frame.select_dtypes("number").columns}).to_csv(
        index=False
    )


def as_r(text: str) -> str:
    header, *rows = rows_of(text)
    named = [["", *(name.replace("-", ".") for name in header)], *([str(k), *row] for k, row in enumerate(rows, 1))]
    return saved(named, quoting=csv.QUOTE_ALL)


def other_columns(text: str) -> str:
    rows = rows_of(text)
    order = list(range(len(rows[0])))[::-1]
    return saved([[row[place] for place in order] for row in rows])


SAVED: dict[str, Callable[[str], str]] = {
    "all in quotes": lambda text: saved(rows_of(text), quoting=csv.QUOTE_ALL),
    "lines of Windows": lambda text: text.replace("\n", "\r\n"),
    "lines of an old Macintosh": lambda text: text.replace("\n", "\r"),
    "a byte-order mark": lambda text: "\ufeff" + text,
    "a mark, quotes, Windows": lambda text: (
        "\ufeff" + saved(rows_of(text), quoting=csv.QUOTE_ALL, lineterminator="\r\n")
    ),
    "blank lines": lambda text: text.replace("\n", "\n\n"),
    "no end of the last line": lambda text: text.rstrip("\n"),
    "columns in another order": other_columns,
    "pandas with its index": by_pandas,
    "whole numbers as floats": as_floats,
    "R": as_r,
}
"""Way of saving a file anew -> how its text changes."""

FORMS = ("dir", "tar.gz", "zip")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory) -> str:
    root = tmp_path_factory.mktemp("whole")
    write_set(root, WARD)
    return cohort_digest(prepare(root))


def save_anew(root: Path, way: str, form: str = "dir", stays: dict[str, str] = WARD) -> None:
    how = SAVED[way]
    write_set(root, {name: how(text) for name, text in stays.items()}, form, results={name: (5, 0) for name in stays})
    path = root / "physionet2012" / "Outcomes-a.txt"
    path.write_bytes(how(outcomes({name: (5, 0) for name in stays})).encode())


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", SAVED)
def test_files_saved_anew_give_the_same_cohort(tmp_path: Path, expected: str, way: str, form: str) -> None:
    save_anew(tmp_path, way, form)
    cohort = prepare(tmp_path)
    assert cohort_digest(cohort) == expected
    assert unaccounted(cohort) == 0


@pytest.mark.parametrize("form", ["tar.gz", "zip"])
def test_the_order_of_files_and_of_outcomes_changes_nothing(tmp_path: Path, expected: str, form: str) -> None:
    names = list(WARD)
    random.Random(0).shuffle(names)
    write_set(tmp_path, {name: WARD[name] for name in names}, form)
    assert cohort_digest(prepare(tmp_path)) == expected


@pytest.mark.parametrize(
    "machine", [{"TZ": "Asia/Kolkata", "LC_ALL": "de_DE.UTF-8"}, {"LC_ALL": "C", "OMP_NUM_THREADS": "1"}]
)
def test_settings_of_the_machine_change_nothing(tmp_path: Path, expected: str, machine: dict[str, str]) -> None:
    write_set(tmp_path, WARD)
    code = (
        "import sys; sys.path[:0] = sys.argv[2:]; from pathlib import Path;"
        "from support.cohort_digest import cohort_digest;"
        "from support.physionet_files import prepare; print(cohort_digest(prepare(Path(sys.argv[1]))))"
    )
    folders = [str(Path(__file__).parents[1]), str(Path(__file__).parents[1] / "support")]
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), *folders],
        env=os.environ | machine, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split()[-1] == expected


LAYOUTS = [
    "physionet.org/files/challenge-2012/1.0.0",
    "files/challenge-2012/1.0.0",
    "challenge-2012/1.0.0",
    "1.0.0",
    "physionet2012/1.0.0",
    "predicting-mortality-of-icu-patients-the-physionet-computing-in-cardiology-challenge-2012-1.0.0",
]


@pytest.mark.parametrize("place", LAYOUTS)
def test_the_folders_that_wget_and_physionet_make_are_found(tmp_path: Path, expected: str, place: str) -> None:
    write_set(tmp_path / "made", WARD)
    (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "made" / "physionet2012").rename(tmp_path / place)
    assert cohort_digest(prepare(tmp_path)) == expected


def test_a_set_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, name="c")
    with pytest.raises(DataError, match=r"set a of data.sets is not in .*data\.sets=c"):
        Physionet2012Csdi(Physionet2012CsdiParams()).prepare(tmp_path, Context())
    assert len(prepare(tmp_path)) == len(STAYS)


HARM: dict[str, Callable[[str, random.Random], str]] = {
    "a field lost": lambda line, r: line.rpartition(",")[0],
    "a field too many": lambda line, r: f"{line},9",
    "a quote opened": lambda line, r: line.replace(",", ',"', 1),
    "a decimal comma": lambda line, r: line.replace(".", ","),
    "letters": lambda line, r: f"{line}x",
    "a bare return": lambda line, r: line.replace(",", "\r,", 1),
    "twice": lambda line, r: f"{line}\n{line}",
    "cut": lambda line, r: line[: r.randrange(len(line))],
}


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    harm=st.sampled_from(sorted(HARM)), way=st.sampled_from(sorted(SAVED)), share=st.sampled_from([0.02, 0.3, 0.9]),
    seed=st.integers(0, 2**16),
)  # fmt: skip
def test_damaged_lines_are_counted_or_the_set_is_refused(
    tmp_path_factory: pytest.TempPathFactory, harm: str, way: str, share: float, seed: int
) -> None:
    root, r = tmp_path_factory.mktemp("harm"), random.Random(seed)
    stays = {}
    for name, text in WARD.items():
        header, *lines = SAVED[way](text).splitlines() if way != "lines of an old Macintosh" else text.splitlines()
        stays[name] = (
            "\n".join([header, *(HARM[harm](line, r) if line and r.random() < share else line for line in lines)])
            + "\n"
        )
    write_set(root, stays)
    try:
        cohort: Cohort | None = prepare(root)
    except DataError as error:
        cohort, message = None, str(error)
    if cohort is None:
        assert "\n" not in message
    else:
        assert unaccounted(cohort) == 0


def test_every_line_of_the_csdi_protocol_is_kept_or_counted(tmp_path: Path) -> None:
    odd = ("49:00,HR,80", "01:00,HR", "01:00,Weight,80", "01:10,HR,81", "x,HR,1", "02:00,Nope,3", "03:00,HR,abc")
    write_set(tmp_path, {name: text + "\n".join(odd) + "\n" for name, text in WARD.items()})
    cohort = Physionet2012Csdi(Physionet2012CsdiParams(clean=True)).prepare(tmp_path, Context())
    assert unaccounted(cohort) == 0


def test_a_set_most_of_whose_lines_mean_nothing_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, {name: text.replace(",", ";") for name, text in WARD.items()})
    with pytest.raises(
        DataError, match=r"lines cannot be used, the first: set-a: \d+.txt line 1 has the wrong number of fields"
    ):
        prepare(tmp_path)


def test_a_variable_in_another_unit_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_set(tmp_path, {name: text.replace(",HR,", ",HR,9") for name, text in WARD.items()})
    prepare(tmp_path)
    assert [message for message in caplog.messages if message.startswith("HR: implausible")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS"),
        (b"<!doctype html><html>", "a web page"),
        (b"\0" * 100, "nothing but zeros"),
    ],
    ids=("pointer", "page", "zeros"),
)
@pytest.mark.parametrize("name", ["set-a.tar.gz", "set-a.zip", "Outcomes-a.txt"])
def test_what_is_no_set_is_called_by_its_name(tmp_path: Path, name: str, content: bytes, words: str) -> None:
    write_set(tmp_path, STAYS, "dir" if name.startswith("Out") else name.partition(".")[2])
    (tmp_path / "physionet2012" / name).write_bytes(content)
    with pytest.raises(DataError) as caught:
        prepare(tmp_path)
    assert words in str(caught.value)


def test_the_real_sets_saved_anew_give_the_same_cohort(data_root: Path, tmp_path: Path) -> None:
    """Of set a, every record: out of the archive, all in quotes with an index, packed as a zip
    in another order.
    """
    import tarfile

    base = data_root / "physionet2012"
    there = tmp_path / "physionet2012"
    there.mkdir()
    with tarfile.open(base / "set-a.tar.gz") as archive:
        texts = {m.name: archive.extractfile(m).read().decode() for m in archive if m.isfile()}  # type: ignore[union-attr]
    names = sorted(texts, key=lambda name: random.Random(name).random())
    with zipfile.ZipFile(there / "set-a.zip", "w", zipfile.ZIP_STORED) as made:
        for name in names:
            made.writestr(name, as_r(texts[name]))
    (there / "Outcomes-a.txt").write_text(as_floats((base / "Outcomes-a.txt").read_text()))
    assert cohort_digest(prepare(tmp_path, sets=("a",))) == cohort_digest(prepare(data_root, sets=("a",)))
