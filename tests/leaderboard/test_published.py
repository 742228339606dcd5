"""The published values that come with the suites: each stands once, says where it is from, and
has a metric that we compute.
"""

from __future__ import annotations

import math
from collections import Counter

import pytest

from bench.config.layers import Layers, find_suites, read, resolve
from bench.data.release import elsewhere
from bench.leaderboard import render
from bench.results.records import Published
from support.fake_exports import make_export

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
    federated = {"ptbxl", "sleepedf", "mimic48_federated"}
    assert {"mimic48", "mosi", "mosei", "csdi_healthcare"} | federated <= set(SUITES)


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


FOUR = {f"within(ps={ps},pw={pw})" for ps in (0.2, 0.8) for pw in (0.2, 0.8)}
"""The settings of CondI."""


def of_condi(name: str, number: int) -> dict[tuple[str, str, str, str], float]:
    """(scenario, task, method, metric) -> value of a table of CondI."""
    entries = [entry for entry in published(name) if entry.source == f"CondI, Table {number}"]
    return {(e.scenario, e.task, e.method, e.metric): e.value for e in entries}


@pytest.mark.parametrize(("suite", "metrics"), [("ptbxl", 1), ("sleepedf", 1), ("mimic48_federated", 4)])
def test_the_tables_of_condi_have_four_methods_at_four_settings(suite, metrics):
    table = of_condi(suite, 3 if suite == "mimic48_federated" else 2)
    assert {(scenario, method) for scenario, _, method, _ in table} == {
        (scenario, method) for scenario in FOUR for method in ("FedMM", "FedAvg", "PEPSY", "CondI")
    }
    assert len(table) == 4 * 4 * metrics


def test_every_accuracy_of_the_ablation_is_a_whole_number_of_628_records():
    table = of_condi("ptbxl", 4)
    assert len(table) == 4 * 4
    right = {key: round(628 * value) for key, value in table.items()}
    assert all(abs(count / 628 - table[key]) <= 5.01e-5 for key, count in right.items())
    assert (min(right.values()), max(right.values())) == (450, 457)


def test_a_macro_f1_of_a_constant_prediction_says_so():
    """One that always names the class of share p has a macro F1 of p / (1 + p)."""
    entries = [entry for entry in published("mimic48_federated") if entry.metric == "f1"]
    for share, value, count in ((0.858, 0.4618, 5), (0.527, 0.345, 1)):
        assert share / (1 + share) == pytest.approx(value, abs=2e-4)
        constant = [entry for entry in entries if entry.value == value]
        assert len(constant) == count
        assert all(f"{100 * share:.1f} %" in " ".join(entry.notes) for entry in constant)


@pytest.mark.parametrize(
    ("suite", "release"),
    [("ptbxl", "PTB-XL 1.0.3"), ("sleepedf", "Sleep-EDF Expanded 1.0.0, sc"), ("mimic48_federated", "MIMIC-IV 2.2")],
)
def test_values_of_condi_never_stand_beside_ours(suite, release):
    """They are of records, or of parts of the data, that no suite has."""
    ours = make_export(release=release)
    assert all(
        elsewhere(ours, entry) == f"measured on {entry.release}, ours on {release}" for entry in published(suite)
    )


def test_what_is_odd_about_a_value_stands_below_its_table_once_and_names_who_bears_it():
    entries = [
        Published("ihm", "X", "auroc", 0.81, source="A", release="R", notes=("One seed.",)),
        Published("ihm", "Y", "auroc", 0.62, source="A", release="R", notes=("One seed.", "A constant prediction.")),
    ]
    text = render(make_export(published=entries, release="R"))["md"].decode()
    assert text.count("**Of what was published:** One seed.") == 1
    assert text.count("**Of what was published:** Y AUROC 0.6200: A constant prediction.") == 1


def test_notes_of_a_file_of_published_values_are_of_all_its_entries_before_their_own():
    entries = published("ptbxl")
    common = min((entry.notes for entry in entries), key=len)
    assert common
    assert all(entry.notes[: len(common)] == common for entry in entries)
    (lowest,) = (entry for entry in entries if entry.value == 0.2208)
    assert lowest.notes[len(common) :] == ("22.08 is far below what the commonest class alone would score.",)
