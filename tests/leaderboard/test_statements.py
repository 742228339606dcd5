"""What holds for some records is never said of all: every statement on where numbers come from
carries its count.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.config.request import TRAINING_NOTES
from bench.leaderboard import render
from bench.leaderboard.statements import counted
from bench.results.coordinates import Coordinates
from bench.results.records import Export
from bench.run.record import training_of
from bench.train_params import TorchFuserParams
from support.asking import Asker
from support.fake_exports import alter, make_export, make_record

STEPS = "300 optimiser steps, batches of 128"
IMPUTER_STEPS = "700 optimiser steps of each network"
ENTRIES = {
    "revision": ("aaaaaaaaaaaa", "bbbbbbbbbbbb"),
    "device": ("one CPU", "another CPU"),
    "library torch": ("2.13.0", "2.14.0"),
    "precision": ("fp32", "bf16"),
    "training": (STEPS, "20 epochs"),
    "imputer training": (IMPUTER_STEPS, "70 optimiser steps"),
    "imputer weights": ("csdi on other data",),
    "split": ("split=reference-stay (by record: patients on both sides), seed 0", "seed 0, fractions 0.7/0.15/0.15"),
    "scaling": ("over everything (test records and hidden entries included)",),
    "hidden in": ("valid and test",),
    "absent modalities": ("filled",),
}
"""Name of provenance -> values; a record may also say nothing of it."""

STATEMENTS = {
    "split by record": ("split", ENTRIES["split"][0]),
    "scaling.over=everything": ("scaling", ENTRIES["scaling"][0]),
    "(fill_absent)": ("absent modalities", "filled"),
    "Entries were hidden in": ("hidden in", "valid and test"),
    TRAINING_NOTES["fuser"]: ("training", STEPS),
    TRAINING_NOTES["imputer"]: ("imputer training", IMPUTER_STEPS),
}
"""What a sentence of the page holds -> the entry of a record's provenance that it tells."""

provenances = st.fixed_dictionaries({}, optional={name: st.sampled_from(values) for name, values in ENTRIES.items()})


def export_of(said: list[dict[str, str]]) -> Export:
    """One method, a seed for each provenance, under a protocol with everything that is said in
    sentences.
    """
    records = [
        make_record(
            Coordinates("demo", "ihm", "all", "mcar(rate=0.1)", "locf", "gbm", seed, split="reference-stay"),
            0.8,
            provenance=each,
        )
        for seed, each in enumerate(said)
    ]
    return make_export(
        planned=[(record.coordinates, record.key) for record in records],
        records=records,
        scaling="everything",
        fill_absent=True,
        hiding="valid and test",
        notes=tuple(
            f"{TRAINING_NOTES[kind]}{words}, unless its label says otherwise."
            for kind, words in (("fuser", STEPS), ("imputer", IMPUTER_STEPS))
        ),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(provenances, min_size=1, max_size=5))
def test_no_statement_stands_without_its_count_unless_all_records_share_it(said: list[dict[str, str]]) -> None:
    rendered = {kind: body.decode() for kind, body in render(export_of(said)).items()}
    page, total = rendered["md"], len(said)
    section = page.partition("## Where these numbers come from")[2].partition("## Costs")[0]
    for name, values in ENTRIES.items():
        counts = Counter(each.get(name, "") for each in said)
        rows = re.findall(rf"^\| {name} +\| (.*?) *\|$", section, re.MULTILINE)
        if set(counts) == {""}:
            assert rows == []
            continue
        (row,) = rows
        for value in filter(None, values):
            expected = (
                value if counts[value] == total else f"{value} ({counts[value]} record{'s' * (counts[value] != 1)})"
            )
            assert (expected in row) is (counts[value] > 0)
        assert json.loads(rendered["json"])["provenance"][name] == dict(counts)
    for sentence, (name, value) in STATEMENTS.items():
        holds = sum(each.get(name) == value for each in said)
        lines = [line for line in page.splitlines() if sentence in line]
        if sentence in TRAINING_NOTES.values() and holds == 0:  # of no such method here
            assert not lines
            continue
        assert len(lines) >= 2, "above the tables, under the imputation table"
        for line in lines:
            assert line.endswith(f"({holds} of {total} records say so.)") is (holds < total), line
    title = page.splitlines()[0]
    holds = sum(each.get("split") == ENTRIES["split"][0] for each in said)
    assert title.endswith(f"split=reference-stay ({holds} of {total} records)") is (holds < total)


@given(st.dictionaries(st.sampled_from(["", "a", "b", "c"]), st.integers(1, 2000), min_size=1))
def test_a_value_stands_alone_only_where_it_is_the_only_one(values: dict[str, int]) -> None:
    text = counted(values)
    if len(values) == 1:
        assert text == (next(iter(values)) or "–")
    else:
        numbers = [int(number.replace(",", "")) for number in re.findall(r"\(([\d,]+) records?\)", text)]
        assert sorted(numbers) == sorted(values.values())


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(["one CPU", "a GPU"]), min_size=1, max_size=4))
def test_the_costs_of_a_method_say_how_many_cells_ran_on_which_device(devices: list[str]) -> None:
    cost = json.loads(render(export_of([{"device": device} for device in devices]))["json"])["costs"][0]
    if len(set(devices)) == 1:
        assert cost["device"] == devices[0]
    else:
        for device, count in Counter(devices).items():
            assert f"{device} ({count} cell{'s' * (count > 1)})" in cost["device"]


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 2)), min_size=1, max_size=4))
def test_record_counts_are_said_of_a_table_only_where_all_its_cells_agree(sizes: list[tuple[int, int]]) -> None:
    export = export_of([{} for _ in sizes])
    for record, (train, test) in zip(export.records, sizes, strict=True):
        alter(record, counts={"train": train, "test": test})
    (table,) = json.loads(render(export)["json"])["tables"]
    for name, seen in zip(("train", "test"), zip(*sizes, strict=True), strict=True):
        assert table["counts"].get(name) == (seen[0] if len(set(seen)) == 1 else None)
        for value, count in Counter(seen).items() if len(set(seen)) > 1 else ():
            (note,) = [note for note in table["notes"] if "not scored on the same records" in note]
            assert f"{value} ({count} cell{'s' * (count > 1)})" in note


@pytest.mark.parametrize(("name", "word"), [("net", "10 optimiser steps"), ("flat", "")])
def test_a_record_says_of_training_only_what_was_done_to_its_own_fuser(tmp_path, name: str, word: str) -> None:
    ask = Asker(tmp_path)
    spec = ask.registry.get("fuser", "net")
    ask.registry._specs["fuser", "net"] = replace(spec, params=TorchFuserParams)
    request = ask.request("fuser=net,flat", "training.steps=10", "training.batch_size=8", "fuser.net.batch_size=4")
    (variant,) = request.of("fuser", name)
    said = training_of(request.suite, variant, ask.registry.get("fuser", name))
    assert said == (f"{word}, batches of 4" if word else "")


def test_records_say_it_on_disk_too(project) -> None:
    """One run: the fuser that is trained says how, the other does not, and the page counts."""
    words = (project.suite, "fuser=linear,gru", "imputer=mean", "seed=1", "training.steps=3")
    project.here("run", *words)
    said = {r["coordinates"]["fuser"]: r["provenance"].get("training") for r in project.records()}
    assert said == {"linear": None, "gru": "3 optimiser steps"}
    page = project.page(project.suite)
    assert re.search(r"\| training +\| 3 optimiser steps \(1 record\); – \(1 record\)", page)
    assert "unless its label says otherwise. (1 of 2 records say so.)" in page
