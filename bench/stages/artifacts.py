"""The names of what stages leave in the store, and whether an imputation is there with all its
parts.

- cohorts/KEY.safetensors: a prepared cohort.
- masks/KEY.safetensors: modality -> bool [n, length, channels], what is visible.
- imputations/KEY/completed.safetensors: modality -> float32 [n, length, channels], median of the
  draws; written last.
- imputations/KEY/draws.safetensors: modality -> float32 [draws, n, length, channels], where there
  are several.
- imputations/KEY/state.safetensors: what the imputer learnt.
- imputations/KEY/errors.npz: sums over the hidden entries of each test record, where any are
  hidden.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from bench import arrays
from bench.data.store import Store


def cohort(key: str) -> str:
    return f"cohorts/{key}.safetensors"


def mask(key: str) -> str:
    return f"masks/{key}.safetensors"


def imputation(key: str, part: str = "") -> str:
    return f"imputations/{key}/{part}" if part else f"imputations/{key}"


def size_of(store: Store, key: str) -> tuple[int, dict[str, int], int] | None:
    """How many records the prepared cohort of that key has, how many channels each modality, and
    how many bins; None when it is not prepared.
    """
    about = _about(store, key)
    if about is None:
        return None
    from safetensors import safe_open

    channels = {name: len(series["channels"]) for name, series in about["modalities"].items()}
    with safe_open(store.open(cohort(key)), "numpy") as file:
        length = max((file.get_slice(f"{name}/times").get_shape()[0] for name in channels), default=1)
    return len(about["ids"]), channels, length


def subjects_of(store: Store, key: str) -> tuple[list[str], dict[str, list[str]]] | None:
    """The subject of each record of a prepared cohort, and its columns; None when it is not
    prepared.
    """
    about = _about(store, key)
    return None if about is None else (about["groups"], about.get("columns", {}))


def target_of(store: Store, key: str, task: str) -> np.ndarray | None:
    """The target of a task for each record of a prepared cohort, float32 [n, ...], NaN where it is
    unknown; None when the cohort is not prepared. Nothing is compared with a digest here: workers
    do that before they use it.
    """
    from safetensors import safe_open

    if not store.has(cohort(key)):
        return None
    with safe_open(store.open(cohort(key)), "np") as file:
        target: np.ndarray = file.get_tensor(f"targets/{task}")
    return target


def _about(store: Store, key: str) -> dict[str, Any] | None:
    name = cohort(key)
    if not store.has(name):
        return None
    about: dict[str, Any] = json.loads(arrays.metadata(store.open(name))["cohort"])
    return about


def is_imputed(store: Store, key: str) -> bool:
    """Whether an imputation is there with all its parts; arrays are compared with their digests
    when they are read.
    """
    try:
        about = json.loads(arrays.metadata(store.open(imputation(key, "completed.safetensors")))["about"])
        parts = ["draws.safetensors"] * bool(drawn(about)) + ["state.safetensors"] * bool(about.get("learnt"))
        whole = all(store.has(imputation(key, part)) for part in parts)
        return whole and (not about.get("errors") or store.open(imputation(key, "errors.npz")).is_file())
    except (arrays.Damaged, KeyError, TypeError, ValueError):
        return False


def drawn(about: dict[str, Any]) -> bool:
    """Whether all draws of an imputation were stored beside their median."""
    return bool(about.get("drawn", about["costs"]["draws"] > 1))
