"""Exports as files: the same bytes in any order, nothing private, clear answers to damage."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.config.layers import find_suites
from bench.config.request import request
from bench.errors import StorageError
from bench.gate.baselines import find
from bench.leaderboard import load_export, render, save_export
from bench.registry import discover
from bench.results.export_file import encode_export
from bench.results.records import Audit, Export
from bench.results.redact import redact, redact_command, redact_text
from bench.run.export import described
from support.fake_exports import PUBLISHED, RELEASE, alter, make_export, simulated_export
from support.sealing import DAMAGE, damaged


def test_an_export_comes_back_as_it_was_saved(tmp_path: Path) -> None:
    export = simulated_export({"mean": 0.9, "csdi": 0.3}, published=PUBLISHED, release=RELEASE)
    save_export(tmp_path / "a.json", export)
    loaded = load_export(tmp_path / "a.json")
    assert render(loaded) == render(export)
    assert loaded.statistics == export.statistics
    assert sorted(loaded.records, key=lambda r: r.key) == sorted(export.records, key=lambda r: r.key)


def test_the_order_of_records_does_not_change_the_file(tmp_path: Path) -> None:
    export = make_export()
    save_export(tmp_path / "a.json", export)
    random.Random(0).shuffle(export.records)
    save_export(tmp_path / "b.json", export)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_each_record_has_a_line_of_its_own_so_that_differences_can_be_read(tmp_path: Path) -> None:
    export = make_export()
    save_export(tmp_path / "a.json", export)
    keys = [line for line in (tmp_path / "a.json").read_text().splitlines() if '"scores"' in line]
    assert len(keys) == len(export.records)


def test_a_number_that_is_not_finite_is_left_out(tmp_path: Path) -> None:
    export = make_export(["mean"], ["gbm"], scenarios=("mcar",))
    export.records[0].scores["f1"] = float("nan")
    export.records[0].imputation["labs"]["crps"] = float("inf")
    save_export(tmp_path / "a.json", export)
    record = next(r for r in load_export(tmp_path / "a.json").records if r.key == export.records[0].key)
    assert set(record.scores) == {"auroc", "auprc"}
    assert set(record.imputation["labs"]) == {"mae", "rmse", "hidden"}


def test_another_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save_export(path, make_export(schema=99))
    with pytest.raises(StorageError, match=r"a\.json has schema 99, this bench reads schema 1; upgrade gapbench"):
        load_export(path)


@pytest.mark.parametrize("damage", [b"", b"{", b"not json", b'{"schema": 1}', b'{"schema": "x"}', b"\xff\xfe"])
def test_a_damaged_file_is_one_clear_line(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(damage)
    with pytest.raises(StorageError, match=r"a\.json is not a complete export .* bench report"):
        load_export(path)


DAMAGED = make_export(["mean"], ["gbm"], scenarios=("mcar",))


@given(DAMAGE)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_is_noticed(tmp_path: Path, damage: tuple[float, int]) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(damaged(encode_export(DAMAGED), *damage))
    with pytest.raises(StorageError, match="not a complete export"):
        load_export(path)


def test_an_export_of_an_earlier_version_has_no_checksum_and_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    content = encode_export(DAMAGED)
    path.write_bytes(b"{\n" + content.split(b"\n", 2)[2])
    assert load_export(path).suite == DAMAGED.suite


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=12))
def test_a_file_holds_no_character_that_nobody_can_see_and_says_the_same(text: str) -> None:
    export = make_export(["mean"], ["gbm"], title=f"a\u202e{text}\x7f")
    body = encode_export(export)
    assert body.decode().replace("\n", "").isprintable()
    with TemporaryDirectory() as folder:
        save_export(Path(folder) / "x.json", export)
        assert load_export(Path(folder) / "x.json").title == export.title


def test_a_damaged_baseline_says_how_it_is_made(tmp_path: Path) -> None:
    path = tmp_path / "baselines" / "demo.json"
    save_export(path, make_export(["mean"], ["gbm"]))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(StorageError) as refused:
        find(path, "./demo.toml")
    again = f"restore it, or make it again: bench baseline pin suite=./demo.toml out={tmp_path} --replace"
    assert again in str(refused.value)


def test_a_truncated_file_is_one_clear_line(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    save_export(path, make_export())
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(StorageError, match="not a complete export"):
        load_export(path)


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"there is no export at .*; make one with: bench run"):
        load_export(tmp_path / "a.json")
    with pytest.raises(StorageError, match="cannot read"):
        load_export(tmp_path)


def test_a_place_that_cannot_be_written_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="part of the path is a file, not a folder"):
        save_export(tmp_path / "file" / "folder" / "a.json", make_export())


@pytest.mark.parametrize(
    ("command", "redacted"),
    [
        ("bench run suite=demo data.root=/home/me/data seed=1,2", "bench run suite=demo data.root=... seed=1,2"),
        ("bench run 'data.root=/home/me/my data' suite=demo", "bench run data.root=... suite=demo"),
        ("bench run data.root=data", "bench run data.root=..."),
        ("bench run data.root=synthetic data.stays=9", "bench run data.root=synthetic data.stays=9"),
        ("/home/me/.venv/bin/bench run --data-root=/x out=/scratch/me", "bench run --data-root=... out=..."),
        ("bench run suite=~/my.toml", "bench run suite=..."),
        ("bench run data.root='/home/me", "bench run data.root=..."),
        ("bench run imputer=locf,mean scenario.mcar.rate=0.1", "bench run imputer=locf,mean scenario.mcar.rate=0.1"),
        ("bench run data.notes=/home/me/radiology.csv.gz", "bench run data.notes=..."),
        ("bench run data.note_encoder=/models data.cxr=~/x", "bench run data.note_encoder=... data.cxr=..."),
        ("""bench run 'data.notes="/home/me/a, b.csv"'""", "bench run data.notes=..."),
        ("bench run imputer.their.weights=small,/home/me/w.pt", "bench run imputer.their.weights=..."),
        ("bench run data.notes=https://example.org/a", "bench run data.notes=https://example.org/a"),
        ("", ""),
    ],
)
def test_a_command_keeps_its_words_and_loses_its_paths(command: str, redacted: str) -> None:
    assert redact_command(command) == redacted
    assert redact_command(redacted) == redacted


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("cannot read /home/me/data/set-a.tar.gz: cut short", "cannot read .../set-a.tar.gz: cut short"),
        (r"cannot read C:\Users\me\set-a.zip", "cannot read .../set-a.zip"),
        ("~/data/x is not there", ".../x is not there"),
        ("seed 7, fractions 0.7/0.15/0.15", "seed 7, fractions 0.7/0.15/0.15"),
        ("see https://example.org/a/b and mean/gbm", "see https://example.org/a/b and mean/gbm"),
    ],
)
def test_a_reason_keeps_only_the_last_part_of_a_path(text: str, redacted: str) -> None:
    assert redact_text(text) == redacted
    assert redact_text(redacted) == redacted


def test_redacting_removes_hosts_folders_and_hours_and_keeps_every_number(tmp_path: Path) -> None:
    export = make_export(["mean"], ["gbm"])
    private = {
        "host": "node17",
        "started": "2020-01-01",
        "data.root": "data",
        "log": "/var/log/x",
        "note": "in /home/me/x",
        "scenario parameters": 'their {"file":"/weights"}',
    }
    alter(export.records[0], provenance={**export.records[0].provenance, **private})
    alter(export.records[0], reason="in /home/me/secret.py")
    alter(export.records[0], audits={"scored-once": Audit(False, "see /home/me/log.txt")})
    alter(export.records[0], notes=["weights in /home/me/w.pt"])
    clean = redact(export)
    content = msgspec.json.encode(clean).decode()
    for word in ("node17", "2020-01-01", "/var/log", "/home", "/weights"):
        assert word not in content
    assert clean.records[0].provenance["split"] == "seed 7, fractions 0.7/0.15/0.15"
    assert clean.records[0].provenance["command"] == "bench run suite=demo data.root=..."
    assert [r.scores for r in clean.records] == [r.scores for r in export.records]
    assert [r.predictions for r in clean.records] == [r.predictions for r in export.records]
    assert redact(clean) == clean
    assert render(clean) == render(export)


@pytest.mark.parametrize("suite", find_suites())
def test_what_an_export_tells_of_a_suite_is_the_same_when_it_is_read_again(suite: str) -> None:
    registry = discover()
    asked = request([f"suite={suite}"], registry)
    about = described(asked, registry.get("dataset", asked.suite.dataset), registry.metrics)
    export = Export(suite=suite, dataset=asked.suite.dataset, synthetic=False, planned=[], records=[], **about)
    assert msgspec.json.decode(msgspec.json.encode(export), type=Export) == export
