"""Damaged and incomplete PhysioNet 2012 files: one clear error, or a count and one warning;
nothing lost in silence.
"""

from __future__ import annotations

import gzip
import tarfile
import zipfile
from pathlib import Path

import pytest

from bench.cohort import Cohort
from bench.components import Context
from bench.errors import DataError
from bench_datasets.physionet2012.dataset import Physionet2012
from bench_datasets.physionet2012.files import files
from bench_datasets.physionet2012.params import Physionet2012Params
from support.counting import numbers
from support.physionet_files import HEADER, STAYS, add, channel, one, outcomes, prepare, record, write_set


def refused(root: Path, *words: str, **params: object) -> None:
    """Preparing `root` raises one DataError whose single line holds all `words`."""
    with pytest.raises(DataError) as caught:
        prepare(root, **params)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message


def test_a_root_without_data_says_where_it_looked_and_what_to_type(tmp_path: Path) -> None:
    refused(tmp_path, str(tmp_path / "physionet2012"), f"bench data fetch physionet2012 data.root={tmp_path}")
    refused(tmp_path / "absent", "bench data fetch physionet2012")


def test_a_set_that_was_asked_for_and_is_missing_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    refused(tmp_path, "set c", "found: a", "bench data fetch", sets=("a", "c"))


def test_a_set_without_its_outcomes_file_is_named(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    write_set(tmp_path, {"21": record(21)}, name="c")
    (tmp_path / "physionet2012" / "Outcomes-c.txt").unlink()
    refused(tmp_path, "Outcomes-c.txt", "data.sets=a")


def test_the_folder_itself_may_be_the_root(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    assert prepare(tmp_path / "physionet2012").ids.tolist() == prepare(tmp_path).ids.tolist()


def test_files_are_those_that_decide_the_content(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, "dir", "a")
    write_set(tmp_path, {"21": record(21)}, "zip", "b")
    (tmp_path / "physionet2012" / "notes.txt").touch()
    (tmp_path / "physionet2012" / "set-a" / "notes.txt").touch()
    names = [path.relative_to(tmp_path / "physionet2012").as_posix() for path in files(tmp_path, Physionet2012Params())]
    assert names == ["set-a/11.txt", "set-a/12.txt", "set-a/13.txt", "Outcomes-a.txt", "set-b.zip", "Outcomes-b.txt"]


def test_of_several_forms_of_a_set_the_published_archive_is_read(tmp_path: Path) -> None:
    write_set(tmp_path, {"11": STAYS["11"]}, "dir", results=dict.fromkeys(STAYS, (5, 0)))
    write_set(tmp_path, {"12": STAYS["12"]}, "zip", results=dict.fromkeys(STAYS, (5, 0)))
    write_set(tmp_path, STAYS, "tar.gz")
    assert len(prepare(tmp_path)) == 3
    (tmp_path / "physionet2012" / "set-a.tar.gz").unlink()
    refused(tmp_path, "set-a.zip lacks 2 of the 3 records")


@pytest.mark.parametrize("layout", ["tar.gz", "zip"])
def test_a_truncated_archive_is_named_with_what_was_read(tmp_path: Path, layout: str) -> None:
    stays = {
        str(i): record(i, *(f"{h:02d}:{i % 60:02d},HR,{60 + (h * i) % 50}" for h in range(48))) for i in range(100, 400)
    }
    archive = write_set(tmp_path, stays, layout)
    archive.write_bytes(archive.read_bytes()[:-2000])
    refused(tmp_path, str(archive), "cut short or damaged", "records were read", "fetch")


def test_a_tar_cut_anywhere_is_refused(tmp_path: Path) -> None:
    archive = write_set(tmp_path, STAYS, "tar.gz")
    whole = archive.read_bytes()
    for length in range(0, len(whole), 7):
        archive.write_bytes(whole[:length])
        refused(tmp_path, "set-a.tar.gz")


def test_a_flipped_byte_in_an_archive_is_refused(tmp_path: Path) -> None:
    archive = write_set(tmp_path, STAYS, "tar.gz")
    content = bytearray(archive.read_bytes())
    content[-6] ^= 1  # in the checksum of the whole
    archive.write_bytes(content)
    refused(tmp_path, "cut short or damaged", "3 records")


def test_a_truncated_tar_packed_again_is_refused_by_its_outcomes(tmp_path: Path) -> None:
    archive = write_set(tmp_path, STAYS, "tar.gz")
    archive.write_bytes(gzip.compress(gzip.decompress(archive.read_bytes())[:1600]))
    refused(tmp_path, "set-a.tar.gz")


def test_a_file_that_is_no_archive_is_refused(tmp_path: Path) -> None:
    archive = write_set(tmp_path, STAYS, "tar.gz")
    archive.write_text("<html>not found</html>")
    refused(tmp_path, "set-a.tar.gz is a web page", "fetch it again")


def test_links_and_strange_members_are_left_out_and_counted(tmp_path: Path) -> None:
    archive = write_set(tmp_path, STAYS, "tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in STAYS.items():
            add(tar, f"./set-a/{name}.txt", text.encode())
            add(tar, f"./set-a/._{name}.txt", b"\x00\x05\x16\x07")
        add(tar, "../../99.txt.bak", b"x")
        link = tarfile.TarInfo("set-a/15.txt")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    cohort = prepare(tmp_path)
    assert cohort.ids.tolist() == ["11", "12", "13"]
    assert cohort.counts["files in the set that are not records"].number == 5


def test_a_link_in_a_zip_is_left_out_and_counted(tmp_path: Path) -> None:
    with zipfile.ZipFile(write_set(tmp_path, STAYS, "zip"), "a") as archive:
        link = zipfile.ZipInfo("set-a/15.txt")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    cohort = prepare(tmp_path)
    assert cohort.ids.tolist() == ["11", "12", "13"]
    assert cohort.counts["files in the set that are not records"].number == 1


def test_a_member_that_would_unpack_to_gigabytes_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, {"11": b"0" * (17 * 2**20)}, "tar.gz")
    refused(tmp_path, "11.txt would unpack to 17,825,792 bytes")


GARBAGE = [
    ("01:00,HR", "lines with the wrong number of fields, skipped"),
    ("01:00,HR,80,", "lines with the wrong number of fields, skipped"),
    ("\x00\x01binary", "lines with the wrong number of fields, skipped"),
    ("1:00,HR,80", "lines with a time that is not HH:MM, skipped"),
    ("01:60,HR,80", "lines with a time that is not HH:MM, skipped"),
    ("-1:00,HR,80", "lines with a time that is not HH:MM, skipped"),
    ("01:00,HR,", "lines with a value that is not a number, skipped"),
    ("01:00,HR,80\x00", "lines with a value that is not a number, skipped"),
    ("01:00,HR,nan", "lines with a value that is not a number, skipped"),
    ("01:00,HR,1e39", "lines with a value that is not a number, skipped"),
    ("01:00,HR,8\udcff", "lines with a value that is not a number, skipped"),
    ('01:00,HR,"80"', "lines with a value that is not a number, skipped"),
    ("01:00,hr,80", "lines with an unknown parameter, skipped"),
    ("01:00,,80", "lines with an unknown parameter, skipped"),
    (HEADER, "lines with an unknown parameter, skipped"),
]


@pytest.mark.parametrize(("line", "kind"), GARBAGE)
def test_a_garbage_line_is_counted_skipped_and_warned_of(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, line: str, kind: str
) -> None:
    cohort = one(tmp_path, "00:30,HR,70", line, "02:00,HR,90")
    assert channel(cohort, "HR")[1].tolist() == [70, 90]
    assert numbers(cohort, "unusable") == {kind: 1}
    [warning] = caplog.messages
    assert warning.startswith("set-a: 11.txt line 9 has ")
    assert "lines skipped for such defects: 1;" in warning


def test_one_warning_names_the_first_of_many_garbage_lines(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_set(tmp_path, {"11": record(11, "x", "y,z"), "12": record(12, "01:00,HR,?")}, "zip")
    prepare(tmp_path)
    [warning] = caplog.messages
    assert "set-a.zip: 11.txt line 8 has the wrong number of fields; lines skipped for such defects: 3;" in warning


def test_clean_files_give_no_warning_and_blank_lines_carry_nothing(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cohort = one(tmp_path, "", "01:00,HR,80", "", "")
    assert channel(cohort, "HR")[1].tolist() == [80]
    assert cohort.counts["lines after the headers"].number == 7
    assert caplog.messages == []


@pytest.mark.parametrize(
    "change", [lambda t: t.replace("\n", "\r\n"), lambda t: t.rstrip("\n")], ids=["crlf", "no end"]
)
def test_line_ends_of_another_system_change_nothing(tmp_path: Path, change: object) -> None:
    write_set(tmp_path / "plain", STAYS)
    write_set(tmp_path / "other", {name: change(text).encode() for name, text in STAYS.items()})  # type: ignore[operator]
    assert prepare(tmp_path / "other").counts == prepare(tmp_path / "plain").counts


def test_a_file_without_its_header_keeps_its_first_line(tmp_path: Path) -> None:
    write_set(tmp_path, {"11": "00:00,RecordID,11\n01:00,HR,80\n"})
    assert channel(prepare(tmp_path), "HR")[1].tolist() == [80]


def test_an_empty_file_is_a_record_without_series(tmp_path: Path) -> None:
    write_set(tmp_path, {"11": "", "12": STAYS["12"]})
    cohort = prepare(tmp_path)
    assert cohort.ids.tolist() == ["11", "12"]
    assert cohort.counts["records without a RecordID line, known by the file name"].number == 1


def test_a_file_that_names_another_record_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, {"11": record(12, "01:00,HR,80")})
    refused(tmp_path, "RecordID inside differs from the file name (1: 11)")


def test_outcomes_that_lack_records_are_refused_with_the_first_ids(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, results={"12": (5, 0)})
    refused(tmp_path, "Outcomes-a.txt lacks 2 of the 3 records", "11, 13")


def test_records_that_the_set_lacks_are_refused_with_the_first_ids(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, results={i: (5, 0) for i in ("11", "12", "13", "14")})
    refused(tmp_path, "set-a lacks 1 of the 4 records of Outcomes-a.txt", "14")


def test_a_record_in_two_sets_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, name="a")
    write_set(tmp_path, {"12": STAYS["12"]}, name="b")
    refused(tmp_path, "set-b holds records of an earlier set (1: 12)")


def test_a_record_twice_in_one_archive_is_refused(tmp_path: Path) -> None:
    archive = write_set(tmp_path, STAYS, "tar.gz")
    with tarfile.open(archive, "w:gz") as tar:
        for name, text in [*STAYS.items(), ("11", STAYS["11"])]:
            add(tar, f"{name}.txt", text.encode())
    refused(tmp_path, "records twice (1: 11)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["is empty"]),
        ("Record,SAPS-I\n11,3\n", ["lacks the column RecordID"]),
        ("RecordID,SAPS-I\n11,3\n", ["lacks the column Length_of_stay, In-hospital_death"]),
        (outcomes({"11": (5, 0)}) + "11,6,1,5,-1,0\n", ["line 3", "11 stands there twice"]),
        (outcomes({"11": (5, 2)}), ["line 2", "'2' is not accepted"]),
        (outcomes({"11": (5, 0)}).replace(",5,", ",five,"), ["line 2", "'five' is not accepted"]),
        (outcomes({"x1": (5, 0)}), ["line 2", "'x1' is not a whole number"]),
        (outcomes({"11": (5, 0)}) + "12,6,1\n", ["line 3", "3 of 6 fields"]),
    ],
)
def test_a_malformed_outcomes_file_is_refused_with_the_line(tmp_path: Path, text: str, words: list[str]) -> None:
    write_set(tmp_path, {"11": STAYS["11"]})
    (tmp_path / "physionet2012" / "Outcomes-a.txt").write_text(text)
    refused(tmp_path, "Outcomes-a.txt", *words)


def test_an_outcomes_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    write_set(tmp_path, {"11": STAYS["11"]})
    (tmp_path / "physionet2012" / "Outcomes-a.txt").write_bytes(b"\xff\xfe\x00")
    refused(tmp_path, "Outcomes-a.txt", "cannot be read")


def test_progress_names_each_file_read(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS, "zip")
    said: list[str] = []
    cohort = Physionet2012(Physionet2012Params()).prepare(tmp_path, Context(report=said.append))
    assert isinstance(cohort, Cohort)
    assert said == ["reading set-a.zip"]


def test_an_outcome_of_thousands_of_digits_is_refused_with_its_line(tmp_path: Path) -> None:
    write_set(tmp_path, STAYS)
    path = tmp_path / "physionet2012" / "Outcomes-a.txt"
    path.write_text(path.read_text().replace(",5,-1,0", f",{'9' * 5000},-1,0", 1))
    refused(tmp_path, "Outcomes-a.txt line 2", "is not accepted")
