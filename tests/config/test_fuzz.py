"""`benchmarks/fuzz.py`, a few mutations of each kind: accepted, or refused in one line; and what
the fuzzer itself promises.
"""

from __future__ import annotations

import hashlib
import io
import json
import random
import subprocess
import sys
from pathlib import Path
from unittest import mock

import pytest

from bench import arrays
from benchmarks.doors import KINDS, Case, asked, mimic, physionet, pickles, stored
from benchmarks.fuzz import MOST_MEMORY, SLOW, Result, Total, made, table, tried
from benchmarks.mutations import mutated_bytes, mutated_rows, mutated_tree, mutated_word

MUTATIONS, OF_MIMIC = 40, 20
"""Of each kind; a cohort of MIMIC-IV takes a quarter of a second."""
DEEP = 100_000
"""More levels than any supported version of Python follows in C: 3.11 gives up after 1,000, 3.13
after 10,000.
"""

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_a_stranger_hands_over_the_answer_is_a_line(kind):
    results = [tried(made(kind, 7, number), number) for number in range(OF_MIMIC if kind == "mimic" else MUTATIONS)]
    assert [result for result in results if result.faults or result.outside or result.seconds > SLOW] == []
    assert {result.ended for result in results} <= {"accepted", "refused"}


def same(content, *rest):
    return content


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_mutated_is_accepted_as_it_was_before(kind, monkeypatch):
    """Else the mutations would be refused at the first door, and none would be tried behind it."""
    names = (
        "mutated_bytes",
        "mutated_tree",
        "mutated_rows",
        "mutated_word",
        "_opcodes",
        "_mutated_arrays",
    )
    for name in names:
        for kind_of_file in (asked, mimic, physionet, pickles, stored):
            monkeypatch.setattr(kind_of_file, name, same, raising=False)
    results = [tried(made(kind, 3, number), number) for number in range(12 if kind != "mimic" else 6)]
    accepted = sum(result.ended == "accepted" for result in results)
    assert accepted >= {"suites": 1, "words": 3}.get(kind, len(results) // 2), results


@pytest.mark.parametrize("kind", KINDS)
def test_a_number_and_a_seed_give_the_same_case_every_time(kind):
    for number in range(5):
        one, other = made(kind, 2, number), made(kind, 2, number)
        assert (one.commands, one.files) == (other.commands, other.files)
    assert made(kind, 2, 0) != made(kind, 3, 0)


def test_mutations_change_nearly_always_something_and_leave_what_they_were_given():
    chance = random.Random(1)
    tree = {"a": [1, {"b": "x"}], "c": {"d": None}}
    rows = [["a", "b"], ["1", "2"], ["3", "4"]]
    for mutate, given in (
        (mutated_bytes, b"a = 1\nb = 2\n"),
        (mutated_tree, tree),
        (mutated_rows, rows),
        (mutated_word, "seed=1,2"),
    ):
        before = repr(given)
        changed = sum(repr(mutate(given, chance)) != before for _ in range(200))
        assert repr(given) == before
        assert changed > 150


def test_what_breaks_the_law_is_noticed(monkeypatch):
    """A traceback, a fault of bench itself, a file outside; each is in the table."""
    import bench.cli.describe

    def stumbles(**words):
        Path("../outside").write_text("x")
        return {}["missing"]

    monkeypatch.setattr(bench.cli.describe.doctor, "callback", stumbles)
    result = tried(Case([("doctor",)]))
    assert result.ended == "broken"
    assert "KeyError" in result.faults[0]
    assert [Path(path).name for path in result.outside] == ["outside"]
    total = Total(
        "words", [result, Result(1, "refused", seconds=SLOW + 1), Result(2, "accepted", memory=MOST_MEMORY + 1)]
    )
    assert total.failed == total.results
    assert total.row()[1:7] == ["3", "1", "1", "1", "1", "1"]
    assert "| words | 3 | 1 | 1 | 1 | 1 | 1 | 11.0 s | 1,024 MiB |" in table([total])


def test_a_case_that_never_ends_is_ended_and_counted_and_the_next_one_done(tmp_path):
    code = (
        "import sys, time; sys.argv[0] = sys.argv.pop(1)\n"
        "import runpy; from benchmarks import doors; real = doors.KINDS['words']\n"
        "def hangs(chance, seen=[]):\n"
        "    seen.append(1)\n"
        "    if len(seen) == 5: time.sleep(600)\n"
        "    return real(chance)\n"
        "doors.KINDS['words'] = hangs\n"
        "from benchmarks import fuzz; fuzz.HUNG = 2; sys.exit(fuzz.main())\n"
    )
    line = [sys.executable, "-c", code, "fuzz", "--kind", "words", "--first", "0", "--worker", "4"]
    done = subprocess.run(line, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=120)
    said = [json.loads(text) for text in done.stdout.splitlines()]
    assert done.returncode == 1
    assert said[-1] == {"number": 1}
    assert "Timeout" in done.stderr


def test_a_case_can_be_seen_alone(tmp_path, monkeypatch, capsys):
    from benchmarks import fuzz

    monkeypatch.setattr(sys, "argv", ["fuzz", "--kind", "tuned", "--seed", "7", "--only", "3"])
    assert fuzz.main() == 0
    assert "$ bench 'plan suite=small.toml" in capsys.readouterr().out
    monkeypatch.setattr(sys, "argv", [*sys.argv, "--keep", str(tmp_path)])
    assert fuzz.main() == 0
    assert (tmp_path / "tuned.toml").read_bytes() == made("tuned", 7, 3).files["tuned.toml"]


# What it has found


def reads_weights(change) -> io.StringIO:
    whole = stored._weights()
    files = {"many/strange.safetensors": stored.resealed(whole, change), "many/good.safetensors": whole}
    shown = io.StringIO()
    result = tried(
        Case([("weights", "list", "many"), ("weights", "load", "many/strange.safetensors")], files), shown=shown
    )
    assert not result.faults
    assert result.ended == "refused"
    return shown


def test_a_name_of_an_array_that_is_no_unicode_is_refused():
    shown = reads_weights(
        lambda header: {("\udcff" if name == "steps" else name): entry for name, entry in header.items()}
    )
    assert "is not a complete safetensors file" in shown.getvalue()
    assert "many/good.safetensors" in shown.getvalue()


@pytest.mark.parametrize("metadata", [{"weights": 3}, {"weights": ["x"]}, {"weights": "\udcff"}, [], "x", None])
def test_metadata_that_are_no_text_are_refused(metadata):
    def change(header):
        about = json.loads(header["__metadata__"]["gapbench"]) | {"metadata": metadata}
        with mock.patch.object(arrays, "FORMAT", arrays.FORMAT):
            return stored._resigned(header, about)

    assert "was written by another version or is damaged" in reads_weights(change).getvalue()


def test_a_record_file_with_more_nesting_than_can_be_followed_is_refused():
    tree = {**stored._exports()[0][1], "tasks": 0}
    body = (
        stored.sealed_export(tree).split(b"\n", 2)[2].replace(b'"tasks": 0', b'"tasks": ' + b"[" * DEEP + b"]" * DEEP)
    )
    content = b'{\n"sha256": "' + hashlib.sha256(body).hexdigest().encode() + b'",\n' + body
    refused({"x.json": content}, "report", "from=x.json", "to=there", says="nested too deeply")


def refused(files: dict[str, bytes], *words: str, says: str) -> None:
    shown = io.StringIO()
    result = tried(Case([words], files), shown=shown)
    assert result.ended == "refused", result
    assert says in shown.getvalue()


def physionet_files() -> tuple[dict[str, bytes], bytes]:
    stays, outcomes = physionet._stays()
    return {f"set-a/{name}.txt": text.encode() for name, text in stays.items()}, outcomes.encode()


def test_a_name_in_an_archive_that_is_no_utf_8_is_refused():
    members, outcomes = physionet_files()
    content = physionet._archive({**members, "set-a/\u00e9.md": b"x"}, "zip")
    assert content.count("\u00e9".encode()) == 2
    files = {"p/set-a.zip": content.replace("\u00e9".encode(), b"\xc3."), "p/Outcomes-a.txt": outcomes}
    refused(files, "data", "verify", "physionet2012", "data.root=p", says="set-a.zip is cut short or damaged")


@pytest.mark.parametrize("first", [b"Time,Parameter\rValue", b'"Time,Parameter,Value' + b"x" * 200_000])
def test_a_record_whose_first_line_is_no_line_of_csv_is_read_without_it(first):
    members, outcomes = physionet_files()
    members["set-a/11.txt"] = members["set-a/11.txt"].replace(b"Time,Parameter,Value", first)
    files = {f"p/{name}": content for name, content in members.items()} | {"p/Outcomes-a.txt": outcomes}
    shown = io.StringIO()
    result = tried(Case([("data", "verify", "physionet2012", "data.root=p")], files), shown=shown)
    assert result.ended == "accepted"
    assert "3 records" in shown.getvalue()


TABLES = [
    ("x.csv", "gem", b"icd10cm,icd9cm\nA419,\xff\n", "is not UTF-8: see its byte 20"),
    ("x.csv", "gem", b"icd10cm,icd9cm\nA419," + b"9" * 200_000 + b"\n", "is not a table of CSV"),
    ("x.yaml", "ccs", b"a: " + b"[" * 3000 + b"]" * 3000, "is not a table of CCS definitions"),
    ("x.yaml", "ccs", b'"A": {id: .inf, codes: ["0389"]}\n', "is not a table of CCS definitions"),
    ("x.yaml", "ccs", b"\xff", "is not UTF-8"),
    ("x.txt", "ccs", b"9" * 5000 + b" Name\n  0389\n", "lacks the CCS categories"),
]


@pytest.mark.parametrize(("name", "key", "content", "says"), TABLES)
def test_a_table_of_codes_that_cannot_be_read_is_refused(name, key, content, says):
    pytest.importorskip("duckdb")
    files = {f"m/{table}.csv": text for table, text in mimic._ward().items()} | {f"m/{name}": content}
    refused(files, "data", "verify", "mimic4", "data.root=m", f"data.{key}={name}", says=says)
