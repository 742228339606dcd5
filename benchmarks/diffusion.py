"""Measures csdi against PyPOTS' CSDI with the same weights, and prints each number beside its goal.

    python benchmarks/diffusion.py                    a minute or two on two quiet cores; a GPU
                                                      where torch finds one
    python benchmarks/diffusion.py --threads 1        with one thread
    python benchmarks/diffusion.py --quick            tiny sizes, once: tries the script, measures
                                                      nothing
    python benchmarks/diffusion.py --json
    python benchmarks/diffusion.py --quality FILE     only: 10 steps against 50 with the weights of
                                                      that file, on real records

The grid is 35 x 48 with 50 steps: the published healthcare configuration. Its weights are
untrained, so that under the published noise (`beta_last` = 0.5) the states grow more than a
hundredfold, as those of a trained network do not; `--beta-last 0.02` keeps them small. Times of the
two settings may differ, so say which one a figure comes from. Each side picks the records per
network call that suit it, from a short trial. For the comparison of results both sides get the same
noise. FILE is the state.safetensors of an imputation of the suite csdi_healthcare; `--params` says,
as JSON, where its parameters are not the defaults. Needs the extra pypots. Exit code 0 whether
goals are met or not.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cohort import Cohort, Events, Series
from bench.components import Context
from bench_imputers.diffusion import state as stored
from bench_imputers.diffusion.csdi import Csdi, CsdiDenoiser
from bench_imputers.diffusion.denoiser import Given, Shape
from bench_imputers.diffusion.drawing import START
from bench_imputers.diffusion.grids import Grids
from bench_imputers.diffusion.noise import KeyedNoise, record_key
from bench_imputers.diffusion.params import CsdiParams
from bench_imputers.pypots.library import imputation
from benchmarks.measuring import Row, Taken, median, table

EXACT, SHORT, TRAINING = 1.7, 8.0, 1.3
"""Goals: how many times faster than the peer."""

CLOSE = 1e-5
"""Goal: the largest difference of a completed grid, as a share of its largest value."""

SAME_QUALITY = 0.02
"""Goal: how much larger CRPS and MAE of 10 steps may be than those of 50, as a share."""

SAMPLERS: dict[str, dict[str, Any]] = {
    "all steps": {"solver_steps": 0, "solver": "ancestral"},
    "10 steps, ddim without noise": {"solver_steps": 10, "solver": "ddim", "eta": 0.0},
    "10 steps, ddim with noise": {"solver_steps": 10, "solver": "ddim", "eta": 1.0},
    "10 steps, dpm++": {"solver_steps": 10, "solver": "dpm++"},
}
"""Of the quality rows; the first is what the others are compared with."""

MODALITY = "vitals"


@dataclass(frozen=True)
class Size:
    """What is measured: the grid, the network, how much of it, and where."""

    channels: int
    length: int
    params: CsdiParams
    records: int
    draws: int
    batch: int
    repetitions: int
    device: str

    @property
    def shape(self) -> Shape:
        times = tuple(float(hour) for hour in range(self.length))
        return Shape(self.channels, self.length, {MODALITY: self.channels}, {}, times)


class Pair:
    """PyPOTS' CSDI and ours, with the same weights, and a made-up cohort."""

    def __init__(self, size: Size):
        self.size = size
        torch.manual_seed(0)
        self.ours = CsdiDenoiser(size.shape, size.params)
        torch.nn.init.normal_(self.ours.output.weight, std=0.05)
        self.peer = _peer(size)
        _give(self.ours, self.peer)
        self.ours.to(size.device)
        self.peer.to(size.device)
        self.cohort = _cohort(size)
        self.grids = Grids(self.cohort, size.shape, size.device)
        self.times = torch.arange(size.length, device=size.device).float()

    def imputer(self, **changed: Any) -> Csdi:
        """Ours as an imputer with these weights."""
        made = Csdi(CsdiParams(**{**_fields(self.size.params), **changed}))
        known = np.ones(self.size.channels, bool)
        packed = stored.pack(MODALITY, self.size.shape, known, self.ours)
        made.load_state_dict({**packed, f"fill/{MODALITY}": np.zeros(self.size.channels, np.float32)})
        return made

    def sample_ours(self, imputer: Csdi) -> np.ndarray:
        """[draws, records, length, channels]"""
        done = imputer.impute(
            self.cohort.take(np.arange(self.size.records)), self.size.draws, Context(device=self.size.device)
        )[MODALITY]
        self._wait()
        return done

    def sample_peer(self, chunk: int, noise: bool = False) -> np.ndarray:
        """[draws, records, length, channels]; `noise`: with ours in place of torch's."""
        self.peer.eval()
        made = []
        with torch.inference_mode():
            for start in range(0, self.size.records, chunk):
                items = np.arange(start, min(start + chunk, self.size.records))
                values, visible = self.grids.batch(items)
                given = {"X": values, "cond_mask": visible, "observed_tp": self.times[None].expand(len(items), -1)}
                with self._noise(items) if noise else contextlib.nullcontext():
                    made.append(self.peer(given, n_sampling_times=self.size.draws)["imputation"])
        self._wait()
        return torch.cat(made).transpose(0, 1).cpu().numpy()

    def _noise(self, items: np.ndarray) -> Any:
        """torch.randn_like, answering with the noise that our sampler would take next for these
        records.
        """
        keys = [record_key(str(self.cohort.ids[item])) for item in items]
        seed, steps = Context().seed_for("draws", MODALITY), self.size.params.diffusion_steps
        answers = (
            KeyedNoise(seed, keys, [draw] * len(keys), self.size.device)(self.size.channels, self.size.length, word)
            for draw in range(self.size.draws)
            for word in [START, *range(steps - 1)]
        )
        return mock.patch.object(torch, "randn_like", side_effect=answers)

    def train_ours(self) -> None:
        module = self.ours.train()
        module.zero_grad()
        squares, count = Csdi(self.size.params).losses(module, self.grids, np.arange(self.size.batch))
        (squares / count.clamp(min=1)).backward()
        self._wait()

    def train_peer(self) -> None:
        self.peer.train().zero_grad()
        values, observed = self.grids.batch(np.arange(self.size.batch))
        visible = Csdi(self.size.params).conditioning(observed)
        given = {
            "X_ori": values,
            "cond_mask": visible,
            "indicating_mask": observed - visible,
            "observed_tp": self.times[None].expand(self.size.batch, -1),
        }
        self.peer(given, calc_criterion=True)["loss"].backward()
        self._wait()

    def calls(self, chunk: int) -> tuple[Callable[[], object], Callable[[], object]]:
        """One network call of the peer and of ours, with so many records."""
        values, visible = self.grids.batch(np.arange(chunk) % self.size.records)
        state = torch.randn_like(values)
        side = self.peer.get_side_info(self.times[None].expand(chunk, -1), visible)
        inputs = torch.stack([values, (1 - visible) * state], dim=1)
        step = torch.tensor([3], device=self.size.device)
        self.ours.eval()
        self.ours.sampling()
        conditioned = self.ours.condition(Given(values, visible, {}))
        peer = self.peer.eval().backbone.diff_model
        return (lambda: (peer(inputs, side, step), self._wait())), (
            lambda: (self.ours(state, step.expand(chunk), conditioned), self._wait())
        )

    def chunks(self) -> tuple[int, int]:
        """The number of records per call that suits each side best."""
        most = self.size.records * (1 if self.size.device == "cpu" else self.size.draws)
        choices = [chunk for chunk in (1, 2, 4, 8, 16, 64, 256, 1024) if chunk <= most]
        speed: list[list[float]] = [[], []]
        with torch.inference_mode():
            for chunk in choices:
                for side, call in enumerate(self.calls(chunk)):
                    call()
                    speed[side].append(min(_timed(call).wall for _ in range(3)) / chunk)
        peer, ours = (choices[int(np.argmin(each))] for each in speed)
        return min(peer, self.size.records), ours

    def _wait(self) -> None:
        if self.size.device == "cuda":
            torch.cuda.synchronize()


def rows(size: Size) -> Iterator[Row]:
    """All rows but those of the quality."""
    pair = Pair(size)
    peer_chunk, our_chunk = pair.chunks()
    grid = f"{size.channels} x {size.length}"
    count = size.records * size.draws
    exact, short = (pair.imputer(chunk=our_chunk, solver_steps=steps) for steps in (0, 10))
    theirs, ours, few = _in_turn(
        size.repetitions,
        lambda: pair.sample_peer(peer_chunk),
        lambda: pair.sample_ours(exact),
        lambda: pair.sample_ours(short),
    )
    steps = size.params.diffusion_steps
    peer = median(
        f"PyPOTS' CSDI, {steps} steps, per record and draw, {grid}",
        None,
        _each(theirs, count),
        f"{peer_chunk} records a call",
    )
    yield peer
    for what, taken, goal in (
        (f"csdi, {steps} steps, the exact sampler", ours, EXACT),
        ("csdi, 10 steps", few, SHORT),
    ):
        yield _against(peer, f"  {what}", goal, _each(taken, count), f"{our_chunk} a call; ")
    exactly = pair.sample_peer(peer_chunk, noise=True)
    apart = float(np.abs(pair.sample_ours(exact) - exactly).max() / np.abs(exactly).max())
    note = f"largest difference {apart:.1e} of the largest value, the same noise on both sides"
    yield Row("  the exact sampler gives the peer's draws, to 1e-5", answer=apart <= CLOSE, note=note)
    theirs, ours = _in_turn(size.repetitions, pair.train_peer, pair.train_ours)
    peer = median(
        f"PyPOTS' CSDI, training step, batch {size.batch}, {grid}", None, theirs, "loss and gradient, dropout 0.1"
    )
    yield peer
    yield _against(peer, "  csdi, the same", TRAINING, ours, "")


def quality(file: Path, params: dict[str, Any], records: int, draws: int) -> Iterator[Row]:
    """CRPS and MAE of 10 steps against all, on the first test records of the published protocol
    with 10 % hidden.
    """
    from bench.arrays import read
    from bench.metrics.imputation import imputation_scores
    from bench.registry import discover
    from benchmarks.pypots_anchor import Anchor

    anchor = Anchor(discover(), "", 1)
    test = anchor.cohort.take(np.flatnonzero(anchor.parts == 2)[:records])
    hidden = {name: mask[:records] for name, mask in anchor.hidden.items()}
    truth = {name: values[:records][hidden[name]] for name, values in anchor.truth.items()}
    whole: dict[str, float] = {}
    for what, chosen in SAMPLERS.items():
        imputer = Csdi(CsdiParams(**{**params, **chosen}))
        imputer.load_state_dict(read(file)[0])
        begun = time.perf_counter()
        made = imputer.impute(test, draws, Context(device="cuda" if torch.cuda.is_available() else "cpu"))
        wall = time.perf_counter() - begun
        scores = imputation_scores(truth, {name: made[name][:, hidden[name]] for name in truth})["all"]
        told = f"MAE {scores['mae']:.4f}, CRPS {scores['crps']:.4f}, {draws} draws; inside the central 50 and 90 %: "
        told += f"{scores['coverage50']:.0%}, {scores['coverage90']:.0%}"
        yield Row(f"{what}, {len(test)} records", wall=wall, repetitions=1, note=told)
        if whole:
            worse = {name: scores[name] / whole[name] - 1 for name in ("mae", "crps")}
            note = ", ".join(f"{name} {100 * change:+.1f} %" for name, change in worse.items())
            yield Row(f"  {what}: as good as all, to 2 %", answer=max(worse.values()) <= SAME_QUALITY, note=note)
        whole = whole or scores


def _in_turn(repetitions: int, *functions: Callable[[], object]) -> list[list[Taken]]:
    """Each function timed so many times, in turn, so that what else the machine does falls on
    all of them.
    """
    taken: list[list[Taken]] = [[] for _ in functions]
    for _ in range(repetitions):
        for place, function in enumerate(functions):
            taken[place].append(_timed(function))
    return taken


def _timed(function: Callable[[], object]) -> Taken:
    wall, cpu = time.perf_counter(), time.process_time()
    function()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def _each(taken: list[Taken], count: int) -> list[Taken]:
    return [Taken(each.wall / count, (each.cpu or 0) / count) for each in taken]


def _against(peer: Row, what: str, goal: float, taken: list[Taken], note: str) -> Row:
    """A row whose goal is the peer's time divided by `goal`."""
    assert peer.wall
    row = median(what, peer.wall / goal, taken, note)
    assert row.wall
    cpu = f", {peer.cpu / row.cpu:.2f} x in CPU time" if peer.cpu and row.cpu else ""
    return replace(row, note=f"{note}{peer.wall / row.wall:.2f} x as fast as the peer (goal {goal:g} x){cpu}")


def _fields(params: CsdiParams) -> dict[str, Any]:
    return {name: getattr(params, name) for name in params.__struct_fields__}


def _cohort(size: Size) -> Cohort:
    rng = np.random.default_rng(0)
    n = max(size.records, size.batch)
    observed = rng.random((n, size.length, size.channels)) < 0.18
    grid = np.where(observed, rng.normal(size=observed.shape), np.nan).astype(np.float32)
    names = tuple(f"v{channel}" for channel in range(size.channels))
    nothing = Events(np.zeros(n + 1, np.int64), np.zeros(0, np.float32), np.zeros((0, size.channels), np.float32))
    series = Series(
        channels=names,
        units=("SD",) * size.channels,
        grid=grid,
        observed=observed,
        times=np.arange(size.length, dtype=np.float32),
        events=nothing,
        available=observed.any(axis=(1, 2)),
        filled=np.zeros(n, bool),
    )
    ids = np.array([f"r{record}" for record in range(n)])
    return Cohort(ids, ids, {MODALITY: series}, np.zeros((n, 0), np.float32), (), {})


def _peer(size: Size) -> Any:
    imputation("pypots.csdi")  # imported so, it neither greets nor writes into the home
    from pypots.imputation.csdi.core import _CSDI

    p = size.params
    return _CSDI(
        size.channels, p.layers, p.heads, p.channels, p.time_width, p.feature_width, p.step_width, False,
        p.diffusion_steps, "quad", p.beta_first, p.beta_last,
    )  # fmt: skip


def _give(ours: CsdiDenoiser, peer: Any) -> None:
    """Our weights to the peer. It has no name for one of ours that it lacks: a name left over is
    an error.
    """
    model = "backbone.diff_model."
    names = {
        "features": "embed_layer.weight",
        "step_embedding.0": f"{model}diffusion_embedding.projection1",
        "step_embedding.2": f"{model}diffusion_embedding.projection2",
        "input": f"{model}input_projection",
        "skips": f"{model}output_projection1",
        "output": f"{model}output_projection2",
    }
    inside = {
        "packed.weight": "self_attn.in_proj_weight",
        "packed.bias": "self_attn.in_proj_bias",
        "merge": "self_attn.out_proj",
        "up": "linear1",
        "down": "linear2",
        "norm_attended": "norm1",
        "norm_fed": "norm2",
    }
    for number in range(len(ours.layers)):
        here, there = f"layers.{number}.", f"{model}residual_layers.{number}."
        for name, theirs in (("step", "diffusion"), ("side", "cond"), ("middle", "mid"), ("out", "output")):
            names[here + name] = f"{there}{theirs}_projection"
        for axis in ("time", "feature"):
            names |= {f"{here}{axis}.{k}": f"{there}{axis}_layer.layers.0.{v}" for k, v in inside.items()}
    wanted = peer.state_dict()
    given = {}
    for name, weight in ours.state_dict().items():
        stem, _, end = name.rpartition(".")
        theirs = names.get(name) or f"{names[stem]}.{end}"
        given[theirs] = weight.view(wanted[theirs].shape)
    buffers = {name for name, _ in peer.named_buffers()}
    peer.load_state_dict({**given, **{name: wanted[name] for name in wanted if name in buffers}})


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one repetition")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 = as many as it takes")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    parser.add_argument("--beta-last", type=float, default=0.5, help="the last noise variance; 0.5 as published")
    parser.add_argument("--quality", type=Path, metavar="FILE", help="weights to compare 10 steps with all")
    parser.add_argument("--params", default="{}", metavar="JSON", help="parameters of those weights")
    parser.add_argument("--records", type=int, default=0, help="records of the quality rows; 0 = 32, on a GPU 300")
    parser.add_argument("--draws", type=int, default=50, help="draws of the quality rows; the answer hangs on it")
    asked = parser.parse_args(words)
    if asked.threads:
        torch.set_num_threads(asked.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    amounts = (2, 2, 16, 2) if device == "cpu" else (64, 16, 16, 5)
    size = Size(35, 48, CsdiParams(beta_last=asked.beta_last), *amounts, device)
    if asked.quick:
        small = CsdiParams(channels=8, heads=2, layers=2, step_width=16, time_width=16, diffusion_steps=12)
        size = Size(3, 5, small, 2, 2, 4, 1, device)
    made = []
    measured = rows(size)
    if asked.quality:
        records = asked.records or (32 if device == "cpu" else 300)
        measured = quality(asked.quality, json.loads(asked.params), records, asked.draws)
    for row in measured:
        made.append(row)
        print(row.line(), file=sys.stderr, flush=True)
    print(json.dumps([asdict(row) | {"ok": row.ok} for row in made], indent=2) if asked.json else table(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
