"""Which cells of a plan belong to one of several parts, so that parts are run apart and merged."""

from __future__ import annotations

from collections.abc import Sequence

from bench.grid.cell import Cell


def groups(cells: Sequence[Cell]) -> list[str]:
    """The groups that stay together, sorted: all cells of one imputation, by its key. More parts
    than groups leave some parts empty.
    """
    return sorted({_group(cell) for cell in cells})


def shard(cells: Sequence[Cell], number: int, parts: int) -> list[Cell]:
    """The cells of part `number`, counted from 1, in the order of the plan.

    Every `parts`-th group by key, whatever is done already: all machines divide a plan alike.
    """
    chosen = set(groups(cells)[number - 1 :: parts])
    return [cell for cell in cells if _group(cell) in chosen]


def _group(cell: Cell) -> str:
    return [*cell.keys.values()][-2]
