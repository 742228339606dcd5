"""An export in which every section of a leaderboard has something to show."""

from __future__ import annotations

import functools
import itertools

import msgspec
import numpy as np

from bench.leaderboard.audited import OF_CELL
from bench.results.coordinates import Coordinates, Method
from bench.results.federated import Done, Federated, Part, Trained
from bench.results.predictions import Predictions
from bench.results.records import (
    Audit,
    Bin,
    Calibration,
    Comparison,
    Export,
    ImputationStatistics,
    Interval,
    Pattern,
    TableStatistics,
)
from bench.statistics.paired import compute
from support.fake_exports import CELL_AUDITS, IHM, make_record

IMPUTERS, FUSERS, SETS = ("locf", "csdi", "mean"), ("gru", "linear"), ("vitals", "vitals+notes")
SCENARIOS, SEEDS = ("mcar(rate=0.1)", "mcar(rate=0.5)"), (1, 2)
METHODS = [
    Method("ihm", *place) for place in itertools.product(SETS, SCENARIOS, IMPUTERS, FUSERS)
]  # task, modalities, scenario, imputer, fuser


@functools.cache
def _federated(value: float) -> Federated:
    """Three clients, one of them too small to be shown, and two rounds."""
    parts = [
        Part(client=name, train=100, valid=20, test=test, modalities=["vitals"], score=score)
        for name, test, score in (("north", 30, value), ("south", 40, value - 0.1), ("west", None, None))
    ]
    rounds = [
        Done(number=number, chosen=[0, 1], dropped=[1] * (number - 1), slow=[], train_loss=0.6, valid_loss=0.7 - number / 10,
             steps={"0": 4, "1": 4}, up={"shared": 4_000}, down={"shared": 8_000}, seconds=0.25)
        for number in (1, 2)
    ]  # fmt: skip
    return Federated(
        partition="0123456789abcdef", rule="3 clients, subjects by their site", metric="auroc", clients=parts,
        fuser=Trained(rounds=rounds, best=2, sums=96, epsilon=3.5, delta=1e-5),
    )  # fmt: skip


def whole() -> Export:
    """Two modality sets, two rates, three imputers, two fusers, all ok, with everything that a
    leaderboard shows.
    """
    rng = np.random.default_rng(5)
    n = 150
    truth = (rng.random(n) < 0.4).astype(np.float32)
    ids, groups = (np.array([f"{letter}{k:04d}" for k in range(n)]) for letter in "rg")
    cells: dict[Method, dict[int, Predictions]] = {}
    records = []
    for number, method in enumerate(METHODS):
        for seed in SEEDS:
            logits = 1.5 * truth + (0.6 + 0.15 * (number % 7)) * rng.normal(size=n)
            outputs = (1 / (1 + np.exp(-logits))).astype(np.float32)[:, None]
            cells.setdefault(method, {})[seed] = Predictions(ids, groups, truth, outputs)
            joined = method.fuser == FUSERS[-1]
            at = Coordinates(
                "demo", **msgspec.structs.asdict(method), seed=seed, **({"federation": "fedavg"} if joined else {})
            )
            value = float(np.mean((outputs[:, 0] > 0.5) == truth))
            records.append(
                make_record(
                    at,
                    value,
                    audits={**CELL_AUDITS, "absent-ignored": Audit(True)},
                    patterns=[Pattern("notes+vitals", 100, value), Pattern("vitals", 60, value - 0.1)],
                    federated=_federated(value) if joined else None,
                    calibration=Calibration(0.1 - value / 20, 0.2, [Bin(20, 0.3, 0.2 + value / 10)]),
                    costs={"parameters": 100.0 + number, "seconds_per_sample": 1.0 + (7 * number) % 5, "draws": 3.0,
                           "imputer_parameters": 4.0, "impute_seconds_per_draw": 0.1},
                )
            )  # fmt: skip
    for fuser in FUSERS:
        for kind, name in OF_CELL.items():
            at = Coordinates("demo", "ihm", SETS[0], SCENARIOS[0], IMPUTERS[0], fuser, SEEDS[0], kind)
            records.append(make_record(at, 0.5, audits={name: Audit(True)}))
    task = msgspec.structs.replace(IHM, compared=("auprc",))
    statistics = compute(cells, [task], resamples=200, modalities=SETS)
    statistics.imputation = _imputation(rng)
    return Export(
        suite="demo", title="Demonstration", dataset="toy", synthetic=False, command="bench run suite=demo", tasks=[task],
        planned=[(record.coordinates, record.key) for record in records], records=records, statistics=statistics,
        control_imputers=["mean"], control_fusers=["linear"], notes=("What every table must say.",),
        modality_sets={"vitals": ["vitals"], "vitals+notes": ["vitals", "notes"]},
    )  # fmt: skip


def _imputation(rng: np.random.Generator) -> ImputationStatistics:
    """Comparisons of all imputers, some of them far apart."""
    stored = ImputationStatistics(intervals=[], comparisons=[], tables=[])
    for place in itertools.product(SETS, SCENARIOS):
        imputers = [Method("", *place, name, "") for name in IMPUTERS]
        stored.intervals += [Interval(each, "mae", 0.2, 0.4, 0.05) for each in imputers]
        for a, b in itertools.combinations(imputers, 2):
            stored.comparisons.append(
                Comparison(a, b, "mae", 0.01, -0.1, 0.1, 0.05, 0.04, float(rng.choice([0.01, 0.5])))
            )
        stored.tables.append(
            TableStatistics(task="", modalities=place[0], scenario=place[1], metric="mae", seeds=SEEDS)
        )
    return stored
