"""What imputers cost, each imputation counted once. Differs from run to run."""

from __future__ import annotations

from collections import Counter

import msgspec

from bench.leaderboard.blocks import Block, Cell, Heading, Table
from bench.leaderboard.board import Board, Section
from bench.leaderboard.published import PLACE
from bench.leaderboard.sections.costs import number
from bench.leaderboard.sections.imputation import by_table, mean
from bench.leaderboard.statements import counted
from bench.leaderboard.words import columns
from bench.results.coordinates import Repeat, TableKey
from bench.results.records import Record

COSTS = ("imputer_parameters", "draws", "imputer_steps", "impute_fit_seconds", "impute_seconds",
         "impute_seconds_per_draw", "impute_peak_memory_bytes")  # fmt: skip
"""Costs of a record that are the imputer's."""


class ImputerCost(TableKey, kw_only=True, frozen=True):
    """What one imputer took, the mean over seeds: seconds, bytes; and its draws,
    parameters and optimiser steps (of all networks)."""

    imputer: str
    device: str
    seeds: int
    values: dict[str, float]


def aggregate(board: Board) -> list[ImputerCost] | None:
    """Of imputers that tell their draws, by modality set and scenario; None where costs are left
    out.
    """
    if not board.wall_costs:
        return None
    costs = []
    for key, inside in by_table(board).items():
        by_imputer: dict[str, dict[Repeat, Record]] = {}
        for imputer, cells in sorted(inside.items()):
            for at in sorted(cells):
                record = cells[at]
                if record is not None and record.status == "ok" and "draws" in record.costs:
                    by_imputer.setdefault(imputer, {}).setdefault(at.repeat, record)
        for imputer, seeds in by_imputer.items():
            values = {name: mean(record.costs.get(name) for record in seeds.values()) for name in COSTS}
            costs.append(
                ImputerCost(
                    **msgspec.structs.asdict(key),
                    imputer=imputer,
                    device=counted(Counter(map(_device, seeds.values())), "seed"),
                    seeds=len(seeds),
                    values={name: value for name, value in values.items() if value is not None},
                )
            )
    return costs


def _device(record: Record) -> str:
    """The device of the imputer: that of the fuser, where no other is named."""
    return record.provenance.get("imputer device") or record.provenance.get("device", "")


def blocks(board: Board) -> list[Block]:
    costs = board[SECTION] or ()
    if not costs:
        return []
    steps = ["steps"] if any("imputer_steps" in cost.values for cost in costs) else []
    header = columns(*PLACE, "imputer", "parameters", "draws", *steps, "fit s", "impute s", "ms per record and draw")
    header += columns("peak memory MiB", "device", "seeds")
    body: list[list[Cell]] = [
        [
            *(getattr(cost, name) for name in PLACE),
            cost.imputer,
            number(cost.values.get("imputer_parameters") or None, 0),
            number(cost.values.get("draws"), 0),
            *(number(cost.values.get("imputer_steps"), 0) for _ in steps),
            number(cost.values.get("impute_fit_seconds"), 2),
            number(cost.values.get("impute_seconds"), 2),
            number(cost.values.get("impute_seconds_per_draw"), 3, 1e3),
            number(cost.values.get("impute_peak_memory_bytes"), 0, 1 / 2**20),
            cost.device or None,
            cost.seeds,
        ]
        for cost in costs
    ]
    return [Heading(3, "Imputers"), Table(header, body)]


SECTION = Section("imputer_costs", aggregate, blocks)
