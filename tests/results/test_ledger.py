"""The ledger: fragments written whole, checked when read."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.errors import StorageError
from bench.results import ledger as ledgers
from bench.results.coordinates import Coordinates
from bench.results.ledger import Ledger
from bench.results.predictions import Predictions, pack, unpack
from bench.results.records import SCHEMA, Audit, Export, Record, Statistics
from support.sealing import DAMAGE, damaged

KEY = "ab" + "0" * 62


def record(key=KEY, seed=1, **more):
    at = Coordinates("s", "ihm", "all", "mcar(rate=0.1)", "mean", "gru", seed)
    return Record(
        key=key, coordinates=at, status="ok", scores={"auroc": 0.1 + 0.2}, audits={"repeat": Audit(True, "é")}, **more
    )


def predictions(n=5, labels=0):
    rng = np.random.default_rng(n)
    shape = (n, labels) if labels else (n,)
    return Predictions(
        ids=np.array([f"r{i}é" for i in range(n)]),
        groups=np.array([f"g{i // 2}" for i in range(n)]),
        truth=rng.integers(0, 2, shape).astype(np.float32),
        outputs=rng.random((n, labels or 1), np.float32),
    )


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


def fragment(ledger, key=KEY):
    return ledger.folder / "cells" / key[:2] / f"{key}.json"


def assert_same(a, b):
    for name in ("ids", "groups", "truth", "outputs"):
        assert np.array_equal(getattr(a, name), getattr(b, name))
        assert getattr(a, name).dtype == getattr(b, name).dtype


def test_a_record_comes_back_as_it_was_with_its_predictions(ledger):
    written = ledger.write(record(), predictions())
    assert ledger.load() == {KEY: written}
    assert_same(ledger.predictions(ledger.load()[KEY]), predictions())


def test_only_the_keys_asked_for_are_loaded_and_one_that_is_not_there_is_left_out(ledger):
    for number in range(3):
        ledger.write(record(key=f"{number}" * 64))
    assert ledger.load(["1" * 64, "f" * 64]).keys() == {"1" * 64}


def test_an_empty_ledger_has_no_records_and_makes_no_folder(ledger):
    assert ledger.load() == {}
    assert not ledger.folder.exists()


def test_the_fragment_is_plain_json_beside_plain_arrays(ledger):
    ledger.write(record(), predictions())
    plain = json.loads(fragment(ledger).read_bytes())
    assert plain["record"]["schema"] == SCHEMA
    assert plain["record"]["coordinates"]["fuser"] == "gru"
    with np.load(fragment(ledger).with_suffix(".npz"), allow_pickle=False) as stored:
        assert sorted(stored) == ["groups", "ids", "outputs", "truth"]


@pytest.mark.parametrize("labels", [0, 3])
def test_predictions_are_stored_as_the_same_bytes_every_time_and_come_back(labels):
    made = predictions(7, labels)
    assert pack(made) == pack(predictions(7, labels))
    assert_same(unpack(pack(made)), made)


def test_predictions_of_nobody_come_back():
    assert_same(unpack(pack(predictions(0))), predictions(0))


def test_what_would_have_to_be_unpickled_is_never_read():
    class Evil:
        def __reduce__(self):
            return os.system, ("exit 1",)

    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array([Evil()], object), groups=np.zeros(1), truth=np.zeros(1), outputs=np.zeros((1, 1)))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        unpack(buffer.getvalue())


DAMAGES = {
    "a changed score": lambda body: body.replace(b'"auroc":0.3', b'"auroc":0.9'),
    "a changed status": lambda body: body.replace(b'"status":"ok"', b'"status":"failed"'),
    "cut in the middle": lambda body: body[: len(body) // 2],
    "empty": lambda body: b"",
    "no JSON": lambda body: b"\xff\xfe",
    "another JSON": lambda body: b"[]",
    "no checksum": lambda body: body[body.index(b'"record":') + 9 : -2],
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("read", [True, False])
def test_a_damaged_fragment_is_left_out_and_named(ledger, tmp_path, damage, read):
    ledger.write(record())
    ledger.write(record(key="cd" + "0" * 62))
    if read:
        ledger.load()
    body = fragment(ledger).read_bytes()
    assert DAMAGES[damage](body) != body
    fragment(ledger).write_bytes(DAMAGES[damage](body))
    os.utime(fragment(ledger), (1, 1))
    again = Ledger(tmp_path)
    assert again.load().keys() == {"cd" + "0" * 62}
    assert again.damaged == [f"{KEY}.json"]


@given(DAMAGE)
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_byte_of_a_fragment_is_changed_is_noticed_though_its_size_and_times_are_as_before(ledger, damage):
    ledger.write(record())
    other = "cd" + "0" * 62
    ledger.write(record(key=other))
    assert ledger.load().keys() == {KEY, other}
    stat = fragment(ledger).stat()
    fragment(ledger).write_bytes(damaged(fragment(ledger).read_bytes(), *damage))
    os.utime(fragment(ledger), ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = Ledger(ledger.folder.parent)
    assert again.load().keys() == {other}
    assert again.damaged == [f"{KEY}.json"]


def test_a_record_of_another_schema_is_left_out_and_named(ledger):
    ledger.write(record(schema=SCHEMA + 1))
    assert ledger.load() == {}
    assert ledger.damaged == [f"{KEY}.json"]


def test_a_record_written_anew_takes_the_place_of_the_old_one(ledger):
    ledger.write(record(reason="first"))
    assert ledger.load()[KEY].reason == "first"
    ledger.write(record(reason="second, longer"))
    assert ledger.load()[KEY].reason == "second, longer"


def test_a_fragment_that_is_deleted_is_gone(ledger):
    ledger.write(record())
    assert ledger.load()
    fragment(ledger).unlink()
    assert ledger.load() == {}


def test_a_fragment_under_the_name_of_another_is_not_taken_for_it(ledger):
    ledger.write(record())
    other = "ab" + "1" * 62
    fragment(ledger, other).write_bytes(fragment(ledger).read_bytes())
    assert ledger.load().keys() == {KEY}
    assert ledger.damaged == [f"{other}.json"]


def test_a_ledger_is_read_without_writing_anything(ledger):
    ledger.write(record())
    before = {path: path.stat() for path in sorted(ledger.folder.rglob("*"))}
    assert ledger.load().keys() == {KEY}
    assert {path: path.stat() for path in sorted(ledger.folder.rglob("*"))} == before


def test_a_crash_between_predictions_and_record_leaves_no_record(ledger, monkeypatch):
    write = ledgers.write_bytes

    def crash(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setattr(ledgers, "write_bytes", crash)
    with pytest.raises(KeyboardInterrupt):
        ledger.write(record(), predictions())
    assert fragment(ledger).with_suffix(".npz").exists()
    assert ledger.load() == {}
    assert ledger.damaged == []


def test_predictions_that_are_not_those_of_the_record_are_refused(ledger):
    made = record()
    ledger.write(made, predictions(5))
    fragment(ledger).with_suffix(".npz").write_bytes(pack(predictions(6)))
    with pytest.raises(StorageError, match="do not match their record; run the suite again"):
        ledger.predictions(made)
    assert fragment(ledger).with_suffix(".npz").read_bytes() == pack(predictions(6))


def test_predictions_that_are_gone_are_named(ledger):
    made = record()
    ledger.write(made, predictions())
    fragment(ledger).with_suffix(".npz").unlink()
    with pytest.raises(StorageError, match=r"\.npz cannot be read .*run the cell again"):
        ledger.predictions(made)


def test_one_process_writes_at_a_time_and_the_other_learns_which(ledger, tmp_path):
    code = f"""
import sys
from pathlib import Path
from bench.results.ledger import Ledger
from bench.errors import StorageError
try:
    with Ledger(Path({str(tmp_path)!r})).locked():
        pass
except StorageError as error:
    sys.exit(str(error))
"""
    second = [sys.executable, "-c", code]
    with ledger.locked():
        refused = subprocess.run(second, capture_output=True, text=True)
    assert f"another bench run (process {os.getpid()}) is writing to {ledger.folder}" in refused.stderr
    assert subprocess.run(second).returncode == 0


def test_the_lock_is_given_back_after_an_error_and_leftovers_are_swept(ledger):
    (ledger.folder / "cells" / "ab" / ".tmp-killed").mkdir(parents=True)
    with pytest.raises(ZeroDivisionError), ledger.locked():
        raise ZeroDivisionError
    with ledger.locked():
        pass
    assert not list(ledger.folder.rglob(".tmp-*"))


def export(suite="s"):
    return Export(suite=suite, title="T", dataset="d", synthetic=False, command="bench run", tasks=[],
                  planned=[(record().coordinates, KEY)], records=[])  # fmt: skip


def test_the_plan_of_the_last_run_of_each_suite_is_remembered(ledger):
    assert ledger.last("s") is None
    ledger.remember(export("s"))
    ledger.remember(export("t"))
    assert ledger.last("s") == export("s")
    assert ledger.last("t") == export("t")


@given(DAMAGE)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_of_a_plan_is_named_with_what_to_do(ledger, damage):
    ledger.remember(export())
    path = ledger.folder / "plans" / "s.json"
    path.write_bytes(damaged(path.read_bytes(), *damage))
    with pytest.raises(StorageError, match="run the suite again"):
        ledger.last("s")


@given(DAMAGE)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_changed_byte_of_stored_statistics_is_named_and_they_are_not_believed(ledger, damage):
    ledger.keep_statistics("k", Statistics(resamples=10, alpha=0.05, seed=0))
    assert ledger.statistics("k").resamples == 10
    path = ledger.folder / "statistics" / "k.json"
    path.write_bytes(damaged(path.read_bytes(), *damage))
    with pytest.raises(StorageError, match="damaged"):
        ledger.statistics("k")


@given(DAMAGE, st.sampled_from(["predictions", "errors"]))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_record_whose_arrays_were_changed_lacks_them_and_they_are_named(ledger, tmp_path, damage, kind):
    (tmp_path / "errors").write_bytes(b"what an imputation scores")
    errors_of = hashlib.sha256(b"what an imputation scores").hexdigest()
    made = ledger.write(record(imputation_errors=errors_of), predictions())
    errors = ledger._errors_path(made.imputation_errors)
    errors.unlink(missing_ok=True)
    fresh = Ledger(tmp_path)
    assert fresh.keep_errors(made.imputation_errors, tmp_path / "errors")
    assert fresh.lacks(made) == []
    path = fragment(ledger).with_suffix(".npz") if kind == "predictions" else errors
    path.write_bytes(damaged(path.read_bytes(), *damage))
    again = Ledger(tmp_path)
    assert again.lacks(made) == [path]
    assert again.damaged == [path.name]
    if kind == "errors":
        assert Ledger(tmp_path).keep_errors(made.imputation_errors, tmp_path / "errors")
        assert Ledger(tmp_path).lacks(made) == []


def test_a_plan_of_another_version_is_refused_with_what_to_do(ledger):
    ledger.remember(export())
    (ledger.folder / "plans" / "s.json").write_text("{}")
    with pytest.raises(StorageError, match="run the suite again"):
        ledger.last("s")
