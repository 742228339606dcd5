"""The diffusion engine: a method is a denoiser, how it is conditioned, and its defaults; the rest
is done here.

Self-supervised training (a part of the observed entries is hidden at each visit and learnt),
sampling in chunks of records x draws, a state that travels. Modalities that are no target, and
channels that no training record has ever seen, are completed by the last value carried forward,
else the training mean.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch.nn import functional

from bench.cohort import Cohort, Task
from bench.components import Context, Imputer, NotFitted
from bench.errors import UsageError
from bench.learner import Learner, Lesson
from bench.registry import NoParams
from bench.sums import Sums
from bench.training import autocast, seeded
from bench_imputers.diffusion import state as stored
from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.drawing import Drawing, draw, repeated
from bench_imputers.diffusion.grids import Grids, form_of, require_finite, shapes
from bench_imputers.diffusion.guess import interpolated
from bench_imputers.diffusion.params import HUBER, DiffusionParams
from bench_imputers.diffusion.schedule import Parameterisation, Schedule, schedule
from bench_imputers.diffusion.targets import masking
from bench_imputers.naive.channels import visible_columns
from bench_imputers.naive.temporal import Locf
from bench_imputers.target_modalities import chosen

P = TypeVar("P", bound=DiffusionParams)

LOSSES: Mapping[str, Callable[[torch.Tensor, torch.Tensor], torch.Tensor]] = {
    "squared": lambda outputs, goal: (goal - outputs).square(),
    "absolute": lambda outputs, goal: (goal - outputs).abs(),
    "huber": lambda outputs, goal: functional.huber_loss(outputs, goal, reduction="none", delta=HUBER),
}


@dataclass
class Network:
    """A trained denoiser. known: bool [channels], the channel was observed in training."""

    shape: Shape
    module: Denoiser
    known: np.ndarray


class DiffusionImputer(Learner[P], Imputer[P]):
    """Base of the diffusion imputers. A subclass writes `build`, and says by the properties what
    else it needs.
    """

    def __init__(self, params: P):
        super().__init__(params)
        self.networks: dict[str, Network] = {}
        self._simple = Locf(NoParams())
        self._parameterisation = Parameterisation(params.predict)

    @abstractmethod
    def build(self, shape: Shape) -> Denoiser:
        """The network, untrained. Called under the seed of the axis `init`, so torch's own
        initialisation is fine.
        """

    def conditioning(self, observed: torch.Tensor) -> torch.Tensor:
        """What a training visit leaves to see of the observed entries: [b, channels, length], 1
        or 0.
        """
        return masking(self.params.mask, self.params.mask_ratio)(observed)

    @property
    def joint(self) -> bool:
        """Whether all targets are stacked into one grid for one network; else each has a network
        of its own.
        """
        return False

    @property
    def uses_context(self) -> bool:
        """Whether the denoiser reads the other modalities, pooled (`Given.context`)."""
        return False

    @property
    def uses_events(self) -> bool:
        """Whether the denoiser reads the other modalities event by event too (`Given.events`)."""
        return False

    @property
    def pastes(self) -> bool:
        """Whether sampling replaces observed entries of the state by their own noised values
        before every network call.
        """
        return False

    @property
    def schedule(self) -> Schedule:
        betas, last = self.params.noise
        return schedule(betas, self.params.diffusion_steps, self.params.beta_first, last)

    def fit(self, train: Cohort, valid: Cohort, context: Context) -> None:
        """Train a network per target modality (or one for all). Raises DataError for a grid that is
        not finite where it is observed, UsageError for a target that is not there, TrainingError,
        Interrupted.
        """
        self.learn(train, valid, context)

    def summary(self, cohort: Cohort, task: Task | None = None) -> Sums:
        """See `Learner.summary`: of each channel how many entries are observed, and their sum."""
        require_finite(cohort, self._who)
        totals = {}
        for name, series in cohort.modalities.items():
            columns = visible_columns(series)
            totals[f"count/{name}"] = np.array([len(column) for column in columns], np.float64)
            totals[f"sum/{name}"] = np.array([column.sum() for column in columns], np.float64)
        return Sums(form_of(cohort), None, totals)

    def begin(self, sums: Sums, context: Context) -> None:
        """See `Learner.begin`. Raises UsageError for a target that is not there."""
        form, counts = sums.form, {name: sums.totals[f"count/{name}"] for name in sums.form.channels}
        means = {name: sums.totals[f"sum/{name}"] / np.maximum(count, 1) for name, count in counts.items()}
        self._simple.load_state_dict({name: mean.astype(np.float32) for name, mean in means.items()})
        self.learnt, self.networks = False, {}
        targets = chosen(form.channels, self.params.targets, self.params.widest, self._who)
        for name, shape in shapes(form, targets, self.joint, self.uses_context).items():
            known = np.concatenate([counts[part] > 0 for part in shape.parts])
            if not known.any():
                context.report(f"{name}: never observed in training; completed by the training mean of 0")
                continue
            with seeded(context, "init", name):
                module = self.build(shape).to(context.device)
            if self.params.compile:
                module.compile()
            self.networks[name] = Network(shape, module, known)

    @property
    def modules(self) -> dict[str, Denoiser]:
        """See `Learner.modules`: the networks."""
        return {name: network.module for name, network in self.networks.items()}

    def lesson(self, module: str, train: Cohort, valid: Cohort | None, context: Context) -> Lesson | None:
        """See `Learner.lesson`."""
        network = self.networks[module]
        grids = Grids(train, network.shape, context.device, self.uses_events)
        usable = np.flatnonzero(grids.observed_any())
        if not len(usable):
            return None

        def loss(items: np.ndarray) -> torch.Tensor:
            squares, count = self.losses(network.module, grids, usable[items])
            return squares / count.clamp(min=1)

        if valid is None:
            return Lesson(len(usable), loss)
        require_finite(valid, self._who)
        held = Grids(valid, network.shape, context.device, self.uses_events)
        kept = self._kept(held)

        def validate() -> float:
            total, count = self._denoising(network, held, kept)
            return total / max(count, 1.0)

        return Lesson(len(usable), loss, validate if self.params.validate and len(kept) else None)

    def validate(self, valid: Cohort, context: Context) -> dict[str, np.ndarray]:
        """See `Learner.validate`: the denoising loss of `validation_records` records, under the
        same noise in every call.
        """
        loss, count = 0.0, 0.0
        for name, network in self.networks.items():
            held = Grids(valid, network.shape, context.device, self.uses_events)
            network.module.to(context.device).eval()
            with seeded(context, "noise", name, "validation"), torch.no_grad(), autocast(context):
                total, counted = self._denoising(network, held, self._kept(held))
            loss, count = loss + total, count + counted
        return {"loss": np.array(loss), "count": np.array(count)}

    def _kept(self, valid: Grids) -> np.ndarray:
        return np.flatnonzero(valid.observed_any())[: self.params.validation_records]

    def _denoising(self, network: Network, valid: Grids, kept: np.ndarray) -> tuple[float, float]:
        """Sum of errors over the hidden entries of the records `kept`, and how many these are."""
        steps = torch.from_numpy(np.arange(len(kept)) * self.params.diffusion_steps // max(len(kept), 1))
        total, counted = 0.0, 0.0
        for start in range(0, len(kept), self.params.batch_size):
            part = slice(start, start + self.params.batch_size)
            squares, count = self.losses(network.module, valid, kept[part], steps[part])
            total, counted = total + float(squares), counted + float(count)
        return total, counted

    def losses(
        self, module: Denoiser, grids: Grids, items: np.ndarray, steps: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Sum of errors (squared, or as `loss` says) over the hidden entries of those records, and
        how many these are.

        Mask, step and noise come from torch's generator, step and noise `noises` times for each
        record. steps: int64 [b], in place of drawn ones, once. Entries never observed hold 0 with
        noise on top and have no loss (CSDI, section 3.3 and algorithm 1).
        """
        values, observed = grids.batch(items)
        visible = self.conditioning(observed)
        hidden = observed - visible
        repeat = self.params.noises if steps is None else 1
        if steps is None:
            steps = torch.randint(self.params.diffusion_steps, (repeat * len(items),), device=values.device)
        steps = steps.to(values.device)
        alpha_bars = torch.from_numpy(self.schedule.alpha_bars).to(values.device)[steps][:, None, None]
        signal, sigma = alpha_bars.sqrt().float(), (1 - alpha_bars).sqrt().float()
        seen = values * visible
        clean = (values - observed * self.centre(seen, visible)).repeat_interleave(repeat, dim=0)
        hidden = hidden.repeat_interleave(repeat, dim=0)
        eps = torch.randn_like(clean)
        conditioned = repeated(
            module.condition(Given(seen, visible, grids.context(items), grids.events(items))), repeat
        )
        outputs = module(signal * clean + sigma * eps, steps, conditioned).float()
        goal = self._parameterisation.goal(clean, eps, signal, sigma)
        return (LOSSES[self.params.loss](outputs, goal) * hidden).sum(), hidden.sum()

    def centre(self, values: torch.Tensor, visible: torch.Tensor) -> torch.Tensor:
        """What the process is relative to: 0, or with `residual` the interpolation of the
        visible entries.
        """
        if not self.params.residual:
            return torch.zeros_like(values)
        return interpolated(values, visible, torch.zeros(values.shape[1], device=values.device))

    def impute(self, cohort: Cohort, draws: int, context: Context) -> dict[str, np.ndarray]:
        """See `Imputer.impute`. Raises NotFitted, DataError, UsageError for a cohort of another
        form than the training's, Interrupted. What is no target is completed once, and the same
        array is shown for every draw.
        """
        if not self.learnt:
            raise NotFitted(f"{self._who} must be fitted, or given a state, before it imputes")
        for network in self.networks.values():
            self._require_form(cohort, network.shape)
        require_finite(cohort, self._who)
        simple, means = self._simple.impute(cohort, 1, context), self._simple.state_dict()
        completed = {name: np.broadcast_to(grid, (draws, *grid.shape[1:])) for name, grid in simple.items()}
        for name, network in self.networks.items():
            network.module.to(context.device).eval()
            drawing = Drawing(
                module=network.module,
                grids=Grids(cohort, network.shape, context.device, self.uses_events),
                ids=[str(record) for record in cohort.ids],
                draws=draws,
                shape=network.shape,
                fill=torch.from_numpy(np.concatenate([means[part] for part in network.shape.parts])),
                seed=context.seed_for("draws", name),
                name=name,
                parameterisation=self._parameterisation,
                schedule=self.schedule,
                params=self.params,
                pastes=self.pastes,
                centre=self.centre,
            )
            stacked = draw(drawing, context)
            at = 0
            for part, width in network.shape.parts.items():
                series, own = cohort.modalities[part], slice(at, at + width)
                open_ = ~np.asarray(series.observed) & network.known[own]
                completed[part] = np.where(open_, stacked[..., own], simple[part])
                at += width
        return completed

    def parameters(self) -> int:
        """How many weights all networks have together."""
        return sum(weight.numel() for each in self.networks.values() for weight in each.module.parameters())

    def state_dict(self) -> dict[str, np.ndarray]:
        if not self.learnt:
            return {}
        state = {f"fill/{name}": values for name, values in self._simple.state_dict().items()}
        for name, network in self.networks.items():
            state |= stored.pack(name, network.shape, network.known, network.module)
        return state

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        self._simple.load_state_dict(
            {name.removeprefix("fill/"): values for name, values in state.items() if name.startswith("fill/")}
        )
        self.networks = {}
        for name in stored.names(state):
            shape, known, weights = stored.unpack(name, state)
            with torch.random.fork_rng(devices=[]):
                module = self.build(shape)
            module.load_state_dict(weights)
            if self.params.compile:
                module.compile()
            self.networks[name] = Network(shape, module.eval(), known)
        self.learnt = True

    @property
    def _who(self) -> str:
        return type(self).__name__.lower()

    def _require_form(self, cohort: Cohort, shape: Shape) -> None:
        for name, channels in [*shape.parts.items(), *shape.context.items()]:
            if name not in cohort.modalities:
                raise UsageError(f"{self._who}: was trained with the modality {name}, which this cohort does not have")
            series = cohort.modalities[name]
            form = (series.grid.shape[2], tuple(float(time) for time in series.times))
            if form != (channels, shape.times):
                raise UsageError(
                    f"{self._who}: was trained with {channels} channels of {name} at {shape.length} bins; this cohort has "
                    f"{form[0]} at {len(form[1])} bins or other times. Fit it on a cohort of the same form"
                )
