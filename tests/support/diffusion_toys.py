"""A denoiser small enough to know by heart, csdi in little, and what both are tried on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch

from bench.cohort import Cohort
from bench.components import Context
from bench.testing.toy import toy_cohort
from bench_imputers.diffusion.csdi import Csdi
from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.engine import DiffusionImputer
from bench_imputers.diffusion.params import CsdiParams, DiffusionParams

TINY: dict[str, Any] = {
    "channels": 8,
    "heads": 2,
    "layers": 1,
    "feedforward": 8,
    "step_width": 8,
    "time_width": 8,
    "feature_width": 4,
    "diffusion_steps": 6,
    "steps": 6,
    "bound": 4.0,
}


class Toy(Denoiser):
    """Says `weight` x the mean of the visible values, everywhere. log: the number of units of
    every call.
    """

    log: list[int]

    def __init__(self, shape: Shape):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.log, self.conditioned = [], 0

    def condition(self, given: Given) -> Any:
        self.conditioned += 1
        return {"mean": [given.values.mean(dim=(1, 2))], "shared": torch.ones(1, 1, 1)}

    def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
        self.log.append(len(state))
        mean = conditioned["mean"][0]
        assert len(mean) in (1, len(state))
        assert len(step) == len(state)
        return self.weight * mean[:, None, None] * conditioned["shared"] + 0 * state


class ToyImputer(DiffusionImputer[DiffusionParams]):
    """A diffusion imputer of `Toy`."""

    largest = 10**9

    def build(self, shape: Shape) -> Denoiser:
        limit = self.largest

        class Limited(Toy):
            def forward(self, state: torch.Tensor, step: torch.Tensor, conditioned: Any) -> torch.Tensor:
                if len(state) > limit:
                    raise torch.cuda.OutOfMemoryError("CUDA out of memory")
                return super().forward(state, step, conditioned)

        return Limited(shape)


def cohort(n: int = 24, **toy: Any) -> Cohort:
    return toy_cohort(n, length=6, **toy).without_targets()


def fitted(
    kind: Callable[[Any], DiffusionImputer[Any]] = ToyImputer, context: Context | None = None, **params: Any
) -> DiffusionImputer[Any]:
    """An imputer trained for a few steps on 24 records."""
    given = {"steps": 2, "predict": "x0", "diffusion_steps": 4, **params}
    imputer = kind(DiffusionParams(**given)) if kind is not Csdi else csdi(**params)
    imputer.fit(cohort(), cohort(8, seed=1), context or Context())
    return imputer


def csdi(**params: Any) -> Csdi:
    return Csdi(CsdiParams(**(TINY | params)))


def module_of(imputer: DiffusionImputer[Any], name: str = "vitals") -> Any:
    return imputer.networks[name].module


def same(a: Mapping[str, np.ndarray], b: Mapping[str, np.ndarray], atol: float = 0.0) -> bool:
    return all(np.allclose(a[name], b[name], rtol=0, atol=atol) for name in a)


def weights(imputer: DiffusionImputer[Any]) -> dict[str, bytes]:
    return {name: array.tobytes() for name, array in imputer.state_dict().items()}
