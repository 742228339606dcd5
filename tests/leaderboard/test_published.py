"""The published values that come with the suites: each stands once, says where it is from, and
has a metric that we compute.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest

from bench.config.layers import Layers, find_suites, read, resolve
from bench.results.records import Published

SUITES = [name for name in find_suites() if resolve(Layers(*read(name), "demo", {})).published]
MIMIC = {"vitals+notes", "vitals+notes+cxr", "all"}


def published(name: str) -> tuple[Published, ...]:
    return resolve(Layers(*read(name), "demo", {})).published


def of_table(number: int) -> dict[tuple[str, str, str], float]:
    """(modality set, method, metric) -> value for death in hospital, of a table of TRACE on
    MIMIC-IV.
    """
    entries = [entry for entry in published("mimic48") if entry.source.startswith(f"TRACE, Table {number},")]
    return {(e.modalities, e.method, e.metric): e.value for e in entries if e.task == "ihm48"}


def test_there_are_some():
    assert {"mimic48", "mosi", "mosei", "csdi_healthcare"} <= set(SUITES)


@pytest.mark.parametrize("name", SUITES)
def test_every_value_stands_once_with_its_source(name):
    entries = published(name)
    assert all(entry.source and math.isfinite(entry.value) for entry in entries)
    places = Counter((e.task, e.modalities, e.scenario, e.method, e.metric) for e in entries)
    assert {place for place, count in places.items() if count > 1} == set()


@pytest.mark.parametrize("name", SUITES)
def test_every_value_is_for_a_modality_set_of_its_suite(name):
    suite = resolve(Layers(*read(name), "paper", {}))
    assert {entry.modalities for entry in suite.published} <= {"", *suite.modalities}


def test_table_5_of_trace_has_two_numbers_of_steps_and_its_own_row_of_fusemoe():
    table = of_table(5)
    assert table["vitals+notes", "TRACE, 10 steps", "auroc"] == 0.8305
    assert table["vitals+notes", "TRACE, 50 steps", "f1"] == 0.4775
    assert table["vitals+notes", "FuseMoE (Table 5)", "auroc"] == 0.8243
    assert len(table) == 3 * 2
    assert table["vitals+notes", "FuseMoE (Table 5)", "f1"] == of_table(2)["vitals+notes", "FuseMoE", "f1"]


def test_table_7_of_trace_has_five_numbers_of_draws_on_three_modality_sets():
    table = of_table(7)
    draws = ["TRACE, 1 draw", *(f"TRACE, {n} draws" for n in (5, 10, 20, 30))]
    assert table.keys() == {(m, method, metric) for m in MIMIC for method in draws for metric in ("auroc", "f1")}
    assert table["vitals+notes", "TRACE, 1 draw", "auroc"] == 0.8009
    assert table["vitals+notes+cxr", "TRACE, 20 draws", "f1"] == 0.4922
    assert table["all", "TRACE, 30 draws", "f1"] == 0.4172


def test_the_tables_of_trace_that_compare_methods_have_them_all():
    assert {method for _, method, _ in of_table(2)} == {
        "MISTS", "MulT", "MAG", "TFN", "HAIM", "MAESTRO", "FuseMoE", "TRACE",
    }  # fmt: skip
    assert {method for _, method, _ in of_table(3)} == {"HAIM", "FuseMoE", "TRACE"}
    assert {method for _, method, _ in of_table(4)} == {"SSSD", "CSDI"}, "its rows of TRACE are those of tables 2 and 3"
