"""Weights that travel, of an imputer trained on the toy cohort, made by hand."""

from __future__ import annotations

import numpy as np

from bench.stages.scale import Scaler
from bench.stages.weights import WeightsRecord, channels_of, cut_of
from bench.testing.toy import toy_cohort

STATE = {"vitals": np.arange(6, dtype=np.float32).reshape(2, 3), "steps": np.array([3])}


def made(**changes) -> WeightsRecord:
    """The record of an imputer trained on the toy cohort."""
    cohort = toy_cohort()
    scaler = Scaler.fit(cohort)
    *modalities, statics = channels_of(cohort, scaler)
    fields = {
        "component": "around", "version": "1", "params": {"width": 1.0}, "source": "ab", "libraries": {}, "parameters": 10,
        "suite": "hidden", "dataset": "toy", "synthetic": True, "data": {"n": 48}, "manifest": "m1", "split": {"seed": 0},
        "train_records": 30, "scenario": "natural", "scenario_params": {}, "seed": 1, "modalities": modalities,
        "statics": statics, "cut": cut_of(scaler), "length": 12, "bin_hours": 1.0, "budget": {"fit_seconds": 61.0},
        "device": "cpu", "scores": {"all": {"mae": 0.5}}, "arrays": {}, "gapbench": "0", "by": "A. Person",
    }  # fmt: skip
    return WeightsRecord(**(fields | changes))
