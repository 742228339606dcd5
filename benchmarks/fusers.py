"""Measures the fusers: the sparse mixture of experts against computing all of them, and a
prediction of every fuser.

    python benchmarks/fusers.py                 some minutes on two quiet cores; a GPU where torch
                                                finds one
    python benchmarks/fusers.py --threads 1     with one thread
    python benchmarks/fusers.py --only moe      the mixture of experts alone; --only fronts: the
                                                front ends; --only NAME: one fuser
    python benchmarks/fusers.py --quick         tiny sizes, once: tries the script, measures nothing
    python benchmarks/fusers.py --json

The mixture: 16 experts, each token goes to 4, so that it does a quarter of the FLOPs; what is
gained beyond 4 times is the memory of all experts' hidden layers. Routing is included on both
sides. All experts are computed in three ways (one product per expert; one product for the first
layers of all; the same in pieces of 128 tokens that stay in the cache), and the fastest of them, by
a trial, is the peer. Both sides have the same weights. The fusers: made-up records of the shape of
PhysioNet 2012, one step of training, defaults otherwise; FLOPs are those of torch's products
(`torch.utils.flop_counter`) in a prediction. The front ends: fusers with the sizes of the profile
paper of mimic48, on made-up vitals and five notes a stay, reading the bins of the grid or points of
time made of events and grid (`front`), in turn, so that what else the machine does falls on both.
Exit code 0 whether goals are met or not.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional
from torch.utils.flop_counter import FlopCounterMode

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cohort import Cohort, Series
from bench.components import Context, Fuser
from bench.errors import BenchError
from bench.registry import Spec, discover
from bench.testing.toy import TOY_TASK, toy_cohort
from bench.torch_fuser import TorchFuser
from bench_fusers.sparse_moe import Experts, Router
from benchmarks.measuring import Row, Taken, median, table, timed

FASTER = 3.0
"""Goal: how many times faster than all experts."""

PUBLISHED = 1.72e-3
"""Goal on a GPU: seconds per record that TRACE's Table 5 gives for FuseMoE, on an RTX 6000 Ada."""

CLOSE = 1e-4
"""Goal: the largest difference between the two ways, as a share of the largest value."""

EXPERTS, CHOSEN = 16, 4
PIECE = 128

MODALITIES = {"vitals": 11, "labs": 19, "respiratory": 4, "fluids": 2}
"""Channels, as in PhysioNet 2012."""


@dataclass(frozen=True)
class Size:
    """A mixture: what is a token, how many there are, how wide, the hidden layer of an expert,
    and its goal.
    """

    what: str
    tokens: int
    width: int
    hidden: int
    goal: float | None


LAYERS = (
    Size("batch 128 x 16 points, width 128 (preset=small)", 2048, 128, 128, FASTER),
    Size("batch 128 x 48 points, width 128", 6144, 128, 128, FASTER),
    Size("batch 128 x 16 points, width 128", 2048, 128, 512, FASTER),
    Size("batch 128, a token per record, width 6144", 128, 6144, 64, None),
)
QUICK = (Size("tiny", 64, 8, 8, FASTER),)
TABLE_6 = Size("a token per record, Table 6 with 2 modalities, batch 128, width 12288", 128, 12288, 512, None)


NOTES = 5
"""Most notes of a stay that the published clinical code reads."""

FRONTS: dict[str, dict[str, Any]] = {
    "mult": {"preset": "trace-mimic"},
    "mag_late": {"width": 128, "heads": 8, "layers": 3},
    "tfn": {"preset": "mists"},
}
"""Fusers with two front ends, with their parameters in the profile paper of mimic48."""


class Mixture:
    """The same mixture, sparse and with all experts computed."""

    def __init__(self, size: Size, device: str):
        torch.manual_seed(0)
        self.device = device
        self.router = Router(size.width, EXPERTS, CHOSEN, "laplace").to(device).eval()
        torch.nn.init.normal_(self.router.weight, std=0.5)
        self.experts = Experts(EXPERTS, size.width, size.hidden, size.width).to(device)
        self.x = torch.randn(size.tokens, size.width, device=device, requires_grad=True)

    def sparse(self) -> torch.Tensor:
        routing = self.router(self.x)
        return self.experts(self.x, routing.chosen, routing.gates)

    def ways(self) -> list[Callable[[], torch.Tensor]]:
        """All experts, in several ways."""
        return [
            lambda: self._each(self.x, self.router(self.x).dense()),
            lambda: self._flat(self.x, self.router(self.x).dense()),
            lambda: self._pieces(self.x, self.router(self.x).dense()),
        ]

    def _each(self, x: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        e = self.experts
        hidden = functional.gelu(torch.baddbmm(e.bias_in[:, None], x.expand(EXPERTS, -1, -1), e.weight_in))
        return torch.einsum("ne,eno->no", gates, torch.baddbmm(e.bias_out[:, None], hidden, e.weight_out))

    def _flat(self, x: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        """The gates weigh the hidden layers, so that the second product sums over experts by
        itself.
        """
        e = self.experts
        hidden = functional.gelu(torch.addmm(e.bias_in.flatten(), x, e.weight_in.transpose(0, 1).flatten(1)))
        weighed = hidden.view(len(x), EXPERTS, -1) * gates[:, :, None]
        return weighed.flatten(1) @ e.weight_out.flatten(0, 1) + gates @ e.bias_out

    def _pieces(self, x: torch.Tensor, gates: torch.Tensor) -> torch.Tensor:
        pairs = zip(x.split(PIECE), gates.split(PIECE), strict=True)
        return torch.cat([self._flat(*pair) for pair in pairs])

    def forward(self, way: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def call() -> None:
            with torch.no_grad():
                way()
            _wait(self.device)

        return call

    def both(self, way: Callable[[], torch.Tensor]) -> Callable[[], None]:
        def call() -> None:
            for parameter in (self.x, *self.router.parameters(), *self.experts.parameters()):
                parameter.grad = None
            way().square().mean().backward()
            _wait(self.device)

        return call


def moe_rows(size: Size, device: str, repetitions: int) -> Iterator[Row]:
    """Forward, forward with backward, and whether the results agree."""
    mixture = Mixture(size, device)
    for kind, wrap in (("forward", mixture.forward), ("forward and backward", mixture.both)):
        sparse, *dense = (wrap(way) for way in (mixture.sparse, *mixture.ways()))
        fastest = min(dense, key=lambda call: min(each.wall for each in timed(call, 3)))
        ours, theirs = _in_turn(repetitions, sparse, fastest)
        peer = median(f"all {EXPERTS} experts, {kind}: {size.what}, hidden {size.hidden}", None, theirs)
        yield peer
        yield _against(peer, f"  sparse, top {CHOSEN}, {kind}", size.goal, ours)
    with torch.no_grad():
        ours, theirs = mixture.sparse(), mixture.ways()[0]()
    apart = float((ours - theirs).abs().max() / theirs.abs().max())
    yield Row(f"  the same results, to {CLOSE:g}", answer=apart <= CLOSE, note=f"largest difference {apart:.1e}")


def fuser_row(spec: Spec, made: tuple[Cohort, Cohort], batch: int, device: str, repetitions: int) -> Row:
    """Milliseconds of a prediction per record, with size and work; a row without a time where
    the fuser cannot be built.
    """
    train, test = made
    context = Context(seed=0, device=device)
    what = f"{spec.name}: a prediction, per record"
    try:
        fuser = _fitted(spec, {"batch_size": batch}, train, context)
    except (BenchError, ImportError) as error:
        return Row(what, note=str(error).splitlines()[0])

    def predict() -> None:
        fuser.predict(test, context)
        _wait(device)

    taken = [Taken(each.wall / len(test), (each.cpu or 0) / len(test)) for each in timed(predict, repetitions)]
    return median(what, None, taken, _work(fuser, test.take(np.arange(min(batch, len(test)))), context, batch))


def front_rows(quick: bool, device: str) -> Iterator[Row]:
    """A prediction and a step of training per record, bins of the grid beside points of time."""
    batch, context = 4 if quick else 32, Context(seed=0, device=device)
    train, test = (
        part.with_modalities({**part.modalities, "notes": _few(part.modalities["notes"], NOTES)})
        for part in cohorts(batch, batch, {"vitals": 30, "notes": 16 if quick else 768})
    )
    for name, given in FRONTS.items():
        spec = discover().get("fuser", name)
        fusers = [
            _fitted(spec, {**given, "front": front, "batch_size": batch}, train, context) for front in ("grid", "utde")
        ]

        def predict(fuser: Fuser[Any]) -> None:
            fuser.predict(test, context)
            _wait(device)

        def step(fuser: Fuser[Any]) -> None:
            assert isinstance(fuser, TorchFuser)
            assert fuser.module is not None
            fuser.module.train()
            fuser.module(fuser._batch(test, np.arange(batch), device)).square().mean().backward()
            _wait(device)

        for what, call in (("a prediction", predict), ("forward and backward", step)):
            runs = _in_turn(1 if quick else 7, *(partial(call, fuser) for fuser in fusers))
            each = [[Taken(one.wall / batch, (one.cpu or 0) / batch) for one in taken] for taken in runs]
            work = [_work(fuser, test, context, batch) if call is predict else "" for fuser in fusers]
            grid, utde = (
                median(f"{name}, front={front}: {what}, per record", None, *row)
                for front, row in zip(("grid", "utde"), zip(each, work, strict=True), strict=True)
            )
            yield grid
            times = f"{utde.cpu / grid.cpu:.2f} x the CPU time" if utde.cpu and grid.cpu else ""
            yield replace(utde, note="; ".join(part for part in (times, utde.note) if part))


def _few(series: Series, most: int) -> Series:
    """The series with no more than so many events of a record, its first."""
    offsets = series.events.offsets
    kept = [np.arange(first, min(first + most, last)) for first, last in pairwise(offsets)]
    rows = np.concatenate(kept)
    events = replace(
        series.events,
        offsets=np.cumsum([0, *map(len, kept)]),
        times=series.events.times[rows],
        values=series.events.values[rows],
    )
    return replace(series, events=events)


def published_row(quick: bool) -> Row:
    """FuseMoE with the published sizes, on a GPU."""
    what, batch = "fusemoe, preset=paper, on a GPU: a prediction, per record", 8
    if not torch.cuda.is_available():
        return Row(what, PUBLISHED, note="torch finds no GPU")
    spec, context = discover().get("fuser", "fusemoe"), Context(seed=0, device="cuda")
    train, test = cohorts(8, 16 if quick else 256, {"series": 30, "notes": 768})
    fuser = _fitted(spec, {"preset": "paper", "batch_size": batch}, train, context)
    assert isinstance(fuser, TorchFuser)
    assert fuser.module is not None
    batches = [fuser._batch(test, np.arange(k, k + batch), "cuda") for k in range(0, len(test), batch)]

    def predict() -> None:
        with torch.no_grad():
            for each in batches:
                fuser.module(each)  # type: ignore[misc]
        _wait("cuda")

    taken = [Taken(each.wall / len(test)) for each in timed(predict, 1 if quick else 5)]
    return median(what, PUBLISHED, taken, "48 hours, 30 variables and notes; " + _work(fuser, test, context, batch))


def _fitted(spec: Spec, changed: dict[str, Any], train: Cohort, context: Context) -> Fuser[Any]:
    """The fuser after one step of training, where it has steps."""
    wanted = {"steps": 1, "epochs": 1, **changed}
    fields = spec.params.__struct_fields__
    fuser: Fuser[Any] = spec.build({name: value for name, value in wanted.items() if name in fields})
    fuser.fit(train, train.take(np.arange(0)), TOY_TASK, context)
    return fuser


def _work(fuser: Fuser[Any], some: Cohort, context: Context, batch: int) -> str:
    """Size and FLOPs, in words."""
    count = fuser.parameters()
    size = f"{count:,} parameters" if count else "no count of parameters"
    if not isinstance(fuser, TorchFuser):
        return size
    with FlopCounterMode(display=False) as counter:
        fuser.predict(some, context)
    return f"{size}, {counter.get_total_flops() / len(some) / 1e6:.3g} MFLOP, batch {batch}"


def cohorts(train: int, test: int, modalities: dict[str, int]) -> tuple[Cohort, Cohort]:
    """Made-up completed records, 48 hours: some to take a step with, and those to predict for."""
    whole = toy_cohort(train + test, 48, modalities, absent=0.1)
    filled = {
        name: replace(series, grid=np.nan_to_num(series.grid, nan=0.0), filled=~series.available)
        for name, series in whole.modalities.items()
    }
    whole = whole.with_modalities(filled)
    return whole.take(np.arange(train)), whole.take(np.arange(train, train + test))


def _against(peer: Row, what: str, goal: float | None, taken: list[Taken]) -> Row:
    """A row whose goal is the peer's time divided by `goal`."""
    assert peer.wall
    row = median(what, peer.wall / goal if goal else None, taken)
    assert row.wall
    cpu = f", {peer.cpu / row.cpu:.2f} x in CPU time" if peer.cpu and row.cpu else ""
    aim = f"goal {goal:g} x, " if goal else ""
    return replace(row, note=f"{peer.wall / row.wall:.2f} x as fast ({aim}{EXPERTS / CHOSEN:g} x fewer FLOPs){cpu}")


def _in_turn(repetitions: int, *functions: Callable[[], object]) -> list[list[Taken]]:
    """Each function timed so many times, in turn, so that what else the machine does falls on
    all of them.
    """
    taken: list[list[Taken]] = [[] for _ in functions]
    for _ in range(repetitions):
        for place, function in enumerate(functions):
            taken[place] += timed(function, 1)
    return taken


def _wait(device: str) -> None:
    if device == "cuda":
        torch.cuda.synchronize()


def rows(quick: bool, only: str, device: str) -> Iterator[Row]:
    """All rows, or those asked for."""
    if only in ("", "moe"):
        layers = QUICK if quick else (*LAYERS, TABLE_6) if device == "cuda" else LAYERS
        for size in layers:
            yield from moe_rows(size, device, 1 if quick else 9)
    if only in ("", "fronts"):
        yield from front_rows(quick, device)
    specs = [spec for spec in discover().specs("fuser") if only in ("", spec.name)]
    if specs:
        made = cohorts(*(24, 8) if quick else (128, 512), MODALITIES)
        for spec in specs:
            yield fuser_row(spec, made, 8 if quick else 128, device, 1 if quick else 5)
    if only in ("", "fusemoe"):
        yield published_row(quick)


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="tiny sizes and one repetition")
    parser.add_argument("--threads", type=int, default=0, help="of torch; 0 = as many as it takes")
    parser.add_argument("--only", default="", metavar="NAME", help="moe, fronts, or the name of a fuser")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    asked = parser.parse_args(words)
    known = ["moe", "fronts", *discover().names("fuser")]
    if asked.only and asked.only not in known:
        parser.error(f"--only knows {', '.join(known)}")
    if asked.threads:
        torch.set_num_threads(asked.threads)
    made = []
    for row in rows(asked.quick, asked.only, "cuda" if torch.cuda.is_available() else "cpu"):
        made.append(row)
        print(row.line(), file=sys.stderr, flush=True)
    print(json.dumps([asdict(row) | {"ok": row.ok} for row in made], indent=2) if asked.json else table(made))
    return 0


if __name__ == "__main__":
    sys.exit(main())
