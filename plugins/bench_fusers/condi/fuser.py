"""CondI (Zheng, Kan, Wang, Chen and Wang 2026): an imputer and a classifier, trained one after the
other in each training. Specification condi.md, sections 4 to 9.

Phase A trains the diffusion imputer `condi`, its feature embedding, the context encoder with its
mixture of experts, and W_cond. Phase B trains encoders, W_mod, classifier and, in `paper`, W_cond
once more. What a phase does not train is frozen and in evaluation mode. In a federation each round
has both phases; centrally there is one round with the whole budget.

It reads observed values alone: before it predicts, it generates what is missing by itself. So the
imputer of the cell has no effect, and neither has `filled`.

What is decided here:

- Both profiles have the optimisers and the budget of the specification's `paper`. For the released
  code's, give phase_a_steps=1, diffusion_rate=0.01 and diffusion_decay=0.
- A batch of a single record is not skipped: `bench.training.BatchNorm1d` takes it.
- Records without any observed entry have no part in phase A.
- In `released`, the loss of the diffusion is not added to that of phase B, where it has no
  gradient. Which of the first two steps is taken is drawn for a record, not for each series.
- Central validation reads series that were generated once, between the phases. W_cond moves on in
  phase B, by the little that the labels move it.
- `phase_b_input=imputed`: training records are completed once in each training, between the phases.
- A modality of more channels than `widest` is not generated. What is observed of it is read, and it
  has the condition 0.
- `no_imputation` trains phase A, since it moves W_cond. With `no_condi` too, there is no phase A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from torch import nn

from bench.cohort import Cohort, Task
from bench.components import Context, NotFitted
from bench.learner import Lesson
from bench.sums import Sums
from bench.torch_fuser import Inputs
from bench_fusers.condi.head import PhaseB, condition
from bench_fusers.condi.network import CondiNetwork
from bench_fusers.condi.plugin import CondiFuserParams
from bench_imputers.diffusion import condi as phase_a
from bench_imputers.diffusion.condi_context import CondiContext, OtherModalities
from bench_imputers.diffusion.condi_params import CondiParams
from bench_imputers.diffusion.csdi import CsdiDenoiser

NETWORK = "joint"
"""The imputer's name of its one network."""


@dataclass(frozen=True)
class Forms:
    """The form of the training records, as the fuser and as the imputer keep it."""

    fuser: Any
    imputer: Any


class Condi(PhaseB[CondiFuserParams]):
    """See the module. The representation is what the classifier reads.

    imputer: phase A, with the network that the module holds.
    """

    nan_aware = True

    def __init__(self, params: CondiFuserParams):
        super().__init__(params)
        self.imputer = phase_a.Condi(imputer_params(params))

    @property
    def reads_imputed(self) -> bool:
        """See `Fuser.reads_imputed`."""
        return False

    @property
    def completes(self) -> bool:
        """Whether it generates anything before it predicts."""
        return not self.params.no_imputation and self.network.imputer is not None

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `Learner.summary`: with the sums of the imputer."""
        own, other = super().summary(cohort, task), self.imputer.summary(cohort)
        totals = {**own.totals, **{f"imputer/{name}": total for name, total in other.totals.items()}}
        return replace(own, form=Forms(own.form, other.form), totals=totals)

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`."""
        of_imputer = {name: total for name, total in sums.totals.items() if name.startswith("imputer/")}
        totals = {name.removeprefix("imputer/"): total for name, total in of_imputer.items()}
        self.imputer.begin(Sums(sums.form.imputer, None, totals), context)
        super().begin(replace(sums, form=sums.form.fuser), context)

    def build(self, inputs: Inputs, task: Task) -> nn.Module:
        built = self.imputer.networks.get(NETWORK)
        network = CondiNetwork(inputs, task.outputs, self.params, list(built.shape.parts) if built else [])
        if built is None:
            return network
        denoiser = built.module
        assert isinstance(denoiser, CsdiDenoiser)
        if not self.params.no_condi:
            assert isinstance(denoiser.context, CondiContext)
            if network.reader.released:
                denoiser.context.condition = condition(network)
            network.condition = denoiser.context.condition  # type: ignore[assignment]  # one of both kinds
        network.imputer = denoiser
        first, second = self.imputer.schedule.alpha_bars[:2]
        network.alpha_bars = float(first), float(second)
        return network

    def lessons(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Iterator[Lesson]:
        """See `Learner.lessons`: phase A, then phase B."""
        if self.network.imputer is not None and not (self.params.no_imputation and self.params.no_condi):
            lesson = self.imputer.lesson(NETWORK, train, None, context)
            if lesson is not None:
                steps, params = self.params.phase_a_steps, self.imputer.params
                yield replace(lesson, name="imputer", part=self.part_a(), params=params, steps=steps)
        if self.params.phase_b_input == "imputed":
            train = self._completed(train, context)
        valid = None if valid is None else self._completed(valid, context)
        yield replace(self.lesson(module, train, valid, context), part=self.part_b())

    def part_a(self) -> nn.Module:
        """What phase A trains. Of `released` it is the imputer without the encoder of w_ins, which
        phase B trains.
        """
        denoiser = self.network.imputer
        assert denoiser is not None
        if not isinstance(self.network.condition, OtherModalities):
            return denoiser
        parts: dict[str, nn.Module] = {name: child for name, child in denoiser.named_children() if name != "context"}
        parts["features"] = nn.ParameterList([denoiser.features])
        return nn.ModuleDict(parts | {"condition": self.network.condition.net})

    def part_b(self) -> nn.Module:
        """What phase B trains: in `paper` the condition too."""
        network = self.network
        if network.reader.released or network.condition is None:
            return network.reader
        return nn.ModuleDict({"reader": network.reader, "condition": network.condition})

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray] | None:
        """See `Fuser.impute`. None in `no_imputation`. Raises NotFitted before `fit`."""
        if not self.learnt:
            raise NotFitted(f"{type(self).__name__}: fit comes before impute")
        return self._drawn(cohort, draws, context) if self.completes else None

    def predict(self, cohort: Cohort, context: Context) -> np.ndarray:
        """See `TorchFuser.predict`: what is missing is generated before."""
        self._prepare("predict", cohort, context)
        return self._outputs(self._completed(cohort, context), context)

    def embed(self, cohort: Cohort, context: Context) -> np.ndarray | None:
        """See `TorchFuser.embed`: what is missing is generated before."""
        self._prepare("embed", cohort, context)
        return super().embed(self._completed(cohort, context), context)

    def _drawn(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        self.imputer.learnt = True
        completed = self.imputer.impute(cohort, draws, context)
        self.network.eval()  # the denoiser forgets what it tabulated
        return completed

    def _completed(self, cohort: Cohort, context: Context) -> Cohort:
        """The cohort with generated values where targets have none; as it is in `no_imputation`."""
        if not self.completes:
            return cohort
        drawn, pooled = self._drawn(cohort, self.params.samples, context), dict(cohort.modalities)
        for place in self.network.places:
            name = self.network.names[place]
            pool = np.mean if self.params.pool == "mean" else np.median
            own = drawn[name]
            grid = own[0] if len(own) == 1 else np.asarray(pool(own, axis=0), np.float32)
            series = pooled[name]
            grid = np.where(series.observed, series.grid, grid)
            pooled[name] = replace(series, grid=grid, filled=~np.asarray(series.available))
        return cohort.with_modalities(pooled)


def imputer_params(params: CondiFuserParams) -> CondiParams:
    """The parameters of phase A: sizes, schedule of noise and budget."""
    alike = (
        "profile", "cond_layout", "widest", "channels", "heads", "layers", "feedforward", "step_width", "time_width",
        "feature_width", "context_width", "expert_width", "diffusion_steps", "solver_steps", "bound", "epochs", "steps",
        "seconds", "batch_size", "checkpoint_seconds",
    )  # fmt: skip
    return CondiParams(
        condition="none" if params.no_condi else None,
        condition_width=params.width,
        learning_rate=params.diffusion_rate,
        weight_decay=params.diffusion_decay,
        clip=params.diffusion_clip,
        **{name: getattr(params, name) for name in alike},
    )
