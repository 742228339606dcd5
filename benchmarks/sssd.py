"""Measures S4 and SSSD and prints each number beside its goal.

    python benchmarks/sssd.py                 about a minute, one thread
    python benchmarks/sssd.py --threads 2     all rows with two
    python benchmarks/sssd.py --quick         tiny sizes, once: tries the script, measures nothing
    python benchmarks/sssd.py --json

Rows without a goal stand beside the row they are to be compared with, from the same run on the same
machine. Untrained networks on made-up grids: no time depends on what weights or values are. Exit
code 0 whether goals are met or not.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

from bench_imputers.diffusion import s4
from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.samplers import Ancestral
from bench_imputers.diffusion.schedule import schedule
from bench_imputers.diffusion.sssd import SssdDenoiser
from bench_imputers.diffusion.sssd_params import SssdParams
from benchmarks.measuring import Row, median, table, timed
from support import nplr

KERNEL_GOAL, KERNEL_LENGTH = 0.005, 100
"""Seconds per layer of 512 features at that length."""

CLOSE = 1e-5
"""Of the largest value of the full conjugate-pair kernel."""

GRIDS = ((14, 100), (35, 48))
"""Channels and bins of the two series that the specification times (section 7)."""


class Kernels:
    """The kernels of some layers, each with its own V, so that V comes from memory and not from
    the processor's cache.
    """

    def __init__(self, layers: int, features: int, length: int):
        self.layers, self.length = layers, length
        low, high = (math.log(bound) for bound in s4.DELTAS)
        self.delta = torch.exp(torch.empty(layers, features).uniform_(low, high))
        self.c = torch.randn(layers, features, 2, s4.STATES, requires_grad=True)
        self.v = [s4.krylov(delta, length).float() for delta in self.delta]
        self.basis = nplr.modes(s4.STATES)
        c = self.c.detach().double()
        self.stored = [nplr.stored(x, d, length, self.basis) for x, d in zip(c, self.delta, strict=True)]
        self.single = [parameter.to(torch.complex64) for parameter in self.stored]

    def ours(self) -> list[torch.Tensor]:
        return [torch.bmm(c, v) for c, v in zip(self.c, self.v, strict=True)]

    def without_gradient(self) -> None:
        with torch.no_grad():
            self.ours()

    def with_gradient(self) -> None:
        torch.stack(self.ours()).sum().backward()

    def full(self) -> list[torch.Tensor]:
        pairs = zip(self.single, self.delta, strict=True)
        return [nplr.kernel(x, d, self.length, self.basis) for x, d in pairs]

    def halved(self) -> list[torch.Tensor]:
        pairs = zip(self.single, self.delta, strict=True)
        return [nplr.kernel(x, d, self.length, self.basis, conjugates=False) for x, d in pairs]

    def deviation(self) -> float:
        pairs = zip(self.stored, self.delta.double(), strict=True)
        exact = torch.stack([nplr.kernel(x, d, self.length, self.basis) for x, d in pairs])
        return float((torch.stack(self.ours()).detach() - exact).abs().max() / exact.abs().max())


def kernels(quick: bool) -> Iterator[Row]:
    """The two kernels of a layer, ours and in the published parametrisation, and whether they
    agree.
    """
    layers, features, repetitions = (1, 16, 1) if quick else (8, 512, 11)
    for length in (48, KERNEL_LENGTH):
        made, at = Kernels(layers, features, length), f"length {length}"
        v = timed(lambda made=made: s4.krylov(made.delta[0], made.length), repetitions)  # type: ignore[misc]
        yield median(f"S4: matrix V of a layer, {at}", None, v, "once per training, double precision")
        for what, function, note in (
            (f"S4: kernels of a layer, {at}", made.without_gradient, "both directions"),
            (f"  the same, full conjugate-pair form, {at}", made.full, "as published, single precision"),
            (f"  the same, kept half alone, {at}", made.halved, "the published fallback; another kernel"),
            (f"  kernels and their gradient, {at}", made.with_gradient, ""),
        ):
            row = median(what, None, timed(function, repetitions), note)
            assert row.wall is not None
            assert row.cpu is not None
            goal = KERNEL_GOAL if length == KERNEL_LENGTH and function == made.without_gradient else None
            yield replace(row, goal=goal, wall=row.wall / layers, cpu=row.cpu / layers)
        apart = made.deviation()
        note = f"largest deviation {apart:.1e}, from the form in double precision"
        yield Row(f"S4: kernel within {CLOSE:g} of the full form, {at}", answer=apart <= CLOSE, note=note)


class Convolution:
    """A two-sided convolution, features by features: by FFT, and as a product with Toeplitz
    matrices made before.
    """

    def __init__(self, records: int, features: int, length: int):
        causal, anticausal = torch.randn(2, features, length)
        self.inputs = torch.randn(records, length, features)
        self.transformed = s4.spectrum(causal, anticausal)
        lags = torch.cat([anticausal[:, : length - 1].flip(1), causal], 1)
        self.matrices = lags.unfold(1, length, 1).flip(2).mT.contiguous()
        assert torch.allclose(self.by_product().transpose(0, 1), self.by_fft(), atol=1e-3)

    def by_fft(self) -> torch.Tensor:
        return s4.convolve(self.inputs.transpose(1, 2).contiguous(), self.transformed)

    def by_product(self) -> torch.Tensor:
        return torch.bmm(self.inputs.permute(2, 0, 1), self.matrices)


def convolutions(quick: bool) -> Iterator[Row]:
    """512 features at several lengths."""
    features, repetitions = (16, 1) if quick else (512, 11)
    for length in (12, 24, 48, 64, 100):
        for records in (4, 16):
            made, what = Convolution(records, features, length), f"length {length}, {records} records"
            yield median(f"S4: convolution by FFT, {what}", None, timed(made.by_fft, repetitions))
            note = "making the matrices not counted"
            yield median(f"  by Toeplitz product, {what}", None, timed(made.by_product, repetitions), note)


@dataclass
class Network:
    """A network in eval mode, and what it is called with."""

    module: SssdDenoiser
    state: torch.Tensor
    step: torch.Tensor
    given: Given
    conditioned: Any = None

    def tabulate(self) -> None:
        with torch.inference_mode():
            self.module.eval().sampling()
            self.conditioned = self.module.condition(self.given)

    def call(self) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = self.module(self.state, self.step, self.conditioned)
        return found

    def call_anew(self) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = self.module(self.state, self.step, self.module.condition(self.given))
        return found

    def draw(self, anew: bool = False) -> None:
        """One ancestral draw of each record, all steps. anew: what could be tabulated is
        computed at every step.
        """
        p = self.module.params
        solver = Ancestral(schedule(p.betas, p.diffusion_steps, p.beta_first, p.beta_last), 0)
        if anew:
            self.module.eval()
        else:
            self.tabulate()
        for index, step in enumerate(solver.steps):
            self.step = torch.full_like(self.step, step)
            eps = self.call_anew() if anew else self.call()
            self.state = solver.next(index, self.state, eps, eps, lambda _: torch.randn_like(self.state))

    def train(self) -> None:
        self.module.train().zero_grad()
        said = self.module(self.state, self.step, self.module.condition(self.given))
        ((said - self.state).square() * (1 - self.given.conditioning)).mean().backward()


def network(channels: int, length: int, records: int, **sizes: Any) -> Network:
    torch.manual_seed(0)
    shape = Shape(channels, length, {"series": channels}, {}, tuple(float(hour) for hour in range(length)))
    module = SssdDenoiser(shape, SssdParams(**sizes)).eval()
    seen = (torch.rand(records, channels, length) < 0.2).float()
    given = Given(torch.randn(records, channels, length) * seen, seen, {})
    return Network(module, torch.randn(records, channels, length), torch.zeros(records, dtype=torch.int64), given)


def networks(quick: bool) -> Iterator[Row]:
    """Calls, draws and training steps of a small network, and a call of the published one."""
    records, repetitions, steps, runs = (2, 1, 3, 1) if quick else (16, 7, 50, 3)
    for channels, length in GRIDS:
        what = f"{channels} x {length}, 4 blocks of width 64, {records} records"
        made = network(channels, length, records, blocks=4, width=64, diffusion_steps=steps)
        anew = median("  the same, nothing tabulated", None, timed(made.call_anew, repetitions))
        made.tabulate()
        yield median(f"SSSD: network call, {what}", None, timed(made.call, repetitions))
        yield anew
        fast = median(f"SSSD: one draw of each record, {steps} steps, {what}", None, timed(made.draw, runs))
        slow = median("  the same, nothing tabulated", None, timed(lambda made=made: made.draw(True), runs))  # type: ignore[misc]
        assert fast.cpu is not None
        assert slow.cpu is not None
        yield fast
        yield replace(slow, note=f"{slow.cpu / fast.cpu:.2f} times the processor time")
        yield median(f"SSSD: training step, {what}", None, timed(made.train, repetitions))
    channels, length = GRIDS[0]
    blocks, width, records = (1, 16, 1) if quick else (36, 256, 4)
    made = network(channels, length, records, blocks=blocks, width=width)
    first = timed(made.tabulate, 1)
    what = f"{channels} x {length}, {blocks} blocks of width {width}, {records} records"
    parameters = f"{sum(parameter.numel() for parameter in made.module.parameters()):,} parameters"
    yield median(f"SSSD: network call, {what}", None, timed(made.call, runs), parameters)
    yield median("  all V and all that is tabulated", None, first, "V once per process, the rest once per sampling")


def main() -> int:
    import argparse
    import json
    from dataclasses import asdict

    parser = argparse.ArgumentParser(description="Measure S4 and SSSD and print each number beside its goal.")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one repetition")
    parser.add_argument("--threads", type=int, default=1, help="threads of torch (default 1)")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    rows: list[Row] = []
    for part in (kernels, convolutions, networks):
        for row in part(asked.quick):
            rows.append(row)
            print(row.line(), file=sys.stderr, flush=True)
    print(json.dumps([asdict(row) | {"ok": row.ok} for row in rows], indent=2) if asked.json else table(rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
