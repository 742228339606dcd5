"""Imputers that read other channels of the same bin: limb leads in closed form, ridge regressions
against scikit-learn's own.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import linear_model

from bench.cohort import Cohort, Series
from bench.components import Context, Imputer
from bench.errors import UsageError
from bench.registry import NoParams
from bench_datasets import regular
from bench_imputers.naive.temporal import Linear
from bench_imputers.simultaneous.einthoven import Einthoven
from bench_imputers.simultaneous.plugin import RidgeParams
from bench_imputers.simultaneous.ridge import Ridge

LEADS = ("I", "II", "III", "aVR", "aVL", "aVF")
SCALE = np.array([0.2, 0.3, 0.25, 0.22, 0.18, 0.27])
MEAN = np.array([0.01, -0.02, 0.0, 0.03, 0.01, -0.01])


def limb(n: int, length: int, seed: int) -> np.ndarray:
    """Limb leads, standardised one by one, float32 [n, length, 6]."""
    one, two = np.random.default_rng(seed).normal(scale=0.3, size=(2, n, length))
    leads = np.stack([one, two, two - one, -(one + two) / 2, one - two / 2, two - one / 2], axis=2)
    standard: np.ndarray = ((leads - MEAN) / SCALE).astype(np.float32)
    return standard


def cohort_of(modalities: dict[str, tuple[tuple[str, ...], np.ndarray]]) -> Cohort:
    """modality -> names of channels and grid [n, length, channels], NaN where hidden."""
    series: dict[str, Series] = {
        name: regular.series_of(grid, channels, ("1",) * len(channels), 100)
        for name, (channels, grid) in modalities.items()
    }
    n = len(next(iter(series.values())).grid)
    ids = np.arange(n).astype(str)
    return Cohort(ids, ids, series, np.zeros((n, 0), np.float32), (), {})


def apart(values: np.ndarray) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    return {lead: ((lead,), values[..., [place]].copy()) for place, lead in enumerate(LEADS)}


def together(values: np.ndarray) -> dict[str, tuple[tuple[str, ...], np.ndarray]]:
    return {"limb": (LEADS, values.copy())}


def completed(imputer: Imputer[Any], train: Cohort, test: Cohort) -> dict[str, np.ndarray]:
    imputer.fit(train, train, Context())
    return {name: values[0] for name, values in imputer.impute(test, 1, Context()).items()}


TRAIN, TEST = limb(20, 50, 0), limb(3, 40, 1)


@given(st.sets(st.integers(0, 5), min_size=1, max_size=4), st.booleans())
def test_any_two_limb_leads_tell_the_others_to_rounding(hidden: set[int], one_modality: bool) -> None:
    values = TEST.copy()
    values[:, 5:9, sorted(hidden)] = np.nan
    form = together if one_modality else apart
    filled = completed(Einthoven(NoParams()), cohort_of(form(TRAIN)), cohort_of(form(values)))
    whole = np.concatenate(list(filled.values()), axis=2)
    np.testing.assert_allclose(whole, TEST, atol=1e-4)


def test_with_one_lead_visible_and_for_other_channels_it_is_linear_interpolation() -> None:
    values = TEST.copy()
    values[:, 5:9, 1:] = np.nan
    chest = np.where(np.arange(40)[:, None] % 3 == 1, np.nan, TEST[..., [0]]).astype(np.float32)
    modalities = together(values) | {"chest": (("V1",), chest)}
    train = cohort_of(together(TRAIN) | {"chest": (("V1",), TRAIN[..., [0]].copy())})
    ours = completed(Einthoven(NoParams()), train, cohort_of(modalities))
    lines = completed(Linear(NoParams()), train, cohort_of(modalities))
    assert all(np.array_equal(ours[name], lines[name]) for name in modalities)


def test_leads_are_learnt_from_bins_with_hidden_entries_too() -> None:
    holes = np.random.default_rng(2).random(TRAIN.shape) < 0.5
    train = cohort_of(apart(np.where(holes, np.float32(np.nan), TRAIN)))
    values = TEST.copy()
    values[..., 3] = np.nan
    filled = completed(Einthoven(NoParams()), train, cohort_of(apart(values)))
    np.testing.assert_allclose(filled["aVR"][..., 0], TEST[..., 3], atol=1e-4)


def test_values_that_were_cut_do_not_spoil_the_relations() -> None:
    train = TRAIN.copy()
    train[0, :5, 0] = 10.0  # cut there, and no longer an identity with the others
    values = TEST.copy()
    values[..., 2] = np.nan
    filled = completed(Einthoven(NoParams()), cohort_of(apart(train)), cohort_of(apart(values)))
    np.testing.assert_allclose(filled["III"][..., 0], TEST[..., 2], atol=1e-4)


def test_a_lead_never_visible_in_training_is_not_guessed_from_the_identities() -> None:
    train = TRAIN.copy()
    train[..., 4] = np.nan
    values = TEST.copy()
    values[:, 5, 4] = np.nan
    filled = completed(Einthoven(NoParams()), cohort_of(apart(train)), cohort_of(apart(values)))
    assert filled["aVL"][:, 5, 0] == pytest.approx((TEST[:, 4, 4] + TEST[:, 6, 4]) / 2, abs=1e-6)


def test_ridge_predicts_what_scikit_learn_does() -> None:
    rng = np.random.default_rng(3)
    train, test = (rng.normal(size=(n, 30, 4)).astype(np.float32) for n in (20, 2))
    for values in (train, test):
        values[..., 3] = values[..., :3] @ [1.0, -2.0, 0.5] + 0.1 * values[..., 3]
    hidden = test.copy()
    hidden[:, 7, 3] = np.nan
    names = {"b": [0, 3], "a": [1, 2]}

    def cohort(values: np.ndarray) -> Cohort:
        return cohort_of({m: (tuple(f"{m}{c}" for c in cols), values[..., cols]) for m, cols in names.items()})

    ours = completed(Ridge(RidgeParams(alpha=2.0)), cohort(train), cohort(hidden))["b"][:, 7, 1]
    model = linear_model.Ridge(alpha=2.0).fit(train[..., :3].reshape(-1, 3), train[..., 3].ravel())
    np.testing.assert_allclose(ours, model.predict(test[:, 7, :3]), rtol=1e-4)


def test_ridge_never_reads_the_entry_s_own_channel() -> None:
    """The bins beside it tell nothing: what is interpolated of the channel itself has no weight."""
    imputer = Ridge(RidgeParams())
    imputer.fit(cohort_of(together(TRAIN)), cohort_of(together(TRAIN)), Context())
    assert np.diag(imputer.state_dict()["ridge/limb"][:, :-1]).tolist() == [0] * 6


def test_ridge_completes_other_missing_channels_of_a_bin_by_lines_first() -> None:
    values = TEST.copy()
    values[:, 5, 2:] = np.nan
    train = cohort_of(together(TRAIN))
    ours = completed(Ridge(RidgeParams()), train, cohort_of(together(values)))["limb"]
    lines = completed(Linear(NoParams()), train, cohort_of(together(values)))["limb"]
    imputer = Ridge(RidgeParams())
    imputer.fit(train, train, Context())
    rows = imputer.state_dict()["ridge/limb"]
    np.testing.assert_allclose(ours[:, 5, 2], lines[:, 5] @ rows[2, :-1] + rows[2, -1], rtol=1e-4, atol=1e-5)


def test_a_channel_alone_or_hardly_ever_visible_is_interpolated() -> None:
    alone = {"m": (("x",), np.where(np.arange(40)[:, None] % 2 == 1, np.nan, TEST[..., [0]]).astype(np.float32))}
    train = cohort_of({"m": (("x",), TRAIN[..., [0]].copy())})
    ours, lines = (completed(each, train, cohort_of(alone))["m"] for each in (Ridge(RidgeParams()), Linear(NoParams())))
    assert np.array_equal(ours, lines)


@pytest.mark.parametrize("imputer", [Einthoven(NoParams()), Ridge(RidgeParams())], ids=["einthoven", "ridge"])
def test_it_learns_the_same_bits_however_records_are_divided(imputer: Any) -> None:
    holes = np.random.default_rng(4).random(TRAIN.shape) < 0.3
    train = cohort_of(apart(np.where(holes, np.float32(np.nan), TRAIN)))
    imputer.begin(imputer.summary(train), Context())
    whole = imputer.state_dict()
    shares = [train.take(np.arange(start, 20, 3)) for start in (2, 0, 1)]
    first, *others = (imputer.summary(share) for share in shares)
    imputer.begin(sum(others, start=first), Context())
    assert all(np.array_equal(array, whole[name]) for name, array in imputer.state_dict().items())


def test_more_channels_than_a_ridge_regression_takes_are_one_clear_line() -> None:
    wide = np.zeros((2, 3, 257), np.float32)
    train = cohort_of({"notes": (tuple(map(str, range(257))), wide)})
    with pytest.raises(UsageError, match="257 channels on each other are too large, 256 are accepted"):
        Ridge(RidgeParams()).fit(train, train, Context())
