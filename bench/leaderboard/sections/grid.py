"""What the grid of a leaderboard tells, as plain data: parts of `bench.leaderboard.board.Board`."""

from __future__ import annotations

import msgspec


class Level(msgspec.Struct, frozen=True):
    """One imputer or fuser: its mean over all of the other factor minus the mean of the block, with its interval."""

    name: str
    control: bool
    effect: float
    low: float | None = None
    high: float | None = None


class Share(msgspec.Struct, frozen=True):
    """The share of one factor in what differs between methods, 0 to 1, what noise alone would give taken off.

    p: how often noise alone would differ as much. None where the noise is not known.
    """

    value: float
    low: float | None = None
    high: float | None = None
    p: float | None = None


class Block(msgspec.Struct, kw_only=True):
    """A complete block of a table, taken apart: score = mean + imputer + fuser + interaction.

    controls: whether control rows are in it. interaction: float [imputers][fusers]; interaction_low, interaction_high: its
    intervals, empty where noise is not known. shares: of "imputer", "fuser" and "interaction"; they sum to 1; empty where
    nothing differs beyond noise. noise: what the intervals are about: "patients and seeds", "patients", "seeds" or "". left_out:
    the methods of the table that are not in the block.
    """

    controls: bool
    mean: float
    imputers: list[Level]
    fusers: list[Level]
    interaction: list[list[float]]
    interaction_low: list[list[float]]
    interaction_high: list[list[float]]
    shares: dict[str, Share]
    noise: str
    left_out: list[str]


class Attribution(msgspec.Struct, kw_only=True):
    """What the imputer and what the fuser is worth in one table, in the primary metric. blocks: the largest complete one,
    and that of the rows that are no controls; none, and `note` says why. alpha: of the intervals.
    """

    task: str
    modalities: str
    scenario: str
    metric: str
    higher: bool
    alpha: float
    blocks: list[Block]
    note: str = ""


class MarginalRow(msgspec.Struct, frozen=True):
    """What one method gains from one modality; low, high: the stored interval, where there is one."""

    imputer: str
    fuser: str
    difference: float
    low: float | None = None
    high: float | None = None


class Marginal(msgspec.Struct, kw_only=True):
    """What a modality adds to a modality set: score with it minus score without it, method by method.

    mean, least, most: over the methods. better, worse: how many gain and lose; surely_better, surely_worse: those whose
    interval excludes 0, None where no intervals are stored.
    """

    task: str
    scenario: str
    metric: str
    higher: bool
    modality: str
    without: str
    with_it: str
    mean: float
    least: float
    most: float
    better: int
    worse: int
    surely_better: int | None
    surely_worse: int | None
    rows: list[MarginalRow]
