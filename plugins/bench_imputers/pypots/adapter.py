"""One imputer for every imputation model of PyPOTS: one model per target modality, built from the
table by its name.

What it adds to the package's own `fit` and `impute`:

- seeds before every construction and every batch, so that results can be repeated and depend on no
  other record;
- a validation set whose hidden entries the harness draws;
- an error where the package swallows one;
- observed entries restored;
- draws that are prefixes of each other;
- a state of named arrays.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from typing import Any, NoReturn

import numpy as np
import torch

from bench.cohort import Cohort, Series
from bench.components import Context, Imputer, Interrupted, NotFitted
from bench.errors import DataError, PluginError, UsageError
from bench.training import TrainingError
from bench_imputers.pypots.library import (
    Budget,
    Listener,
    OwnNoise,
    Stopped,
    imputation,
    offline,
    optimizer,
    reseed,
    seeded,
)
from bench_imputers.pypots.model import TESTED, Model
from bench_imputers.pypots.models import MODELS
from bench_imputers.pypots.params import Nothing, Targets, Trained
from bench_imputers.pypots.state import arrays_of, ready, settle, take_arrays
from bench_imputers.target_modalities import Rest, chosen

ENDLESS = 2**31
"""Epochs of a training that ends by the clock."""

OPTIMIZERS = ("optimizer", "G_optimizer", "D_optimizer")
"""Arguments of a model, and its attributes, that are one."""

TABLE: Mapping[str, Model] = {model.name: model for model in MODELS}


class PyPOTS(Imputer[Targets]):
    """A model of PyPOTS; which one says the parameter struct.

    Modalities that are not its targets, and those never seen in training, are carried forward
    (`Rest`).
    State: `model/<modality>/<weight>`, `size/<modality>` (int64 [3]: bins, channels, seed of the
    construction) and `rest/<modality>`.
    """

    def __init__(self, params: Targets):
        super().__init__(params)
        self._model = TABLE[params.model]
        self._rest = Rest()
        self._sizes: dict[str, tuple[int, int, int]] = {}
        self._built: dict[str, Any] = {}
        self._stored: dict[str, dict[str, np.ndarray]] = {}
        self._budgets: dict[str, Budget] = {}
        self._taken: dict[str, int] = {}
        self._fitted = False

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        """Train a model per target modality.

        Raises UsageError for targets that are not there, for a precision that PyPOTS does not know
        and for arguments that the model refuses. Raises TrainingError where training fails or ends
        early. Raises Interrupted when the run is being stopped (nothing is kept: PyPOTS cannot go
        on with a training).
        """
        if context.precision != "fp32":
            raise UsageError(f"imputer {self._model.key} runs in fp32 only; give precision=fp32")
        widths = {name: series.grid.shape[2] for name, series in train.modalities.items()}
        names = chosen(widths, self.params.targets, self.params.widest, self._model.key)
        self._sizes, self._built, self._stored, self._taken = {}, {}, {}, {}
        for name in names:
            series = train.modalities[name]
            if not series.observed.any():
                continue
            _require_finite(name, series)
            seed = context.seed_for("init", name)
            self._sizes[name] = (series.grid.shape[1], series.grid.shape[2], seed)
            with seeded(seed, context):
                self._built[name] = self._construct(name, context)
                self._train(name, series, valid.modalities[name], context)
        self._rest.fit(train, tuple(self._sizes), context)
        self._fitted = True

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        if not self._fitted:
            raise NotFitted(f"{self._model.key} must be fitted, or given a state, before it imputes")
        draws = draws if self._model.draws else 1
        completed = self._rest.impute(cohort, tuple(self._sizes), draws, context)
        for name, (length, channels, seed) in self._sizes.items():
            if name not in cohort.modalities:
                continue
            series = cohort.modalities[name]
            if series.grid.shape[1:] != (length, channels):
                raise UsageError(
                    f"imputer {self._model.key} was fitted on {length} bins and {channels} channels of {name}, and is asked "
                    f"to complete {series.grid.shape[1]} and {series.grid.shape[2]}"
                )
            _require_finite(name, series)
            with seeded(seed, context):
                if name not in self._built:
                    self._built[name] = self._construct(name, context)
                    take_arrays(self._built[name], self._stored[name])
                ready(self._built[name])
                completed[name] = self._complete(name, series, cohort.ids, draws, context)
        return {name: completed[name] for name in cohort.modalities}

    def state_dict(self) -> dict[str, np.ndarray]:
        state = {f"rest/{name}": fill for name, fill in self._rest.state_dict().items()}
        for name, size in self._sizes.items():
            state[f"size/{name}"] = np.array(size, np.int64)
            arrays = arrays_of(self._built[name]) if name in self._built else self._stored[name]
            state |= {f"model/{name}/{key}": array for key, array in arrays.items()}
        return state

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        kinds: dict[str, dict[str, np.ndarray]] = {"rest": {}, "size": {}, "model": {}}
        for key, array in state.items():
            kind, _, name = key.partition("/")
            kinds[kind][name] = array
        self._built, self._taken = {}, {}
        self._rest.load_state_dict(kinds["rest"])
        self._sizes = {name: (int(s[0]), int(s[1]), int(s[2])) for name, s in kinds["size"].items()}
        self._stored = {
            name: {k[len(name) + 1 :]: a for k, a in kinds["model"].items() if k.startswith(f"{name}/")}
            for name in self._sizes
        }
        self._fitted = True

    def steps_taken(self) -> int | None:
        return sum(self._taken.values()) if self._taken else None

    def _construct(self, name: str, context: Context) -> Any:
        """The model for a modality; to be called inside `seeded`, since it draws its weights."""
        package = imputation(self._model.key)
        kind = getattr(package, self._model.name, None)
        if kind is None:
            raise PluginError(
                f"imputer {self._model.key}: the installed PyPOTS has no model {self._model.name}; type: "
                f"pip install 'pypots>={TESTED}'"
            )
        length, channels = self._padded(*self._sizes[name][:2])
        arguments: dict[str, Any] = {"n_steps": length, "n_features": channels, "device": context.device}
        arguments |= {key: _listed(getattr(self.params, key)) for key in self._model.arguments}
        if isinstance(self.params, Trained):
            rate, decay = self.params.learning_rate, self.params.weight_decay
            budget = self._budgets[name] = Budget(self.params.steps, self.params.seconds, context.device)
            for key in OPTIMIZERS:
                arguments[key] = optimizer(rate, decay, context, budget)
            timed = budget.steps or budget.seconds
            patience = 0 if timed else min(self.params.patience, self.params.epochs)
            arguments |= {
                "epochs": self.params.epochs,
                "batch_size": self.params.batch_size,
                "patience": patience or None,
            }
        accepted = inspect.signature(kind.__init__).parameters
        try:
            with offline():
                return kind(**{key: value for key, value in arguments.items() if key in accepted})
        except torch.OutOfMemoryError:
            raise
        except Exception as error:
            reason = f"{type(error).__name__}: {_line(error)}"
            if self._model.needs:
                raise UsageError(
                    f"imputer {self._model.key} loads {self._model.needs}, which are not on this machine and are not "
                    f"downloaded ({reason})"
                ) from error
            raise UsageError(
                f"imputer {self._model.key} cannot be built for {length} bins and {channels} channels of {name} with these "
                f"parameters: {reason}; see: bench show {self._model.key}"
            ) from error

    def _train(self, name: str, series: Series, valid: Series, context: Context) -> None:
        model = self._built[name]
        if not isinstance(self.params, Trained):
            return
        seen = {"X": self._pad(_with_gaps(series)[series.observed.any(axis=(1, 2))])}
        if self.params.steps:
            model.epochs = math.ceil(self.params.steps / math.ceil(len(seen["X"]) / self.params.batch_size))
        elif self.params.seconds:
            model.epochs = ENDLESS
        budget = self._budgets[name]
        listener = Listener(context, f"{self._model.key} {name}", model, budget)
        check = self._validation(name, valid, context)
        budget.begin()
        try:
            with listener.listening():
                model.fit(seen, check)
        except Stopped:
            raise Interrupted(f"{self._model.key}: stopped in epoch {listener.done + 1} of {name}") from None
        except Exception as error:
            self._failed(name, listener, listener.failure or f"{type(error).__name__}: {_line(error)}")
        if listener.done < listener.epochs and not listener.ended_early:
            self._failed(name, listener, listener.failure or "it gives no reason")
        taken = [own.taken for key in OPTIMIZERS if (own := getattr(model, key, None)) is not None]
        if self.params.steps and max(taken, default=self.params.steps) != self.params.steps:
            self._failed(name, listener, f"it took {max(taken)} optimiser steps of {self.params.steps}")
        self._taken[name] = sum(taken)
        settle(model, _means(seen["X"]))

    def _failed(self, name: str, listener: Listener, reason: str) -> NoReturn:
        message = f"{self._model.key}: training on {name} ended after {listener.place}: {reason}"
        if "out of memory" in reason:
            raise MemoryError(f"{message}; a smaller {self._model.key}.batch_size needs less")
        raise TrainingError(message)

    def _validation(self, name: str, series: Series, context: Context) -> dict[str, np.ndarray] | None:
        """Validation records with entries hidden by the harness's own generator, or None where
        nothing can be scored.
        """
        assert isinstance(self.params, Trained)
        index = np.flatnonzero(series.observed.any(axis=(1, 2)))[: self.params.valid_records]
        whole = _with_gaps(series)[index]
        hidden = context.rng("mask", "validation", name).random(whole.shape) < self.params.valid_hidden
        hidden &= ~np.isnan(whole)
        if not hidden.any():
            return None
        shown = np.where(hidden, np.float32(np.nan), whole)
        return {"X": self._pad(shown), "X_ori": self._pad(whole)}

    def _complete(self, name: str, series: Series, ids: np.ndarray, draws: int, context: Context) -> np.ndarray:
        """float32 [draws, n, length, channels]."""
        n, length, channels = series.grid.shape
        completed = np.empty((draws, n, length, channels), np.float32)
        gaps = _with_gaps(series)
        start, size = 0, self._batch(name)
        while start < n:
            if context.should_stop():
                raise Interrupted(f"{self._model.key}: stopped at record {start} of {n}")
            some = slice(start, min(start + size, n))
            try:
                for draw in range(draws):
                    completed[draw, some] = self._apply(name, gaps[some], ids[some], draw, context)[
                        :, :length, :channels
                    ]
            except torch.OutOfMemoryError:
                if size == 1:
                    raise
                size = max(size // 2, 1)
                torch.cuda.empty_cache()
                context.report(f"{self._model.key}: out of GPU memory, going on with {size} records at a time")
                continue
            start = some.stop
        if bad := int((~np.isfinite(completed)).sum()):
            raise TrainingError(
                f"{self._model.key}: {bad} of {completed.size} values of {name} are not finite; the training diverged, a lower "
                f"learning_rate may help"
            )
        np.copyto(completed, gaps, where=np.asarray(series.observed))
        return completed

    def _batch(self, name: str) -> int:
        if self._model.alone or not isinstance(self.params, Trained):
            return 1
        return self.params.batch_size

    def _apply(self, name: str, gaps: np.ndarray, ids: np.ndarray, draw: int, context: Context) -> np.ndarray:
        """One draw for a batch of records, padding included: [n, length, channels]."""
        model = self._built[name]
        if not self._model.trained:
            model = self._construct(name, context)
        model.batch_size = len(gaps)
        padded = self._pad(gaps)
        inputs = {"X": padded, "X_ori": padded.copy()}
        # The same numbers for every batch: what is drawn for all records of a batch alike depends
        # on none of them.
        reseed(context.seed_for("draws", name, draw))
        if self._model.name == "TRMF":
            # Its own `impute` goes on fitting the factors of the records it was fitted to; here
            # each record has its own.
            seen = ~np.isnan(padded[0])
            return np.asarray(model.model({"X": np.where(seen, padded[0], 0), "missing_mask": seen})["imputed_data"])[
                None
            ]
        if not self._model.draws:
            return np.asarray(model.impute(inputs), np.float32).reshape(padded.shape)
        with OwnNoise([context.seed_for("draws", name, record, draw) for record in ids]):
            return np.asarray(model.impute(inputs, n_sampling_times=1), np.float32).reshape(padded.shape)

    def _padded(self, length: int, channels: int) -> tuple[int, int]:
        """The bins and channels the model is built for."""
        return self._model.bins(self.params, length), self._model.channels(self.params, channels)

    def _pad(self, gaps: np.ndarray) -> np.ndarray:
        """[n, length, channels] with unobserved bins and channels added at the end, a copy."""
        n, length, channels = gaps.shape
        more = np.full((n, *self._padded(length, channels)), np.nan, np.float32)
        more[:, :length, :channels] = gaps
        return more


class Unlisted(Imputer[Nothing]):
    """A model of the installed PyPOTS that this version of the package does not know."""

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        raise UsageError(
            f"this model of the installed PyPOTS is not known to this version of gapbench, which was written for {TESTED}; "
            "see: bench list imputers"
        )

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        raise NotFitted("it cannot be fitted")


def _with_gaps(series: Series) -> np.ndarray:
    """The grid with NaN where nothing is visible, float32 [n, length, channels]."""
    return np.where(series.observed, series.grid, np.float32(np.nan)).astype(np.float32, copy=False)


def _require_finite(name: str, series: Series) -> None:
    bad = int((~np.isfinite(series.grid[series.observed])).sum())
    if bad:
        raise DataError(f"{bad} observed values of {name} are not finite numbers; PyPOTS would let them pass unnoticed")


def _means(gaps: np.ndarray) -> np.ndarray:
    """The mean of each channel, 0 where it has no value; float32 [channels]."""
    seen = ~np.isnan(gaps)
    sums = np.where(seen, gaps, 0).sum(axis=(0, 1), dtype=np.float64)
    means: np.ndarray = (sums / np.maximum(seen.sum(axis=(0, 1)), 1)).astype(np.float32)
    return means


def _listed(value: Any) -> Any:
    """Tuples as the lists that most constructors ask for."""
    return list(value) if isinstance(value, tuple) else value


def _line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [""])[0][:300]
