"""What a cell predicted, and how it is stored: enough to compute further metrics without a fit."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from bench.discovery.metric import MetricSpec
from bench.errors import PluginError

VALID = "valid_"
"""What the names of the validation part's arrays begin with in a file."""


@dataclass(frozen=True)
class Predictions:
    """What one cell predicted for a part.

    - ids: str [n], unique record ids.
    - groups: str [n], the patient each record belongs to.
    - truth: float32 [n], or [n, labels] for multilabel; no NaN.
    - outputs: float32 [n, outputs], as `Fuser.predict` gives.
    - statics: float32 [n, statics], in recorded units, NaN where unknown; None in files of earlier
      versions.
    - static_names: str [statics]; None in files of earlier versions.
    - oracle: float32 [n, outputs], the best possible prediction; None where it is not known.
    - valid: the same of the validation part; None in files of earlier versions, and of a validation
      part.
    """

    ids: np.ndarray
    groups: np.ndarray
    truth: np.ndarray
    outputs: np.ndarray
    statics: np.ndarray | None = None
    static_names: np.ndarray | None = None
    oracle: np.ndarray | None = None
    valid: Predictions | None = None

    def by_id(self) -> Predictions:
        """The same, ordered by id, so that two cells can be compared whatever order they were
        scored in. The validation part keeps its order.
        """
        order = np.argsort(self.ids, kind="stable")
        arrays = {name: array[order] for name, array in _of_records(self).items() if array is not None}
        return Predictions(**arrays, static_names=self.static_names, valid=self.valid)

    def at_hand(self) -> dict[str, Any]:
        """All that a metric may ask for (`bench.metric.Metric`) and that is at hand."""
        at_hand: dict[str, Any] = {"groups": self.groups}
        if self.statics is not None and self.static_names is not None:
            at_hand["statics"] = dict(zip(self.static_names.tolist(), self.statics.T, strict=True))
        if self.valid is not None:
            at_hand["validation"] = self.valid.truth, self.valid.outputs
        return at_hand

    def needed_by(self, metric: MetricSpec) -> dict[str, Any]:
        """What this metric asks for. Raises PluginError where it is not at hand."""
        at_hand = self.at_hand()
        if lacking := [name for name in metric.asks if name not in at_hand]:
            raise PluginError(f"predictions of an earlier version hold no {' and '.join(lacking)}; run the cells again")
        return {name: at_hand[name] for name in metric.asks}

    @property
    def ideal(self) -> Predictions | None:
        """The best possible prediction in place of the outputs; None where it is not known."""
        if self.oracle is None:
            return None
        valid = self.valid and self.valid.ideal
        return Predictions(self.ids, self.groups, self.truth, self.oracle, self.statics, self.static_names, valid=valid)


def _of_records(predictions: Predictions) -> dict[str, np.ndarray | None]:
    """The arrays with a row per record, by name."""
    return {name: getattr(predictions, name) for name in ("ids", "groups", "truth", "outputs", "statics", "oracle")}


def _arrays(predictions: Predictions, prefix: str = "") -> dict[str, np.ndarray]:
    """All arrays that there are, by their name in a file."""
    own = {**_of_records(predictions), "static_names": predictions.static_names}
    named = {prefix + name: array for name, array in own.items() if array is not None}
    return named if predictions.valid is None else named | _arrays(predictions.valid, VALID)


def pack(predictions: Predictions) -> bytes:
    """Predictions as .npz bytes, the same for the same content."""
    buffer = io.BytesIO()
    np.savez(buffer, **_arrays(predictions))  # type: ignore[arg-type]  # none is called allow_pickle
    return buffer.getvalue()


def digest_of(predictions: Predictions) -> str:
    """The digest by which a record names them."""
    return hashlib.sha256(pack(predictions)).hexdigest()


def earlier_digest_of(predictions: Predictions) -> str:
    """The digest by which records without `metrics_code` name them: over ids, groups, truth and
    outputs of the test part alone.
    """
    buffer = io.BytesIO()
    np.savez(
        buffer, ids=predictions.ids, groups=predictions.groups, truth=predictions.truth, outputs=predictions.outputs
    )  # fmt: skip
    return hashlib.sha256(buffer.getvalue()).hexdigest()


def unpack(content: bytes) -> Predictions:
    """The reverse of `pack`. Never unpickles: ValueError for content that would have to be."""
    from bench.arrays import npz

    with npz(io.BytesIO(content), len(content)) as arrays:
        arrays_by_name = {name: arrays[name] for name in arrays}
    valid = _built(arrays_by_name, VALID) if f"{VALID}ids" in arrays_by_name else None
    return _built(arrays_by_name, "", valid)


def _built(arrays: Mapping[str, np.ndarray], prefix: str, valid: Predictions | None = None) -> Predictions:
    names = [field.name for field in fields(Predictions) if field.name != "valid"]
    needed = {name: arrays[prefix + name] for name in names[:4]}
    return Predictions(
        **needed, **{name: arrays[prefix + name] for name in names[4:] if prefix + name in arrays}, valid=valid
    )
