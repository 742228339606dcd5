"""`haim`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL

Backend = Literal["xgboost", "sklearn"]
Mode = Literal["honest", "reference"]


class Point(msgspec.Struct, frozen=True):
    """A point of a grid: the deepest a tree may be, how many trees, the shrinkage of each."""

    depth: int
    trees: int
    rate: float


def _grid(depths: tuple[int, ...], trees: tuple[int, ...], rates: tuple[float, ...]) -> tuple[Point, ...]:
    return tuple(Point(depth, count, rate) for depth in depths for rate in rates for count in trees)


GRIDS = {
    "validation": _grid((5, 8), (200,), (0.3, 0.1)),
    "small": _grid((5, 8), (200,), (0.3, 0.1)),
    "published": _grid((5, 6, 7, 8), (200, 300), (0.3, 0.1, 0.05)),
}


class HAIMParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Statistics of every channel and gradient-boosted trees. What is null is as the preset says (`HAIM_PRESETS`).

    preset:     completed (what an imputer completed, gaps left to the trees, counts), or what was published beside `grid`
                (published): every recorded value and no other, 0 where there is none, no counts, balance by task.
    grid:       how depth, number and shrinkage of the trees are chosen: among 24 points by five-fold cross-validation
                (published), among four of them likewise (small), or among the four on the validation part (validation).
    backend:    xgboost, as published, or scikit-learn's histogram gradient boosting, a substitute.
    mode:       honest: no value is NaN, which the trees know; or as the published code has it (reference): 0, no counts, later
                steps of an embedding weigh more.
    raw:        read observed values alone, whatever an imputer put between them.
    events:     with raw, every value that was recorded and not the last of each bin.
    counts:     features that say how much was observed. None in mode reference.
    trend_time: slopes against hours, in place of the number of the value. No effect in mode reference.
    embeddings: modalities whose channels are one vector of an encoder, and averaged; null: those of more than 64 channels.
    balance:    positives weigh as much as negatives. Of preset published: in a binary task, as published for mortality and
                length of stay, and not in a multilabel one, as published for pathologies; else in both.
    """

    preset: Annotated[Literal["completed", "published"], IN_LABEL] = "completed"
    grid: Annotated[Literal["validation", "small", "published"], ALWAYS_IN_LABEL] = "validation"
    backend: Annotated[Backend, IN_LABEL] = "xgboost"
    mode: Annotated[Mode | None, IN_LABEL] = None
    raw: Annotated[bool | None, IN_LABEL] = None
    events: bool | None = None
    counts: bool | None = None
    trend_time: bool = False
    embeddings: tuple[str, ...] | None = None
    balance: bool | None = None


class HAIMChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `haim` decides. balance, balance_labels: in a binary task; for each label of a multilabel one."""

    mode: Mode
    raw: bool
    events: bool
    counts: bool
    balance: bool
    balance_labels: bool


HAIM_PRESETS = Presets(
    "preset",
    {
        "completed": HAIMChoice(mode="honest", raw=False, events=False, counts=True, balance=True, balance_labels=True),
        "published": HAIMChoice(
            mode="reference", raw=True, events=True, counts=False, balance=True, balance_labels=False
        ),
    },
)


def haim_choice(params: HAIMParams) -> HAIMChoice:
    """The preset's choices, with what was given over them."""
    return HAIM_PRESETS.over(params, balance_labels=params.balance)


def _seconds(params: HAIMParams, records: int, draws: int) -> float:
    fits = {"validation": 4, "small": 21, "published": 2.5 * 61}[params.grid]
    return 1.5 * fits * records / 1000


def register(registry: Registry) -> None:
    """Declare haim."""
    registry.fuser(
        "haim",
        "bench_fusers.haim.fuser:HAIM",
        params=HAIMParams,
        presets=HAIM_PRESETS,
        summary="statistics of every channel, averaged embeddings, XGBoost with a tuned grid",
        paper="Soenksen et al., Integrated multimodal AI framework for healthcare applications, npj Digital Medicine 2022",
        tags={"nan_aware", "uses_events"},
        randomness="deterministic",
        seconds=_seconds,
        space={"balance": (False,), "counts": (False,), "trend_time": (True,)},
    )
