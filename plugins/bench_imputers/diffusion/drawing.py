"""Draws of a cohort's records by one network: chunks, shared conditioning, keyed noise, the way
back from no memory.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from bench.components import Context, Interrupted
from bench.errors import BenchError
from bench.training import autocast
from bench_imputers.diffusion.denoiser import Denoiser, Given, Shape
from bench_imputers.diffusion.grids import Grids
from bench_imputers.diffusion.guess import carried, interpolated
from bench_imputers.diffusion.noise import KeyedNoise, record_key
from bench_imputers.diffusion.params import DiffusionParams
from bench_imputers.diffusion.samplers import solver
from bench_imputers.diffusion.schedule import Parameterisation, Schedule

CPU_CELLS, GPU_CELLS = 2**12, 2**20
"""Grid cells of a network call where `chunk` leaves the choice: on a CPU as many as keep the
activations in its cache.
"""

START, PASTE = -1, -2
"""Words of the noise of the start and of pasted values; those of solver steps are 0 and up."""


class SamplingError(BenchError):
    """Sampling cannot go on: a draw is not finite, or a single one does not fit into the memory
    of the GPU.
    """


@dataclass(frozen=True)
class Drawing:
    """All that `draw` needs. ids: of the records of `grids`; fill: float32 [channels], for
    starts; others as in the engine.
    """

    module: Denoiser
    grids: Grids
    ids: list[str]
    draws: int
    shape: Shape
    fill: torch.Tensor
    seed: int
    name: str
    parameterisation: Parameterisation
    schedule: Schedule
    params: DiffusionParams
    pastes: bool
    centre: Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def draw(drawing: Drawing, context: Context) -> np.ndarray:
    """float32 [draws, n, length, channels]; entries that were observed hold whatever the sampling
    left there.

    A chunk is some records with some draws of each. On the CPU the last chunk is filled up with
    repetitions, so that every network call has the same shape. A record's bits then depend as
    little as possible on its chunk mates. Raises SamplingError, and Interrupted when the run is
    being stopped.
    """
    n, shape = len(drawing.ids), drawing.shape
    samples = np.empty((drawing.draws, n, shape.length, shape.channels), np.float32)
    chunk = drawing.params.chunk or _chosen_chunk(drawing.module.cells(shape), context.device)
    done, last_report = 0, time.monotonic()
    with torch.inference_mode():
        drawing.module.sampling()
        while done < n:
            records = min(max(chunk // drawing.draws, 1), n - done)
            items = np.arange(done, done + records)
            try:
                samples[:, items] = _block(drawing, items, chunk, context)
            except torch.cuda.OutOfMemoryError:
                if chunk == 1:
                    raise SamplingError(
                        f"{drawing.name}: a single draw of a single record does not fit into the memory of the GPU; use a "
                        "smaller network, or device=cpu"
                    ) from None
                chunk = max(chunk // 2, 1)
                if torch.cuda.is_available():
                    torch.cuda.empty_cache()
                context.report(f"{drawing.name}: out of GPU memory, goes on with chunk={chunk}")
                continue
            done += records
            if done == n or time.monotonic() - last_report > 1:
                context.report(f"modality {drawing.name}: record {done} of {n}")
                last_report = time.monotonic()
    return samples


def _chosen_chunk(cells: int, device: str) -> int:
    return max((CPU_CELLS if device == "cpu" else GPU_CELLS) // cells, 1)


def _block(drawing: Drawing, items: np.ndarray, chunk: int, context: Context) -> np.ndarray:
    """[draws, records, length, channels] of some records whose conditioning is computed once."""
    per_call = min(max(chunk // len(items), 1), drawing.draws)
    if context.device == "cpu":
        whole = max(chunk // drawing.draws, 1)
        padded = np.concatenate([items, np.repeat(items[:1], whole - len(items))])
        per_call = min(chunk // whole, drawing.draws)
    else:
        padded = items
    values, visible = drawing.grids.batch(padded)
    inputs = Given(values, visible, drawing.grids.context(padded), drawing.grids.events(padded))
    with autocast(context):
        conditioned = drawing.module.condition(inputs)
    samples = []
    for first in range(0, drawing.draws, per_call):
        # Past the last one, draws are repeated to the full width and dropped.
        wide = context.device == "cpu" or first + per_call <= drawing.draws
        draws = np.arange(first, first + per_call if wide else drawing.draws)
        states = _chunk(drawing, padded, values, visible, repeated(conditioned, len(draws)), draws, context)
        samples.append(states.reshape(len(padded), len(draws), *states.shape[1:])[: len(items)])
    result = torch.cat(samples, dim=1)[:, : drawing.draws].permute(1, 0, 3, 2).cpu().numpy()
    if not np.isfinite(result).all():
        raise SamplingError(
            f"{drawing.name}: draws of {len(items)} of {len(drawing.ids)} records are not finite numbers; "
            "train longer (epochs or steps), or bound the implied clean value (bound=4)"
        )
    return np.asarray(result)


def repeated(conditioned: Any, times: int) -> Any:
    """Every tensor of a nest repeated for the draws of a record; what all share stays as it is."""
    if isinstance(conditioned, dict):
        return {key: repeated(value, times) for key, value in conditioned.items()}
    if isinstance(conditioned, list | tuple):
        return type(conditioned)(repeated(value, times) for value in conditioned)
    if not isinstance(conditioned, torch.Tensor) or len(conditioned) == 1 or times == 1:
        return conditioned
    return conditioned.repeat_interleave(times, dim=0)


def _chunk(
    drawing: Drawing,
    items: np.ndarray,
    values: torch.Tensor,
    visible: torch.Tensor,
    conditioned: Any,
    draws: np.ndarray,
    context: Context,
) -> torch.Tensor:
    """One sampling of records x draws, [units, channels, length], records first."""
    params, size = drawing.params, (drawing.shape.channels, drawing.shape.length)
    steps = solver(params.solver, drawing.schedule, params.solver_steps, params.eta)
    keys = [record_key(drawing.ids[item]) for item in items for _ in draws]
    noise = KeyedNoise(drawing.seed, keys, np.tile(draws, len(items)).tolist(), values.device)
    repeat = len(draws)
    values, visible = (each.repeat_interleave(repeat, dim=0) for each in (values, visible))
    centre = drawing.centre(values, visible)
    state = noise(*size, START)
    if params.start != "noise":
        guess = carried if params.start == "noised_locf" else interpolated
        begun = guess(values, visible, drawing.fill.to(values.device)) - centre
        state = float(steps.signal[0]) * begun + float(steps.sigma[0]) * state
    pasted = _pasted(steps.betas, values - centre, noise) if drawing.pastes else None
    for index, step in enumerate(steps.steps):
        if context.should_stop():
            raise Interrupted(f"{drawing.name}: stopped while imputing")
        if pasted is not None:
            state = torch.where(visible > 0, pasted[index], state)
        unit_steps = torch.full((len(state),), step, device=state.device)
        with autocast(context):
            outputs = drawing.module(state, unit_steps, conditioned)
        signal, sigma = float(steps.signal[index]), float(steps.sigma[index])
        clean, eps = drawing.parameterisation.split(outputs.float(), state, signal, sigma)
        if params.bound:
            clean = (clean + centre).clamp(-params.bound, params.bound) - centre
            eps = (state - signal * clean) / sigma
        state = steps.next(index, state, clean, eps, lambda place: noise(*size, place))
    return state + centre


def _pasted(betas: np.ndarray, values: torch.Tensor, noise: KeyedNoise) -> list[torch.Tensor]:
    """The values noised forward along one chain, from the noisiest solver step to the cleanest
    (CSDI, unconditional).
    """
    chain, state = [], values
    for place, beta in enumerate(betas[::-1]):
        fresh = noise(*values.shape[1:], PASTE, place)
        state = float((1 - beta) ** 0.5) * state + float(beta**0.5) * fresh
        chain.append(state)
    return chain[::-1]
