"""The last runs as a baseline: their mean is compared and all of them tell of the noise. Only those
that are the same test count.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from bench.gate import GateReport, Judgement, gate
from bench.results.records import Export
from bench.statistics.student import critical
from support.fake_exports import SEEDS, alter
from support.made_runs import made_run, noisy

STEP = 0.004


def judged(report: GateReport, imputer: str = "locf", fuser: str = "gru") -> Judgement:
    return next(j for j in report.judgements if j.metric == "auroc" and j.method.pair == (imputer, fuser))


def runs(count: int, seed: int = 0, by: float = 0.0) -> list[Export]:
    """Runs with noise of their own, the last of which is shifted for one method."""
    value = noisy({("locf", "gru"): (count - 1, by)}, seed=seed)
    return [made_run(number, value) for number in range(count)]


def against_the_last(exports: list[Export], **settings: float) -> GateReport:
    *earlier, baseline, new = exports
    return gate(baseline, new, earlier=earlier, **settings)


def test_the_baseline_is_the_mean_of_the_runs_seed_by_seed() -> None:
    value = noisy()
    exports = [made_run(number, value) for number in range(6)]
    judgement = judged(against_the_last(exports))
    mean = np.mean([[value(run, "locf", "gru", seed) for seed in SEEDS] for run in range(5)])
    assert judgement.baseline == pytest.approx(mean)
    assert judgement.freedom == 3 * 6 - 1 - 3
    assert "the baseline is the mean of 5 runs" in judgement.reason


def test_a_change_that_one_run_cannot_show_is_shown_by_several() -> None:
    exports = runs(6, by=-STEP)
    assert judged(gate(exports[-2], exports[-1])).verdict != "worse"
    assert judged(against_the_last(exports)).verdict == "worse"
    assert judged(against_the_last(runs(6, by=STEP))).verdict == "improved"


def test_the_noise_floor_of_five_runs_is_as_much_smaller_as_the_page_says() -> None:
    one, five = critical(0.05, 2) * math.sqrt(2 / 3), critical(0.05, 14) * math.sqrt((1 + 1 / 5) / 3)
    assert five / one == pytest.approx(0.4, abs=0.02)


def test_an_unchanged_method_is_called_otherwise_in_at_most_alpha() -> None:
    alarms = sum(
        each.verdict in ("worse", "improved")
        for seed in range(60)
        for each in against_the_last(runs(4, seed), alpha=0.05).judgements
        if each.metric == "auroc"
    )
    assert alarms <= stats.binom.ppf(0.999, 60 * 4, 0.05)


def test_a_run_that_repeats_the_values_of_another_counts_once() -> None:
    exports = runs(5)
    once, thrice = (judged(against_the_last([exports[0]] * count + exports)) for count in (0, 2))
    assert (once.baseline, once.noise_floor, once.reason) == (thrice.baseline, thrice.noise_floor, thrice.reason)


def test_runs_of_the_same_cells_as_the_new_one_are_no_part_of_its_baseline() -> None:
    exports = runs(5)
    again, fresh = judged(against_the_last([*exports, exports[-1]])), judged(against_the_last(exports))
    assert (again.baseline, again.noise_floor) == (fresh.baseline, fresh.noise_floor)
    assert judged(against_the_last([exports[0]] * 4)).verdict == "same"


def test_a_run_on_another_test_does_not_count() -> None:
    exports = runs(5)
    for record in exports[0].records:
        alter(record, provenance={**record.provenance, "manifest": "d2" * 32})
    without, with_it = judged(against_the_last(exports[1:])), judged(against_the_last(exports))
    assert (without.baseline, without.noise_floor) == (with_it.baseline, with_it.noise_floor)


def test_the_report_names_the_runs() -> None:
    exports = runs(3)
    assert "The baseline is the last 2 runs: run0, run1." in against_the_last(exports).notes
    assert "The baseline is run run1." in against_the_last(exports[1:]).notes


def test_each_row_is_judged_against_those_runs_that_have_it() -> None:
    value = noisy()
    plain = [made_run(number, value) for number in range(5)]
    experiment = made_run(5, value, fusers=["gbm", "gru(hidden=3)"])
    *earlier, new = plain
    without = against_the_last(plain)
    report = gate(experiment, new, earlier=earlier, pinned=False)
    assert judged(report) == judged(without)
    assert "mean of 5 runs" in judged(report, fuser="gbm").reason
    assert {"not-comparable"} & {each.verdict for each in report.judgements} == set()
    back = gate(new, experiment, earlier=earlier, pinned=False)
    assert judged(back, fuser="gru(hidden=3)").reason == "the baseline does not plan it"
    assert judged(back).reason.startswith("the new run does not plan it")
