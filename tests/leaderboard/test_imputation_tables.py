"""Imputers in a leaderboard: ties, coverage, curves over the rate, costs, and whether better
imputation predicts better.
"""

from __future__ import annotations

import itertools
import json

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from bench.leaderboard import render
from bench.leaderboard.sections.agreement import spearman
from bench.leaderboard.sections.curves import rate_of
from bench.metrics.imputation import Errors
from bench.results.coordinates import Method, imputation_of
from bench.results.records import Comparison, Export, Statistics
from bench.statistics.imputation import compare
from support.fake_exports import alter, make_export, simulated_export

MCAR = "mcar(rate=0.1)"


def imputed(export: Export, sizes: dict[str, float], draws: int = 1) -> Export:
    """The export with that MAE for each imputer in every cell that hides, and errors compared as
    a report does.
    """
    cells: dict[Method, dict[int, Errors]] = {}
    for record in export.records:
        at = record.coordinates
        if at.scenario == "natural":
            continue
        mae = sizes[at.imputer]
        scores = {"mae": mae, "rmse": 2 * mae, "crps": 3 * mae, "hidden": 400.0}
        scores |= {"coverage50": 0.41, "coverage90": 0.73} if draws > 1 else {}
        alter(record, imputation={"all": dict(scores), "vitals": dict(scores)})
        record.costs.update(
            {
                "draws": float(draws),
                "imputer_parameters": 77.0,
                "impute_fit_seconds": 4.0,
                "impute_seconds_per_draw": 0.002,
                "impute_peak_memory_bytes": 2.0**30,
            }
        )
        n = 100
        sums = np.full((n, 1, 7), 4.0)
        sums[:, 0, 1] = 4 * mae + np.random.default_rng(at.seed).normal(scale=0.01, size=n)
        names = np.array([f"r{k:03d}" for k in range(n)])
        method = imputation_of(at)
        cells.setdefault(method, {})[at.seed] = Errors(names, names, np.array(["vitals"]), sums)
    statistics = export.statistics or Statistics(resamples=200, alpha=0.05, seed=0)
    return msgspec.structs.replace(
        export, statistics=msgspec.structs.replace(statistics, imputation=compare(cells, 200, 0.05, 0))
    )


def board(export: Export) -> dict:
    return json.loads(render(export)["json"])


def section(export: Export, title: str) -> str:
    return render(export)["md"].decode().split(f"## {title}")[1].split("\n## ")[0]


def cells_of(text: str, start: str) -> list[str]:
    return [
        cell.strip() for cell in next(x for x in text.splitlines() if x.startswith(f"| {start}")).strip("|").split("|")
    ]


def test_imputers_that_cannot_be_told_apart_tie_and_the_others_say_how_far_behind_they_are() -> None:
    export = imputed(
        make_export(["mean", "locf", "csdi"], ["gbm"], scenarios=(MCAR,)), {"mean": 0.7, "locf": 0.4, "csdi": 0.4}
    )
    rows = {row["imputer"]: row for row in board(export)["imputation"][0]["rows"]}
    assert {name: row["tie_group"] for name, row in rows.items()} == {"csdi": 1, "locf": 1, "mean": 2}
    assert rows["csdi"]["to_best"] is None
    assert rows["mean"]["to_best"] == pytest.approx({"mean": 0.3, "low": 0.3, "high": 0.3}, abs=1e-9)
    low, high = rows["mean"]["interval"]
    assert low < 0.7 < high
    assert "+0.3000 (+0.3000 to +0.3000)" in section(export, "Imputation")


def test_comparisons_of_other_cells_are_not_shown() -> None:
    export = imputed(make_export(["mean", "locf"], ["gbm"], scenarios=(MCAR,)), {"mean": 0.7, "locf": 0.4})
    for table in export.statistics.imputation.tables:
        export.statistics.imputation.tables = [msgspec.structs.replace(table, seeds=(1, 2))]
    assert "which of them tie is not known" in section(export, "Imputation")
    assert board(export)["imputation"][0]["rows"][0]["tie_group"] is None


def test_crps_of_a_single_draw_is_called_point_and_has_no_coverage() -> None:
    export = imputed(make_export(["mean"], ["gbm"], scenarios=(MCAR,)), {"mean": 0.7})
    text = section(export, "Imputation")
    assert "**2.1000 ± 0.0000** *point*" in text
    assert "coverage 50" not in text


def test_several_draws_have_coverage_and_the_page_says_what_to_expect_of_so_few() -> None:
    export = imputed(make_export(["mean"], ["gbm"], scenarios=(MCAR,)), {"mean": 0.7}, draws=10)
    text = section(export, "Imputation")
    assert "*point*" not in text.split("###")[1]
    assert "41.0 %" in text
    assert "Coverage to expect of exact draws: 41 % and 74 % with 10 draws" in text
    assert "coverage90" in board(export)["imputation"][0]["metrics"]


def test_scenarios_that_differ_in_their_rate_stand_side_by_side() -> None:
    scenarios = ("mcar(rate=0.5)", "mcar(rate=0.1)", "block(rate=0.3)", "natural")
    export = imputed(make_export(["mean", "locf"], ["gbm"], scenarios=scenarios), {"mean": 0.7, "locf": 0.4})
    [curve] = board(export)["curves"]
    assert (curve["scenario"], curve["rates"]) == ("mcar", [0.1, 0.5])
    assert [row["imputer"] for row in curve["rows"]] == ["locf", "mean"]
    assert all(low <= 0.4 <= high for low, high in curve["rows"][0]["intervals"]["mae"])
    table = section(export, "Imputation").split("mcar: over the rate")[1]
    assert cells_of(table, "MAE") == ["MAE", "rate 0.1", "rate 0.5"]
    assert cells_of(table, "locf") == ["locf", "**0.4000 ± 0.0000**", "**0.4000 ± 0.0000**"]


@pytest.mark.parametrize(
    ("label", "parted"),
    [
        ("mcar(rate=0.1)", ("mcar", 0.1)),
        ("within(channels=a+b, rate=0.25)", ("within(channels=a+b)", 0.25)),
        ("mcar", ("mcar", None)),
        ("their(note=rate=1)", ("their(note=rate=1)", None)),
        ("mcar(rate=1e-05)", ("mcar", 1e-05)),
    ],
)
def test_a_scenario_without_its_rate(label: str, parted: tuple[str, float | None]) -> None:
    assert rate_of(label) == parted


def test_what_imputers_took_stands_with_the_costs_and_what_repeats_in_every_file() -> None:
    export = imputed(make_export(["mean"], ["gbm", "gru"], scenarios=(MCAR,)), {"mean": 0.7}, draws=10)
    costs = render(export)["md"].decode().split("### Imputers")[1]
    assert cells_of(costs, "all")[3:] == ["77", "10", "4.00", "–", "2.000", "1,024", "a CPU", "3"]
    bare = render(export, wall_costs=False)
    assert "### Imputers" not in bare["md"].decode()
    header = bare["csv"].decode().splitlines()[0]
    assert "cost imputer_parameters" in header
    assert "cost impute_peak_memory_bytes" not in header
    assert json.loads(bare["json"])["imputer_costs"] is None


def test_where_nothing_was_hidden_the_page_says_that_there_is_no_imputation_error() -> None:
    assert "so there is no imputation error" in section(make_export(), "Imputation")
    export = imputed(make_export(["mean"], ["gbm"], scenarios=("natural", MCAR)), {"mean": 0.7})
    assert "No imputation error where nothing was hidden: all · natural." in section(export, "Does better")


def agreeing(sizes: dict[str, float], noise: dict[str, float]) -> Export:
    """An export in which each imputer has that error, and predictions (compared as a report
    does) with that noise.
    """
    export = simulated_export(noise)
    moved = [
        msgspec.structs.replace(r, coordinates=msgspec.structs.replace(r.coordinates, scenario=MCAR))
        for r in export.records
    ]

    def there(value: object) -> object:
        return msgspec.convert(
            json.loads(msgspec.json.encode(value).replace(b'"natural"', f'"{MCAR}"'.encode())), type(value)
        )

    export = msgspec.structs.replace(
        export, records=moved, planned=[(r.coordinates, r.key) for r in moved], statistics=there(export.statistics)
    )
    return imputed(export, sizes)


def test_a_task_that_follows_the_imputation_has_correlation_1_and_no_contrary_pair() -> None:
    [found] = board(agreeing({"a": 0.2, "b": 0.4, "c": 0.6}, {"a": 0.1, "b": 1.0, "c": 3.0}))["agreements"]
    assert (found["fuser"], found["imputers"], found["rho"], found["contrary"]) == ("gbm", 3, 1.0, [])
    assert found["p"] == pytest.approx(2 / 6)
    assert found["exact"]


@pytest.mark.parametrize(
    ("share", "said"), [(1.0, "All hidden entries lie"), (0.25, "25.0 % of the hidden entries lie")]
)
def test_errors_of_values_that_no_fuser_reads_are_told_and_where_all_are_nothing_is_concluded_from_them(
    share: float, said: str
) -> None:
    export = agreeing({"a": 0.2, "b": 0.4, "c": 0.6}, {"a": 0.1, "b": 1.0, "c": 3.0})
    for record in export.records:
        alter(record, hidden={"expected": 0.3, "realised": 0.3, "standard_error": 0.01, "absent": share})
    assert said in section(export, "Imputation of hidden entries")
    assert len(board(export)["agreements"]) == (0 if share == 1 else 1)
    left_out = "Left out, since no fuser reads what was imputed for hidden entries: all · mcar(rate=0.1)."
    assert (left_out in section(export, "Does better")) == (share == 1)


def test_what_a_control_leaves_absent_says_nothing_of_what_imputers_filled() -> None:
    sizes = {"mask_only": 0.0, "saits": 0.2, "sssd": 0.4, "trace": 0.6}
    export = agreeing(sizes, {"mask_only": 3.0, "saits": 0.1, "sssd": 1.0, "trace": 3.0})
    for record in export.records:
        control = record.coordinates.imputer == "mask_only"
        alter(record, imputation={} if control else record.imputation)
        alter(record, hidden={"expected": 0.3, "realised": 0.3, "standard_error": 0.01, "absent": float(control)})
    assert [table["absent"] for table in board(export)["imputation"]] == [0.0]
    assert len(board(export)["agreements"]) == 1


def test_a_pair_for_which_it_does_not_hold_is_listed_with_its_intervals() -> None:
    export = agreeing({"a": 0.2, "b": 0.4, "c": 0.6}, {"a": 3.0, "b": 0.1, "c": 3.0})
    [found] = board(export)["agreements"]
    [pair] = [pair for pair in found["contrary"] if (pair["first"], pair["second"]) == ("a", "b")]
    assert pair["apart"]
    assert pair["mae"]["high"] < 0
    assert pair["score"]["high"] < 0
    text = section(export, "Does better")
    assert "gbm: a imputes better than b (MAE -0.2000" in text
    assert "the interval excludes 0" in text


def test_a_pair_that_cannot_be_told_apart_in_its_imputation_is_not_held_against_it() -> None:
    [found] = board(agreeing({"a": 0.4, "b": 0.4, "c": 0.6}, {"a": 3.0, "b": 0.1, "c": 4.0}))["agreements"]
    assert found["contrary"] == []


def test_without_stored_comparisons_pairs_are_not_judged() -> None:
    export = make_export(["mean", "locf", "csdi"], ["gbm"], scenarios=(MCAR,))
    [found] = board(export)["agreements"]
    assert found["contrary"] is None
    assert "not compared" in section(export, "Does better")


def test_fewer_than_three_imputers_have_no_correlation() -> None:
    export = imputed(make_export(["mean", "locf"], ["gbm"], scenarios=(MCAR,)), {"mean": 0.7, "locf": 0.4})
    [found] = board(export)["agreements"]
    assert (found["rho"], found["p"]) == (None, None)
    assert "fewer than 3 imputers" in section(export, "Does better")


values = st.lists(st.integers(-3, 3), min_size=3, max_size=5)


@given(values, st.data())
@settings(max_examples=25, deadline=None)
def test_spearman_is_that_of_scipy_with_the_p_value_of_all_permutations(one: list[int], data: st.DataObject) -> None:
    two = data.draw(st.lists(st.integers(-3, 3), min_size=len(one), max_size=len(one)))
    rho, p, exact = spearman(one, two)
    if len(set(one)) == 1 or len(set(two)) == 1:
        assert (rho, p) == (None, None)
        return
    assert rho == pytest.approx(spearmanr(one, two).statistic)
    every = [abs(spearmanr(one, order).statistic) >= abs(rho) - 1e-9 for order in itertools.permutations(two)]
    assert exact
    assert p == pytest.approx(np.mean(every))


def test_with_many_imputers_permutations_are_drawn_and_the_p_value_is_never_0() -> None:
    rho, p, exact = spearman(range(20), range(20))
    assert (rho, exact) == (pytest.approx(1.0), False)
    assert p == pytest.approx(1 / 20_001)


def test_comparisons_may_be_stored_either_way_round() -> None:
    export = agreeing({"a": 0.2, "b": 0.4, "c": 0.6}, {"a": 3.0, "b": 0.1, "c": 3.0})

    def turned(c: Comparison) -> Comparison:
        return msgspec.structs.replace(c, a=c.b, b=c.a, difference=-c.difference, low=-c.high, high=-c.low)

    statistics = export.statistics
    other = msgspec.structs.replace(
        statistics,
        comparisons=[turned(c) for c in statistics.comparisons],
        imputation=msgspec.structs.replace(
            statistics.imputation, comparisons=[turned(c) for c in statistics.imputation.comparisons]
        ),
    )
    assert board(msgspec.structs.replace(export, statistics=other)) == board(export)
