"""What the grid tells: imputer or fuser, the worth of a modality, patterns, calibration, cost
beside score.
"""

from __future__ import annotations

import csv
import io
import itertools
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import t as student

from bench.leaderboard import Board, render
from bench.leaderboard.sections import attribution, calibration, costs, marginal, patterns
from bench.leaderboard.sections.attribution import Attribution
from bench.leaderboard.words import LONGEST_REASON, short
from bench.results.coordinates import Coordinates, Method
from bench.results.predictions import Predictions
from bench.results.records import Bin, Calibration, Comparison, Export, Pattern, Record, Statistics
from bench.statistics.paired import compute
from bench.statistics.two_way import _noise, complete_block, decompose
from support.fake_exports import IHM, SEEDS, alter, key_of, make_export, make_record, simulated_export

EFFECT = {"mean": -0.02, "locf": 0.0, "csdi": 0.02}
WORTH = {"linear": -0.03, "gru": 0.03}


def markdown(export: Export) -> str:
    return render(export)["md"].decode()


def attributed(export: Export) -> Attribution:
    (only,) = Board(export)[attribution.SECTION]
    return only


def additive(imputer: str, fuser: str, seed: int) -> float:
    return 0.8 + EFFECT[imputer] + WORTH[fuser]


def grid(quality=additive, **changes) -> Export:
    return make_export(EFFECT, WORTH, quality=quality, control_imputers=[], control_fusers=[], **changes)


def test_the_effects_of_an_additive_grid_are_found_exactly_and_nothing_is_left_for_the_interaction() -> None:
    (block,) = attributed(grid()).blocks
    assert {level.name: level.effect for level in block.imputers} == EFFECT
    assert {level.name: level.effect for level in block.fusers} == WORTH
    assert not np.any(block.interaction)
    squares = 2 * (0.02**2 + 0.02**2), 3 * 2 * 0.03**2
    assert block.shares["imputer"].value == pytest.approx(squares[0] / sum(squares), abs=1e-4)
    assert block.shares["fuser"].value == pytest.approx(squares[1] / sum(squares), abs=1e-4)
    assert block.shares["interaction"].value == 0


def test_an_imputer_that_helps_one_fuser_and_harms_the_other_is_interaction_alone() -> None:
    crossed = {("a", "x"): 0.01, ("a", "y"): -0.01, ("b", "x"): -0.01, ("b", "y"): 0.01}
    export = make_export(
        "ab", "xy", quality=lambda i, f, s: 0.8 + crossed[i, f], control_imputers=[], control_fusers=[]
    )
    (block,) = attributed(export).blocks
    assert block.shares["interaction"].value == 1
    assert block.interaction == [[0.01, -0.01], [-0.01, 0.01]]
    assert "Pairs that do more or less together" in markdown(export)


@given(st.lists(st.lists(st.floats(-1, 1), min_size=3, max_size=3), min_size=2, max_size=5))
def test_the_parts_add_up_to_the_scores_and_their_squares_to_the_squares(values: list[list[float]]) -> None:
    scores = np.array(values)
    parts = decompose(scores)
    np.testing.assert_allclose(scores.mean() + sum(parts), scores, atol=1e-12)
    squares = sum((np.broadcast_to(part, scores.shape) ** 2).sum() for part in parts)
    np.testing.assert_allclose(squares, ((scores - scores.mean()) ** 2).sum(), atol=1e-9)


def test_a_hole_is_never_averaged_over_and_what_is_not_in_the_block_is_named() -> None:
    export = grid()
    index = next(
        k for k, r in enumerate(export.records) if (r.coordinates.imputer, r.coordinates.fuser) == ("csdi", "gru")
    )
    export.records[index] = msgspec.structs.replace(export.records[index], status="failed", scores={})
    (block,) = attributed(export).blocks
    assert [level.name for level in block.imputers] == ["locf", "mean"]
    assert {level.name: level.effect for level in block.imputers} == {"locf": 0.01, "mean": -0.01}
    assert block.left_out == ["csdi + gru", "csdi + linear"]
    assert "not every combination was scored; left out: csdi + gru, csdi + linear." in markdown(export)


def test_where_no_two_by_two_block_is_complete_the_page_says_so() -> None:
    export = make_export("ab", "xy", control_imputers=[], control_fusers=[])
    export.records = [
        r for r in export.records if (r.coordinates.imputer, r.coordinates.fuser) not in {("a", "x"), ("b", "y")}
    ]
    assert attributed(export).blocks == []
    assert "their effects cannot be separated" in markdown(export)


def test_one_imputer_or_one_fuser_leaves_nothing_to_attribute() -> None:
    assert Board(make_export(["mean"], ["gru", "gbm"]))[attribution.SECTION] == []
    assert "Imputer or fuser?" not in markdown(make_export(["mean", "locf"], ["gru"]))


@settings(max_examples=60)
@given(st.sets(st.tuples(st.sampled_from("abcd"), st.sampled_from("wxyz")), min_size=1))
def test_the_complete_block_is_the_largest_of_all_that_hold_both_factors(pairs: set[tuple[str, str]]) -> None:
    def subsets(names: str):
        return [c for k in range(1, 5) for c in itertools.combinations(names, k)]

    whole = [(i, f) for i in subsets("abcd") for f in subsets("wxyz") if {*itertools.product(i, f)} <= pairs]
    imputers, fusers = complete_block(pairs)
    assert {*itertools.product(imputers, fusers)} <= pairs
    best = max((min(len(i), len(f)) > 1, len(i) * len(f)) for i, f in whole)
    assert (min(len(imputers), len(fusers)) > 1, len(imputers) * len(fusers)) == best


def test_controls_stand_in_one_block_and_are_left_out_of_the_other() -> None:
    values = {"mask_only": 0.5, "locf": 0.8, "csdi": 0.82}
    export = make_export(
        values, ["gru", "moe"], quality=lambda i, f, s: values[i] + 0.01 * (f == "moe"), control_imputers=["mask_only"]
    )
    every, own = attributed(export).blocks
    assert [level.name for level in every.imputers if level.control] == ["mask_only"]
    assert [level.name for level in own.imputers] == ["csdi", "locf"]
    assert every.shares["imputer"].value > 0.99
    assert own.shares["imputer"].value == pytest.approx(0.8, abs=0.01)


def test_one_seed_and_no_comparisons_give_effects_without_intervals() -> None:
    (block,) = attributed(grid(seeds=[1])).blocks
    assert block.noise == ""
    assert block.imputers[0].low is None
    assert block.shares["imputer"].low is None
    assert block.interaction_low == []


def test_without_comparisons_the_interval_is_students_over_seeds() -> None:
    shift = {42: -0.01, 52: 0.0, 72: 0.01}
    export = make_export(
        "ab",
        "xy",
        quality=lambda i, f, s: 0.8 + (shift[s] if i == "a" else 0.0),
        control_imputers=[],
        control_fusers=[],
    )
    (block,) = attributed(export).blocks
    half = student.ppf(0.975, 2) * 0.005 / np.sqrt(3)
    a = block.imputers[0]
    assert (a.effect, block.noise) == (0.0, "seeds")
    assert (a.low, a.high) == (pytest.approx(-half, abs=1e-6), pytest.approx(half, abs=1e-6))


def test_with_comparisons_an_effect_has_the_variance_that_the_bootstrap_gives_that_very_contrast() -> None:
    """From pairwise standard errors alone: the variance of a mean of methods minus another,
    known here from its draws.
    """
    rng = np.random.default_rng(0)
    names = [*itertools.product(("a", "b"), ("x", "y"))]
    drawn = rng.multivariate_normal(np.zeros(4), [[4, 1, 0, 0], [1, 3, 1, 0], [0, 1, 2, 1], [0, 0, 1, 5]], 4000) * 0.003
    methods = [Method("ihm", "all", "natural", *name) for name in names]
    export = make_export("ab", "xy", quality=lambda i, f, s: 0.8, control_imputers=[], control_fusers=[])
    comparisons = [
        Comparison(
            methods[j], methods[k], "auroc", 0.0, -1.0, 1.0, float((drawn[:, j] - drawn[:, k]).std(ddof=1)), 1.0, 1.0
        )
        for j, k in itertools.combinations(range(4), 2)
    ]
    stored = simulated_export({"a": 0.5, "b": 0.6})
    assert stored.statistics is not None
    statistics = msgspec.structs.replace(
        stored.statistics,
        comparisons=comparisons,
        intervals=[msgspec.structs.replace(stored.statistics.intervals[0], method=m) for m in methods],
    )
    (block,) = attributed(msgspec.structs.replace(export, statistics=statistics)).blocks
    contrast = (drawn[:, 0] + drawn[:, 1]) / 2 - drawn.mean(axis=1)
    high = block.imputers[0].high
    assert high == pytest.approx(1.959964 * contrast.std(ddof=1), rel=1e-3)
    assert block.noise == "patients and seeds"
    assert block.shares == {}


@pytest.mark.parametrize(("seeds", "about"), [(1, "patients"), (3, "patients and seeds")])
def test_the_noise_is_of_seeds_too_only_where_several_were_run(seeds: int, about: str) -> None:
    methods = [Method("ihm", "all", "natural", imputer, fuser) for imputer in "ab" for fuser in "cd"]
    comparisons = [
        Comparison(a, b, "auroc", 0.0, -1.0, 1.0, 0.1, 1.0, 1.0) for a, b in itertools.combinations(methods, 2)
    ]
    assert _noise(np.zeros((seeds, 2, 2)), methods, comparisons)[1] == about


@pytest.mark.parametrize("length", [20, 160, 161, 1000])
def test_of_a_long_reason_the_end_stays(length: int) -> None:
    reason = ("word " * length)[: length - 9] + "type this"
    shown = short(reason)
    assert shown.endswith("type this")
    assert len(shown) <= LONGEST_REASON
    assert (shown == reason) is (length <= LONGEST_REASON)


def noisy(effects: float, seed: int) -> Export:
    """Six imputers x four fusers with stored comparisons, their predictions noisy, the effects
    of imputers so large.
    """
    rng = np.random.default_rng(seed)
    n = 300
    truth = (rng.random(n) < 0.3).astype(np.float32)
    ids = np.array([f"r{k:04d}" for k in range(n)])
    cells, records = {}, []
    for i, f in itertools.product(range(6), range(4)):
        method = Method("ihm", "all", "natural", f"i{i}", f"f{f}")
        for s in SEEDS:
            score = truth * (0.8 + effects * i) + rng.normal(size=n)
            outputs = (1 / (1 + np.exp(-score))).astype(np.float32)[:, None]
            cells.setdefault(method, {})[s] = Predictions(ids, ids, truth, outputs)
            from sklearn.metrics import roc_auc_score

            at = Coordinates("demo", **msgspec.structs.asdict(method), seed=s)
            records.append(make_record(at, float(roc_auc_score(truth, outputs[:, 0]))))
    return make_export(
        planned=[(r.coordinates, r.key) for r in records],
        records=records,
        statistics=compute(cells, [IHM], resamples=300),
        control_imputers=[],
        control_fusers=[],
    )


def test_noise_alone_has_no_shares_and_a_real_effect_of_the_imputer_gets_nearly_all() -> None:
    (block,) = attributed(noisy(0.0, 1)).blocks
    assert block.shares == {}
    (block,) = attributed(noisy(0.3, 1)).blocks
    imputer, fuser = block.shares["imputer"], block.shares["fuser"]
    assert imputer.value > 0.9
    assert imputer.low is not None
    assert imputer.low > 0.7
    assert imputer.p is not None
    assert imputer.p < 0.01
    assert fuser.p is not None
    assert fuser.p > 0.05
    assert sum(share.value for share in block.shares.values()) == pytest.approx(1, abs=1e-3)


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=12))
def test_a_point_is_on_the_front_unless_another_is_as_small_on_both_axes_and_smaller_on_one(points) -> None:
    def beaten(p):
        return any(q[0] <= p[0] and q[1] <= p[1] and q != p for q in points)

    assert costs.front(points) == [not beaten(p) for p in points]


def costed(values: dict[str, tuple[float, float, float]], **more) -> Export:
    """fuser -> (score, parameters, seconds per record), one imputer that has two draws of a
    second and 100 parameters.
    """
    export = make_export(["csdi"], values, quality=lambda i, f, s: values[f][0], audit_cells=False)
    for record in export.records:
        _, parameters, seconds = values[record.coordinates.fuser]
        alter(record, costs={"parameters": parameters, "seconds_per_sample": seconds, **more})
    return export


IMPUTER = {"imputer_parameters": 100.0, "impute_seconds_per_draw": 1.0, "draws": 2.0}


def test_a_method_costs_what_its_imputer_and_its_fuser_cost_together() -> None:
    board = Board(costed({"gru": (0.8, 50, 0.5), "moe": (0.9, 500, 3.0)}, **IMPUTER))
    assert {c.fuser: c.whole for c in board[costs.SECTION] or []} == {
        "gru": {"parameters": 150, "seconds_per_sample": 2.5},
        "moe": {"parameters": 600, "seconds_per_sample": 5.0},
    }


def test_the_best_and_the_cheapest_are_on_the_front_and_what_is_beaten_in_both_is_not() -> None:
    export = costed({"best": (0.9, 500, 3.0), "cheap": (0.7, 50, 0.5), "beaten": (0.6, 600, 4.0)}, **IMPUTER)
    assert {c.fuser: c.front for c in Board(export)[costs.SECTION] or []} == {
        "best": ["parameters", "seconds_per_sample"],
        "cheap": ["parameters", "seconds_per_sample"],
        "beaten": [],
    }
    assert markdown(export).count("size, speed") == 2


def test_where_lower_is_better_the_front_runs_the_other_way() -> None:
    values = {"best": (0.1, 500, 3.0), "beaten": (0.9, 600, 4.0)}
    loss = msgspec.structs.replace(IHM, metrics=("brier",))
    export = make_export(["csdi"], values, quality=lambda i, f, s: values[f][0], tasks=[loss], audit_cells=False)
    for record in export.records:
        _, parameters, seconds = values[record.coordinates.fuser]
        alter(record, costs={"parameters": parameters, "seconds_per_sample": seconds, **IMPUTER})
    assert {c.fuser: bool(c.front) for c in Board(export)[costs.SECTION] or []} == {"best": True, "beaten": False}


def test_parameters_that_nobody_counted_and_rows_with_holes_have_no_place_on_a_front() -> None:
    export = costed({"trees": (0.9, 0.0, 0.1), "gru": (0.8, 50, 0.5)}, **IMPUTER)
    trees = next(c for c in Board(export)[costs.SECTION] or [] if c.fuser == "trees")
    assert trees.front == ["seconds_per_sample"]
    del export.records[-1]
    gru = next(c for c in Board(export)[costs.SECTION] or [] if c.fuser == "gru")
    assert (gru.score, gru.front) == (None, [])


def test_a_table_whose_records_do_not_know_their_imputers_cost_counts_fusers_alone_and_says_so() -> None:
    export = costed({"gru": (0.8, 50, 0.5), "moe": (0.9, 500, 3.0)})
    assert all(c.fuser_only for c in Board(export)[costs.SECTION] or [])
    assert "ms per record (fuser alone)" in markdown(export)


def on_sets(scores: dict[str, float], sets: dict[str, list[str]], statistics: Statistics | None = None) -> Export:
    """One method, with that score on each modality set."""
    records = []
    for name, fuser, seed in itertools.product(scores, ("gru", "gbm"), SEEDS):
        at = Coordinates("demo", "ihm", name, "natural", "mean", fuser, seed)
        records.append(make_record(at, scores[name] + 0.1 * (fuser == "gbm" and name == "both")))
    return make_export(
        planned=[(r.coordinates, key_of(r.coordinates)) for r in records],
        records=records,
        modality_sets=sets,
        statistics=statistics,
    )


def test_what_a_modality_is_worth_is_the_score_with_it_minus_the_score_without() -> None:
    sets = {"both": ["labs", "notes"], "labs": ["labs"], "notes": ["notes"]}
    found = Board(on_sets({"both": 0.8, "labs": 0.75, "notes": 0.82}, sets))[marginal.SECTION]
    assert [(m.modality, m.without, m.with_it) for m in found] == [("labs", "notes", "both"), ("notes", "labs", "both")]
    labs, notes = found
    assert (labs.mean, labs.least, labs.most) == (pytest.approx(0.03), pytest.approx(-0.02), pytest.approx(0.08))
    assert (labs.better, labs.worse, labs.surely_better) == (1, 1, None)
    assert (notes.better, notes.worse) == (2, 0)


def test_stored_gains_give_the_intervals_whichever_way_round_they_were_compared() -> None:
    sets = {"labs": ["labs"], "both": ["labs", "notes"]}
    a, b = (Method("ihm", name, "natural", "mean", "gru") for name in ("labs", "both"))
    compared = Comparison(a, b, "auroc", -0.05, -0.08, -0.02, 0.01, 0.01, 0.01)
    export = on_sets({"labs": 0.75, "both": 0.8}, sets, Statistics(resamples=1, alpha=0.05, seed=0, gains=[compared]))
    (found,) = Board(export)[marginal.SECTION]
    assert (found.surely_better, found.surely_worse) == (1, 0)
    assert next((r.low, r.high) for r in found.rows if r.fuser == "gru") == (0.02, 0.08)


def test_sets_that_differ_in_two_modalities_say_nothing_of_either() -> None:
    sets = {"one": ["labs"], "three": ["labs", "notes", "cxr"]}
    assert Board(on_sets({"one": 0.7, "three": 0.8}, sets))[marginal.SECTION] == []


def test_an_export_without_modality_sets_is_understood_by_their_names() -> None:
    export = make_export()
    assert marginal.members(export, "vitals+notes") == {"vitals", "notes"}
    assert marginal.members(msgspec.structs.replace(export, modality_sets={"all": ["a", "b"]}), "all") == {"a", "b"}


def patterned(scores: dict[str, list[tuple[int, float | None]]]) -> Export:
    """fuser -> (records, score) of the patterns "labs" and "labs+notes", the same in all seeds."""
    export = make_export(["mean"], scores, audit_cells=False)
    for r in export.records:
        found = zip(("labs", "labs+notes"), scores[r.coordinates.fuser], strict=True)
        alter(r, patterns=[Pattern(name, size, score) for name, (size, score) in found])
    return export


def test_a_pattern_has_a_column_and_a_method_its_worst_of_those_that_are_large_enough() -> None:
    export = patterned({"gru": [(100, 0.7), (80, 0.9)], "gbm": [(100, 0.8), (80, 0.6)]})
    (table,) = Board(export)[patterns.SECTION]
    assert dict(zip(table.names, table.records, strict=True)) == {"labs": 100, "labs+notes": 80}
    assert {row.fuser: row.worst for row in table.rows} == {"gru": 0, "gbm": 1}
    assert "*0.7000 ± 0.0000*" in markdown(export)
    assert "Worst: labs for 1 method, labs+notes for 1 method." in markdown(export)


def test_a_pattern_of_few_records_is_shown_but_called_nobodys_worst() -> None:
    (table,) = Board(patterned({"gru": [(100, 0.7), (patterns.ENOUGH - 1, 0.1)]}))[patterns.SECTION]
    assert table.rows[0].worst is None
    assert table.rows[0].scores[1] is not None


def test_a_pattern_that_one_seed_could_not_score_has_no_mean() -> None:
    export = patterned({"gru": [(100, 0.7), (80, 0.9)]})
    alter(export.records[1], patterns=[Pattern("labs", 100, 0.7), Pattern("labs+notes", 80, None)])
    (table,) = Board(export)[patterns.SECTION]
    assert [score is None for score in table.rows[0].scores] == [False, True]


def test_records_from_before_patterns_and_calibration_were_kept_are_shown_as_a_dash() -> None:
    export = patterned({"gru": [(100, 0.7), (80, 0.9)], "old": [(1, 0.1), (1, 0.1)]})
    for r in export.records:
        alter(r, calibration=Calibration(0.1, 0.2))
        if r.coordinates.fuser == "old":
            alter(r, patterns=[], calibration=None)
    text = markdown(export).split("### By which modalities")[1]
    lines = [[cell.strip() for cell in x.split("|")[3:-1]] for x in text.splitlines() if "| old " in x]
    assert ["–", "–"] in lines
    assert lines[1] == ["–", "–"]
    assert "By which modalities" not in markdown(make_export())
    assert "### Calibration" not in markdown(make_export())


def test_a_record_without_the_later_fields_is_read_and_one_with_them_comes_back() -> None:
    record = make_record(Coordinates("s", "t", "m", "n", "i", "f", 1), 0.5)
    alter(record, patterns=[Pattern("labs", 10, None)], calibration=Calibration(0.1, 0.2, [Bin(10, 0.1, 0.2)]))
    encoded = msgspec.json.encode(record)
    assert msgspec.json.decode(encoded, type=Record) == record
    older = {k: v for k, v in json.loads(encoded).items() if k not in ("patterns", "calibration")}
    read = msgspec.convert(older, Record)
    assert (read.patterns, read.calibration) == ([], None)


def test_bins_of_the_same_place_are_taken_together_over_seeds() -> None:
    export = make_export(["mean"], ["gru"], audit_cells=False)
    for k, r in enumerate(export.records):
        alter(r, calibration=Calibration(0.1 * k, 0.2, [Bin(10 * (k + 1), 0.01 * (k + 1), 0.5), Bin(10, 0.9, 1.0)]))
    (table,) = Board(export)[calibration.SECTION]
    low, high = table.rows[0].bins
    assert (low.records, low.predicted) == (60, pytest.approx((10 * 0.01 + 20 * 0.02 + 30 * 0.03) / 60))
    assert (high.records, high.observed) == (30, 1.0)
    assert table.rows[0].ece is not None
    assert table.rows[0].ece.mean == pytest.approx(0.1)


def test_the_csv_has_columns_for_patterns_and_calibration_where_a_record_has_them() -> None:
    export = patterned({"gru": [(100, 0.7), (80, None)], "old": [(1, 0.1), (1, 0.1)]})
    for r in export.records:
        alter(r, calibration=Calibration(0.1, 0.2))
        if r.coordinates.fuser == "old":
            alter(r, patterns=[], calibration=None)
    new, *_, old = csv.DictReader(io.StringIO(render(export)["csv"].decode()))
    named = ("calibration ece", "pattern labs records", "pattern labs score", "pattern labs+notes score")
    assert [new[name] for name in named] == ["0.1", "100", "0.7", ""]
    assert [old[name] for name in named] == [""] * 4
    assert not any("pattern" in name for name in render(make_export())["csv"].decode().splitlines()[0].split(","))
