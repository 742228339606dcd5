"""What components hand over: whatever it is, the run ends, its records can be read, and no word
of it leaves the machine.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bench import gate
from bench.errors import BenchError, DataError, PluginError, StorageError
from bench.execute.failure import plain
from bench.gate.report import to_junit, to_markdown
from bench.leaderboard import load_export, render, save_export
from bench.results.collect import collect
from bench.results.coordinates import Coordinates
from bench.results.export_file import encode_export
from bench.results.records import Note, Record
from bench.results.redact import redact
from bench.results.shareable import LARGEST, encoded
from bench.run.export import planned_export
from bench_toy import strange
from support import inline

WORDS = ("dataset=strange", "scenario=strange", "imputer=strange", "fuser=strange")
REGISTRY = inline.registry()
SUITE = inline.SUITE.replace('dataset = "toy"', 'dataset = "strange"')
SUITE = (
    SUITE.replace('["mcar"]', '["strange"]').replace('["around"]', '["strange"]').replace('["waits"]', '["strange"]')
)
SUITE = SUITE.replace("[scenario.mcar]\nrate = [0.3]\n", "")

RELAXED = settings(
    deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


class Loud(str):
    """A text that raises when it is shown."""

    def __str__(self):
        raise ValueError("not to be shown")


ODD_TEXTS = st.one_of(
    st.text(max_size=20),
    st.text(st.characters(categories=["Cs", "Cc"]), min_size=1, max_size=5),
    st.sampled_from(["\ud800", "\x00", "\x1b[2J", "x" * 100_000, "__metadata__", "../../x", "", Loud("loud")]),
)
ODD_NUMBERS = st.one_of(
    st.floats(), st.integers(), st.sampled_from([10**400, True, np.float32("nan"), np.int8(-1), 1j, np.bool_(True)])
)
ODD_ARRAYS = st.sampled_from(
    [
        np.zeros((0,)), np.zeros((2, 3), np.uint16), np.array(["r0004"]), np.array([object()], object),
        np.zeros(3, [("r0004", "f4")]), np.ma.masked_all((3, 1)), np.full((18, 1), np.nan, np.float32),
    ]
)  # fmt: skip
ANYTHING = st.recursive(
    st.one_of(st.none(), ODD_TEXTS, ODD_NUMBERS, st.binary(max_size=9), ODD_ARRAYS, st.builds(object)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.tuples(inner, inner), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=4,
)


class Strange(Exception):
    """An exception of nobody."""


ERRORS = st.builds(
    lambda kind, text: kind(text),
    st.sampled_from(
        [
            ValueError,
            KeyError,
            SystemExit,
            KeyboardInterrupt,
            MemoryError,
            PluginError,
            DataError,
            StorageError,
            Strange,
        ]
    ),
    ODD_TEXTS,
)


@pytest.fixture
def doors():
    """The doors of the strange components, closed again afterwards."""
    strange.DOORS.clear()
    yield strange.DOORS
    strange.DOORS.clear()


def run(folder: Path) -> inline.Prepared:
    made = inline.prepared(folder, REGISTRY, suite=SUITE)
    inline.run(made)
    return made


@given(st.sampled_from(strange.KNOWN), st.one_of(ANYTHING, ERRORS))
@example("parameters", float("nan"))
@example("imputer parameters", float("inf"))
@example("error", ValueError("\ud800"))
@example("error", ValueError("x" * 100_000))
@example("error", StorageError("r0004"))
@example("imputer error", DataError("r0004"))
@example("name of a state", "__metadata__")
@example("name of a note", "\ud800")
@RELAXED
def test_whatever_stands_at_a_door_the_run_ends_and_its_record_can_be_read(tmp_path_factory, door, value):
    strange.DOORS.clear()
    strange.DOORS[door] = value
    ends = DataError if isinstance(value, DataError) and door in DATASET else ()
    try:
        made = run(tmp_path_factory.mktemp("run"))
    except ends:
        return
    finally:
        strange.DOORS.clear()
    (record,) = inline.records(made)
    assert record.status in ("ok", "failed", "oom"), record
    assert record.status == "ok" or record.reason
    assert len(encoded(record)) < LARGEST
    for kind, content in render(collect(planned_export(made), made.ledger)).items():
        assert content.decode(), kind
    for log in (made.ledger.folder / "logs").glob("*.log"):
        assert len(log.read_text("utf-8")) < 10**6


DATASET = strange.KNOWN[: strange.KNOWN.index("unit")]
"""Doors of the dataset: a DataError there ends the run, as its contract says."""

PLANTED = "r0004 of g0002 has 0.5682"


def test_with_nothing_at_any_door_the_cell_is_ok_and_keeps_its_note(tmp_path, doors):
    (record,) = inline.records(run(tmp_path))
    assert (record.status, record.reason) == ("ok", "")
    assert record.notes == [Note("experts", [3])]


@pytest.mark.parametrize("name", ["r0004", "tree.r0004.leaf", "neighbours of g0002"])
def test_an_array_that_is_learnt_bears_no_name_of_a_record_since_weights_list_their_arrays(tmp_path, doors, name):
    doors["name of a state"] = name
    (record,) = inline.records(run(tmp_path))
    assert record.status == "failed"
    assert "a name in state_dict() is the id of a record or a patient" in record.reason


@pytest.mark.parametrize("door", strange.KNOWN)
def test_no_word_of_a_component_stands_in_anything_that_is_shared(tmp_path, doors, door):
    doors[door] = PLANTED
    exported_without_a_word(tmp_path)


RAISED = {
    "KeyError": KeyError(PLANTED),
    "our own class": PluginError(PLANTED),
    "a class of our name": type("PluginError", (BenchError,), {})(PLANTED),
    "a class with a telling name": type("R0004OfG0002Has05682r0004", (Exception,), {})(PLANTED),
    "a note of the exception": ValueError("plain"),
    "a cause": ValueError("plain"),
}
RAISED["a note of the exception"].add_note(PLANTED)
RAISED["a cause"].__cause__ = KeyError(PLANTED)


@pytest.mark.parametrize("raised", RAISED)
@pytest.mark.parametrize("door", ["error", "imputer error", "expected", "state", "outputs"])
def test_no_text_of_an_exception_is_shared_but_its_type_and_place_and_the_log_has_all(tmp_path, doors, door, raised):
    doors[door] = RAISED[raised]
    made = exported_without_a_word(tmp_path)
    (record,) = inline.records(made)
    assert "at bench_toy/strange.py, line " in record.reason
    logs = [path.read_text() for path in (made.ledger.folder / "logs").glob("*.log")]
    assert any("r0004" in text for text in logs)


def exported_without_a_word(folder: Path) -> inline.Prepared:
    """Everything that is made of a run, looked through for what was planted; what the run left."""
    made = run(folder)
    export = collect(planned_export(made), made.ledger)
    shared = dict(render(export, page=True))
    save_export(folder / "export.json", redact(export))
    shared["records"] = (folder / "export.json").read_bytes()
    again = load_export(folder / "export.json")
    judged = gate.gate(again, export)
    shared |= {"gate": to_markdown(judged).encode(), "junit": to_junit(judged), "judged": msgspec.json.encode(judged)}
    fragments = made.ledger.folder.glob("cells/*/*.json")
    shared |= {str(path): path.read_bytes() for path in fragments}
    for kind, content in shared.items():
        text = content.decode().lower()
        for word in (r"r0004", r"g0002", r"(?<!\d)0\.5682", r"(?<!\d)05682"):  # not amid the digits of a timing
            assert not re.search(word, text), f"{kind} holds {word}"
    return made


def test_records_of_earlier_versions_leave_without_the_words_they_hold(tmp_path):
    at = Coordinates("s", "toy", "all", "natural", "mean", "waits", 1)
    old = Record(key="k", coordinates=at, status="failed", reason=f"KeyError: {PLANTED}", notes=[PLANTED])
    from support.fake_exports import make_export

    export = msgspec.structs.replace(make_export(["mean"], ["gbm"]), records=[old])
    (tmp_path / "old.json").write_bytes(encode_export(export))
    (record,) = load_export(tmp_path / "old.json").records
    assert record.notes == []
    assert "r0004" not in record.reason
    assert "run it again" in record.reason


@pytest.mark.parametrize(
    ("value", "kept"),
    [(0, 0), (999, 999), (14641, 14600), (1230965, 1230000), (np.int64(12345), 12300)],
)
def test_a_count_keeps_three_digits_so_that_no_number_of_a_record_passes(tmp_path, doors, value, kept):
    doors["value of a note"] = value
    (record,) = inline.records(run(tmp_path))
    assert record.notes == [Note("experts", [kept])]


@given(st.text())
def test_plain_text_can_be_printed_and_encoded_and_is_short(text):
    made = plain(text, 40)
    assert made.isprintable()
    made.encode()
    assert type(made) is str
    assert len(plain(text, 40)) <= 10 * 45
