"""SAITS and BRITS of PyPOTS through our adapter, on PhysioNet 2012 set a, in the protocol of the
CSDI evaluation.

    python benchmarks/pypots_anchor.py [saits brits] [data.root=DIR] [seed=N]

Fold 0, 10 % of the entries hidden as published, scaled as published, one thread: a few CPU minutes
each. Prints MAE and RMSE on the hidden entries of the test fold beside the goal (MAE at most 0.30)
and beside linear interpolation on the same entries. The sizes: SAITS 2 layers, d_model 256, 4
heads, d_k = d_v = 64, d_ffn 128, dropout 0.1, 11 epochs; BRITS hidden 128, 19 epochs; both learning
rate 1e-3, batch 32, weights of the epoch with the best validation score. Exit code 1 where a goal
is missed.
"""

from __future__ import annotations

import argparse
import math
import os
import sys
import time
from pathlib import Path
from typing import Any

for _name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

import numpy as np  # noqa: E402  threads are set before NumPy is loaded

from bench.components import Context  # noqa: E402
from bench.config.command import Settings  # noqa: E402
from bench.data.location import locate  # noqa: E402
from bench.metrics.imputation import imputation_scores  # noqa: E402
from bench.registry import Registry, discover  # noqa: E402
from bench.stages.hiding import apply, hide  # noqa: E402
from bench.stages.scale import Scaler  # noqa: E402

GOAL = 0.30
ANCHORS: dict[str, dict[str, Any]] = {
    "saits": {
        "epochs": 11, "n_layers": 2, "d_model": 256, "n_heads": 4, "d_k": 64, "d_v": 64, "d_ffn": 128, "dropout": 0.1,
    },
    "brits": {"epochs": 19, "rnn_hidden_size": 128},
}  # fmt: skip
SHARED: dict[str, Any] = {"learning_rate": 1e-3, "batch_size": 32, "patience": 0}


class Anchor:
    """The cohort as the published protocol shows it, and the truth of what it hides in the test
    fold.
    """

    def __init__(self, registry: Registry, root: str, seed: int):
        self.registry, self.seed = registry, seed
        spec = registry.get("dataset", "physionet2012_csdi")
        params = spec.parameters({})
        folder, _, _ = locate(spec, params, root, Settings().cache_folder())
        recorded = spec.build(params).prepare(Path(folder), Context())
        scenario = registry.get("scenario", "published_holdout").build({"rate": 0.1})
        made = hide(recorded, scenario, seed, "published_holdout")
        scaler = Scaler.fit(recorded, math.inf)
        self.cohort = scaler.scale(apply(recorded, made.visible)).without_targets()
        self.parts = recorded.splits["fold0"]
        self.hidden = {name: mask[self.parts == 2] for name, mask in made.hidden.items()}
        self.truth = {n: scaler.grid(n, s.grid)[self.parts == 2] for n, s in recorded.modalities.items()}

    def score(self, name: str, params: dict[str, Any]) -> tuple[dict[str, float], float]:
        """Scores over all hidden entries of the test fold, and CPU seconds of fitting."""
        imputer = self.registry.get("imputer", name).build(params)
        train, valid, test = (self.cohort.take(np.flatnonzero(self.parts == part)) for part in range(3))
        context = Context(seed=self.seed, report=lambda text: print(f"  {text}", file=sys.stderr, flush=True))
        began = time.process_time()
        imputer.fit(train, valid, context)
        spent = time.process_time() - began
        made = imputer.impute(test, 1, context)
        return imputation_scores(self.truth, made, self.hidden)["all"], spent


def asked(words: list[str]) -> tuple[list[str], str, int]:
    """Models, data.root and seed."""
    parser = argparse.ArgumentParser(
        description="MAE of SAITS and BRITS of PyPOTS in the protocol of the CSDI evaluation."
    )
    told = f"some of: {', '.join(ANCHORS)} (default: all); data.root=DIR, the folder that holds physionet2012; seed=N"
    parser.add_argument("words", nargs="*", metavar="WORD", help=told)
    names, said = [], {"data.root": "", "seed": "1"}
    for word in parser.parse_args(words).words:
        key, sign, value = word.partition("=")
        if not (key in said if sign else word in ANCHORS):
            parser.error(f"{word!r} is not accepted; write {told}")
        if key == "seed" and not value.isdecimal():
            parser.error(f"seed={value!r} is not a whole number from 0")
        if sign:
            said[key] = value
        else:
            names.append(word)
    return names or list(ANCHORS), said["data.root"], int(said["seed"])


def main(words: list[str]) -> int:
    names, root, seed = asked(words)
    anchor = Anchor(discover(), root, seed)
    print(f"{'imputer':<14} {'MAE':>6} {'RMSE':>6} {'hidden':>7} {'CPU min':>8}  goal")
    missed = False
    for name in ["linear", *names]:
        key = name if name == "linear" else f"pypots.{name}"
        scores, spent = anchor.score(key, {} if name == "linear" else {**SHARED, **ANCHORS[name]})
        kept = scores["mae"] <= GOAL
        goal = "" if name == "linear" else f"MAE <= {GOAL:.2f}: {'reached' if kept else 'MISSED'}"
        print(
            f"{key:<14} {scores['mae']:6.3f} {scores['rmse']:6.3f} {scores['hidden']:7.0f} {spent / 60:8.1f}  {goal}",
            flush=True,
        )
        missed |= name != "linear" and not kept
    return int(missed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
