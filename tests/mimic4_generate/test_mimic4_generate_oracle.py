"""That the oracle is what it says: the conditional probability of each label, and a bound that
methods stay below.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("pyarrow")

import numpy as np
import pandas as pd
from scipy.special import expit, logit
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bench_datasets.mimic4.generate import state
from bench_datasets.mimic4.generate.codes import PHENOTYPES
from bench_datasets.mimic4.generate.notes import FINDINGS
from bench_datasets.mimic4.generate.variables import ROUNDS, VARIABLES
from bench_datasets.mimic4.generate.write import TASKS

Table = Callable[[str], pd.DataFrame]


@pytest.fixture(scope="module")
def together(table: Table) -> pd.DataFrame:
    return table("oracle/oracle").merge(table("oracle/labels"), on="stay_id", suffixes=("", "_drawn"))


def outcomes(z: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Death and days in ICU, drawn as the generator draws them."""
    rng = np.random.default_rng(seed)
    died = rng.random(len(z)) < state.death_probability(z)
    return died, np.exp(state.log_days(z, died) + state.DAYS_NOISE * rng.standard_normal(len(z)))


def test_the_outcome_oracle_is_the_share_of_simulated_stays_of_one_patient() -> None:
    z = np.random.default_rng(0).standard_normal(len(state.AXES))
    died, days = outcomes(np.tile(z, (400_000, 1)), 1)
    reached = days >= 2
    death, early = state.outcome_oracle(z[None])
    assert death[0] == pytest.approx(died[reached].mean(), abs=0.004)
    assert early[0] == pytest.approx((~died & (days < 4))[reached].mean(), abs=0.004)
    assert state.length_oracle(z[None])[0] == pytest.approx((days > 3)[reached].mean(), abs=0.004)


def test_the_visible_oracle_is_the_share_among_patients_who_differ_in_the_hidden_axes_only() -> None:
    rng = np.random.default_rng(2)
    z = np.tile(rng.standard_normal(len(state.AXES)), (400_000, 1))
    z[:, state.VISIBLE :] = rng.standard_normal((len(z), len(state.HIDDEN)))
    died, days = outcomes(z, 3)
    reached = days >= 2
    death, early = state.outcome_oracle_visible(z[:1])
    assert death[0] == pytest.approx(died[reached].mean(), abs=0.004)
    assert early[0] == pytest.approx((~died & (days < 4))[reached].mean(), abs=0.004)
    phenotypes = state.phenotype_probability(z).mean(axis=0)
    np.testing.assert_allclose(state.phenotype_oracle_visible(z[:1])[0], phenotypes, atol=0.004)


def test_the_intercept_gives_the_prevalence_it_is_asked_for() -> None:
    assert state.intercept(0.2, np.zeros(len(state.AXES))) == pytest.approx(logit(0.2), abs=1e-9)
    loadings = state.vector({"severity": 1.5, "heart": -1.0})
    z = np.random.default_rng(4).standard_normal((400_000, len(state.AXES)))
    assert expit(state.intercept(0.1, loadings) + z @ loadings).mean() == pytest.approx(0.1, abs=0.002)


def test_neither_the_chart_nor_how_often_it_is_written_shows_the_hidden_axes() -> None:
    seen = [v.loadings for v in VARIABLES] + [r.sicker for r in ROUNDS.values()] + [r.gate for r in ROUNDS.values()]
    assert all(not set(loadings) & set(state.HIDDEN) for loadings in seen)
    assert {axis for finding in FINDINGS.values() for axis in finding.loadings} >= set(state.HIDDEN)


def test_the_oracle_is_null_where_a_task_does_not_apply(together: pd.DataFrame) -> None:
    for task in TASKS:
        missing = together[[task, f"visible_{task}", f"{task}_drawn"]].isna()
        assert (missing.sum(axis=1).isin([0, 3])).all()
        assert missing.to_numpy().any() == (task in ("ihm48", "los48"))
        assert together[task].dropna().between(0, 1).all()


def test_labels_happen_as_often_as_the_oracle_says(together: pd.DataFrame) -> None:
    for task in TASKS:
        both = together.dropna(subset=[task]).drop_duplicates("hadm_id")
        for column in (task, f"visible_{task}"):
            p, y = both[column].to_numpy(), both[f"{task}_drawn"].to_numpy(float)
            for part in np.array_split(np.argsort(p), 4):
                tolerance = 4.5 * np.sqrt((p[part] * (1 - p[part])).sum()) / len(part)
                assert abs(y[part].mean() - p[part].mean()) < tolerance, (column, len(part))


def test_knowing_the_hidden_axes_raises_the_bound(together: pd.DataFrame) -> None:
    bounds = {
        column: np.mean([roc_auc_score(known[f"{task}_drawn"].astype(int), known[prefix + task]) for task in tasks])
        for column, prefix, tasks in (
            ("ihm48", "", ["ihm48"]),
            ("ihm48 visible", "visible_", ["ihm48"]),
            ("phe25", "", TASKS[2:]),
            ("phe25 visible", "visible_", TASKS[2:]),
        )
        for known in [together.dropna(subset=[tasks[0]])]
    }
    assert bounds["ihm48"] > bounds["ihm48 visible"] + 0.05
    assert bounds["phe25"] > bounds["phe25 visible"] + 0.05
    assert len(PHENOTYPES) == len(TASKS) - 2


def test_reports_help_and_no_regression_reaches_the_oracle(together: pd.DataFrame, table: Table) -> None:
    long = together[together["ihm48"].notna()]
    y, patients = long["ihm48_drawn"].astype(int).to_numpy(), long["subject_id"].to_numpy()
    values = table("oracle/values").set_index("stay_id").loc[long["stay_id"]].drop(columns="hour").to_numpy()
    values = np.log(values).reshape(len(long), 48, len(VARIABLES))
    vitals = np.concatenate([values.mean(axis=1), values[:, 40:].mean(axis=1) - values[:, :8].mean(axis=1)], axis=1)

    notes = table("note/radiology").merge(table("icu/icustays"), on="subject_id")
    end = notes["intime"] + pd.Timedelta(days=2)
    known = notes[(notes["charttime"] >= notes["intime"]) & (notes["storetime"] <= end)]
    text = known.groupby("stay_id")["text"].agg(" ".join).reindex(long["stay_id"]).fillna("")
    words = TruncatedSVD(24, random_state=0).fit_transform(TfidfVectorizer(sublinear_tf=True).fit_transform(text))
    hidden = long[[f"z_{name}" for name in state.HIDDEN]].to_numpy()

    def auroc(features: np.ndarray) -> float:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=0.01))
        p = cross_val_predict(model, features, y, groups=patients, cv=GroupKFold(5), method="predict_proba")
        return float(roc_auc_score(y, p[:, 1]))

    alone, fused, best_axes = auroc(vitals), auroc(np.c_[vitals, words]), auroc(np.c_[vitals, hidden])
    visible, oracle = roc_auc_score(y, long["visible_ihm48"]), roc_auc_score(y, long["ihm48"])
    assert 0.7 < alone < visible
    assert alone + 0.03 < fused < oracle
    assert alone + 0.05 < best_axes < oracle
    assert oracle > 0.87
