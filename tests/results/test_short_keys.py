"""A cell is named by the beginning of its key: six characters or more that no other key begins
with.
"""

from __future__ import annotations

import shlex
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.errors import StorageError, UsageError
from bench.results.coordinates import Coordinates
from bench.results.ledger import Ledger
from bench.results.records import Record
from bench.results.short_keys import LEAST, PRINTED, again, length_for, record_in_export, record_in_ledger
from support.fake_exports import make_export

AT = Coordinates("demo", "ihm", "all", "natural", "mean", "gru", 1)
keys = st.lists(st.text("0123456789abcdef", min_size=64, max_size=64), min_size=1, max_size=5, unique=True)


def alike(beginning: str, *ends: str) -> list[str]:
    return [f"{beginning}{end}".ljust(64, "0") for end in ends]


def filled(folder: Path, *keys: str) -> Ledger:
    ledger = Ledger(folder)
    for number, key in enumerate(keys):
        ledger.write(Record(key=key, coordinates=msgspec.structs.replace(AT, seed=number), status="ok"))
    return ledger


@given(keys)
def test_short_keys_of_a_table_tell_its_cells_apart_and_no_shorter_ones_would(keys: list[str]) -> None:
    length = length_for(keys)
    assert length >= PRINTED
    assert len({key[:length] for key in keys}) == len(keys)
    if length > PRINTED:
        assert len({key[: length - 1] for key in keys}) < len(keys)


def test_a_result_that_two_rows_share_needs_no_longer_keys() -> None:
    assert length_for(["a" * 64, "a" * 64]) == PRINTED
    assert length_for([]) == PRINTED


def test_every_beginning_of_a_key_that_is_its_own_finds_its_record(tmp_path: Path) -> None:
    first, second = alike("abcdef", "01", "02")
    ledger = filled(tmp_path, first, second, "9" * 64)
    for length in (8, 9, 63, 64):
        assert record_in_ledger(ledger, first[:length]).key == first
    assert record_in_ledger(ledger, "9" * LEAST).key == "9" * 64
    assert record_in_ledger(ledger, first[:8].upper()).key == first


def test_a_beginning_of_several_keys_is_answered_with_the_cells_it_may_be(tmp_path: Path) -> None:
    ledger = filled(tmp_path, *alike("abcdef012", "a", "b"))
    with pytest.raises(UsageError) as refused:
        record_in_ledger(ledger, "abcdef0")
    assert "the keys of 2 cells in" in str(refused.value)
    for begin, seed in (("abcdef012a", 0), ("abcdef012b", 1)):
        assert f"{begin} (ihm all natural mean x gru seed {seed})" in str(refused.value)


def test_of_many_cells_an_error_names_a_few(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="and 3 more"):
        record_in_ledger(filled(tmp_path, *alike("abcdef", *"01234567")), "abcdef")


@pytest.mark.parametrize("typed", ["", "abcde", "ABCDEG", "../../..", "a" * 65, "mean"])
def test_what_is_no_beginning_of_a_key_is_refused_with_what_is(tmp_path: Path, typed: str) -> None:
    with pytest.raises(UsageError, match="give at least 6 of its digits"):
        record_in_ledger(Ledger(tmp_path), typed)


def test_a_key_that_is_not_here_is_answered_with_the_ledger_that_was_looked_at(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no cell in .*ledger has a key that begins with .*out=DIR"):
        record_in_ledger(filled(tmp_path, "a" * 64), "b" * 8)


def test_a_key_that_was_planned_and_not_run_is_answered_with_the_command(tmp_path: Path) -> None:
    export = make_export(["mean"], ["gru"], [1], audit_cells=False)
    ledger = Ledger(tmp_path)
    ledger.remember(msgspec.structs.replace(export, records=[]))
    key = export.planned[0][1]
    with pytest.raises(UsageError, match=r"mean x gru seed 1 was planned and not run.*go on with: bench run"):
        record_in_ledger(ledger, key[:8])
    with pytest.raises(UsageError, match=r"was not run: x.records.json has no record of it"):
        record_in_export(msgspec.structs.replace(export, records=[]), key[:8], "x.records.json")


def test_a_command_is_of_the_folder_in_which_the_ledger_lies_now_and_of_all_cells(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "merged")
    wanted = ["bench", "run", "suite=demo", f"out={tmp_path / 'merged'}"]
    for typed in ("suite=demo", "suite=demo out=part1 shard=1/2 name=first"):
        assert shlex.split(again(f"bench run {typed}", ledger)) == wanted
    assert again("bench run suite=demo out=part1", Ledger(Path("results"))) == "bench run suite=demo"
    export = make_export(["mean"], ["gru"], [1], audit_cells=False)
    ledger.remember(msgspec.structs.replace(export, records=[], command="bench run suite=demo out=part1 shard=1/2"))
    key = export.planned[0][1]
    with pytest.raises(UsageError, match=r"go on with: bench run suite=demo out=\S*merged$"):
        record_in_ledger(ledger, key[:8])
    (ledger.conflict(key)).mkdir(parents=True)
    with pytest.raises(UsageError, match=r"make it again: bench run suite=demo out=\S*merged$"):
        record_in_ledger(ledger, key[:8])


def test_a_damaged_record_is_no_record(tmp_path: Path) -> None:
    ledger = filled(tmp_path, "a" * 64)
    path = next(tmp_path.rglob("*.json"))
    path.write_bytes(path.read_bytes().replace(b"mean", b"maen"))
    with pytest.raises(StorageError, match=r"is damaged or of another version; run its suite again"):
        record_in_ledger(ledger, "a" * 8)


def test_the_record_of_an_export_is_found_alike(tmp_path: Path) -> None:
    export = make_export()
    for record in export.records:
        assert record_in_export(export, record.key[:12], "x.records.json") == record
    with pytest.raises(UsageError, match=r"no cell of x.records.json has a key"):
        record_in_export(export, "0" * 64, "x.records.json")
