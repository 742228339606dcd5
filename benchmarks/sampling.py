"""What the draws of csdi and trace cost per sample, beside the published seconds: the numbers that
need a GPU.

    python benchmarks/sampling.py                      on a GPU the whole of it, minutes; without
                                                       one a few records, no goal
    python benchmarks/sampling.py --precision bf16     under bfloat16
    python benchmarks/sampling.py --records 100        fewer records of csdi; its goal is for 800
    python benchmarks/sampling.py --quick              tiny networks: tries the script, measures
                                                       nothing

trace, preset trace-moe with 3 experts (the published size): vitals of 30 channels and 48 hours,
conditioned on notes (768), X-rays (1,024) and ECGs (256), 20 draws, by 10 and by 50 steps.
Published: 228 ms and 922 ms per sample (its Table 5, RTX 6000 Ada); goal: a twentieth of them, with
records sampled together, and one record alone beside it. csdi: the published healthcare
configuration, 35 x 48, 100 draws of 50 steps for a test fold of 800 records in ten minutes.
Networks are those of one training step, so the noise variances end at 0.02, under which untrained
networks keep their states small; that changes no cost. Peak memory is what torch held on the GPU,
on a CPU the resident memory of the process. Exit code 0 whether goals are met or not.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bench.cohort import Cohort, Events, Series
from bench.components import Context
from bench.registry import Registry, discover
from benchmarks.measuring import Row, table

PUBLISHED = {10: 0.228, 50: 0.922}
"""Seconds per sample of TRACE by solver steps, its Table 5."""

FASTER = 20
"""Goal: how many times below the published seconds."""

FOLD, FOLD_SECONDS = 800, 600.0
"""Goal: csdi's 100 draws of 50 steps for so many records in so many seconds."""

HOURS = 48
MODALITIES = {"vitals": 30, "notes": 768, "cxr": 1024, "ecg": 256}
TINY = {"channels": 8, "heads": 2, "layers": 1, "feedforward": 8, "step_width": 8, "time_width": 8, "feature_width": 4}
TINY_TRACE = TINY | {"experts": 2, "expert_width": 8, "context_width": 8, "hidden_width": 8}


class Sampling:
    """One imputer, fitted for one step, whose draws are timed."""

    def __init__(self, registry: Registry, name: str, params: dict[str, Any], cohort: Cohort, context: Context):
        few = cohort.take(np.arange(min(8, len(cohort))))
        first = next(iter(cohort.modalities))
        given = {"targets": [first], "steps": 1, "batch_size": 8, "beta_last": 0.02, "betas": "linear"} | params
        self.imputer = registry.get("imputer", name).build(given)
        self.imputer.fit(few, few, context)
        self.cohort, self.context = cohort, context

    def seconds(self, records: int, draws: int) -> tuple[float, float]:
        """Wall seconds of all draws of the first records, after a warm-up, and peak memory in
        MB.
        """
        self._draw(1, 1)
        if self.context.device == "cuda":
            torch.cuda.reset_peak_memory_stats()
        begun = time.perf_counter()
        self._draw(records, draws)
        taken = time.perf_counter() - begun
        if self.context.device == "cuda":
            return taken, torch.cuda.max_memory_allocated() / 1e6
        return taken, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3

    def _draw(self, records: int, draws: int) -> None:
        self.imputer.impute(self.cohort.take(np.arange(records)), draws, self.context)
        if self.context.device == "cuda":
            torch.cuda.synchronize()


def cohort(records: int, widths: dict[str, int]) -> Cohort:
    """A made-up cohort: a fifth of the entries of the first modality observed, one item of each
    other.
    """
    rng = np.random.default_rng(0)
    modalities = {}
    for place, (name, width) in enumerate(widths.items()):
        observed = np.zeros((records, HOURS, width), bool)
        if place == 0:
            observed = rng.random(observed.shape) < 0.2
        else:
            observed[:, 0] = True
        grid = np.where(observed, rng.normal(size=observed.shape), np.nan).astype(np.float32)
        items = Events(np.arange(records + 1), np.zeros(records, np.float32), np.nan_to_num(grid[:, 0]))
        modalities[name] = Series(
            channels=tuple(f"{name}{channel}" for channel in range(width)),
            units=("SD",) * width,
            grid=grid,
            observed=observed,
            times=np.arange(HOURS, dtype=np.float32),
            events=items,
            available=np.ones(records, bool),
            filled=np.zeros(records, bool),
        )
    ids = np.array([f"r{record}" for record in range(records)])
    return Cohort(ids, ids.copy(), modalities, np.zeros((records, 0), np.float32), (), {})


def trace_rows(registry: Registry, context: Context, records: int, quick: bool) -> Iterator[Row]:
    """Seconds per sample with 20 draws, records together and one alone."""
    made = cohort(records, MODALITIES if not quick else {"vitals": 3, "notes": 5})
    draws = 2 if quick else 20
    for steps, published in PUBLISHED.items():
        params = {"preset": "trace-moe", "experts": 3, "solver_steps": steps if steps < 50 else 0} | (
            TINY_TRACE if quick else {}
        )
        sampling = Sampling(registry, "trace", params, made, context)
        for count in (records, 1):
            taken, memory = sampling.seconds(count, draws)
            goal = published / FASTER if context.device == "cuda" and count > 1 and not quick else None
            note = f"published {published * 1000:.0f} ms; {sampling.imputer.parameters():,} parameters, peak {memory:,.0f} MB"
            what = f"trace, {steps} steps, {draws} draws, per sample, {count} together"
            yield Row(what, goal=goal, wall=taken / count, repetitions=1, note=note)


def csdi_row(registry: Registry, context: Context, records: int, quick: bool) -> Row:
    """Seconds of a test fold with 100 draws of 50 steps."""
    made = cohort(records, {"vitals": 3 if quick else 35})
    draws = 2 if quick or context.device != "cuda" else 100
    sampling = Sampling(registry, "csdi", TINY if quick else {}, made, context)
    taken, memory = sampling.seconds(records, draws)
    goal = FOLD_SECONDS if records == FOLD and draws == 100 else None
    what = f"csdi, 50 steps, {records} records, {draws} draws, all of it"
    return Row(
        what,
        goal=goal,
        wall=taken,
        repetitions=1,
        note=f"{1000 * taken / records / draws:.3g} ms a draw; peak {memory:,.0f} MB",
    )


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="tiny networks")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="fp32")
    parser.add_argument("--records", type=int, default=0, help=f"of csdi; 0 = {FOLD} on a GPU, else 2")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    asked = parser.parse_args(words)
    gpu = torch.cuda.is_available()
    context = Context(device="cuda" if gpu else "cpu", precision=asked.precision)
    registry = discover()
    made = []
    together = 64 if gpu and not asked.quick else 2

    def rows() -> Iterator[Row]:
        yield from trace_rows(registry, context, together, asked.quick)
        yield csdi_row(registry, context, asked.records or (FOLD if gpu and not asked.quick else 2), asked.quick)

    for row in rows():
        made.append(row)
        print(row.line(), file=sys.stderr, flush=True)
    device = torch.cuda.get_device_name() if gpu else "CPU"
    if asked.json:
        print(json.dumps([asdict(row) | {"ok": row.ok} for row in made], indent=2))
    else:
        print(f"{device}, {asked.precision}, torch {torch.__version__}\n\n{table(made)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
