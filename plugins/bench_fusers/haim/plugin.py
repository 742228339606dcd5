"""`haim`, declared; its code is imported when it is built."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.presets import Presets
from bench.registry import Registry
from bench.train_params import ALWAYS_IN_LABEL, IN_LABEL
from bench.workload import Workload

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
    """Statistics of every channel and gradient-boosted trees. What is null is as the preset says
    (`HAIM_PRESETS`).
    """

    preset: Annotated[
        Literal["completed", "published"],
        IN_LABEL,
        msgspec.Meta(
            description="What an imputer completed counts; gaps are left to the trees (completed). Or what was "
            "published, beside `grid`: every recorded value and no other, 0 where there is none, no counts, "
            "balance by task (published)."
        ),
    ] = "completed"
    grid: Annotated[
        Literal["validation", "small", "published"],
        ALWAYS_IN_LABEL,
        msgspec.Meta(
            description="How depth, number and shrinkage of the trees are chosen. By five-fold cross-validation: among "
            "24 points (published) or four of them (small). On the validation part: among the four "
            "(validation)."
        ),
    ] = "validation"
    backend: Annotated[
        Backend,
        IN_LABEL,
        msgspec.Meta(description="XGBoost, as published, or scikit-learn's histogram gradient boosting, a substitute."),
    ] = "xgboost"
    mode: Annotated[
        Mode | None,
        IN_LABEL,
        msgspec.Meta(
            description="No value is NaN, which the trees know (honest); or as the published code has it: 0, no counts, "
            "later steps of an embedding weigh more (reference). Null: as the preset."
        ),
    ] = None
    raw: Annotated[
        bool | None,
        IN_LABEL,
        msgspec.Meta(
            description="Read observed values alone, whatever an imputer put between them. Null: as the preset."
        ),
    ] = None
    events: Annotated[
        bool | None,
        msgspec.Meta(
            description="With `raw`, read every value that was recorded and not the last of each bin. Null: as the "
            "preset."
        ),
    ] = None
    counts: Annotated[
        bool | None,
        msgspec.Meta(
            description="Features that say how much was observed; none of them in the mode reference. Null: as the "
            "preset."
        ),
    ] = None
    trend_time: Annotated[
        bool,
        msgspec.Meta(
            description="Slopes against hours, in place of the number of the value. No effect in the mode reference."
        ),
    ] = False
    embeddings: Annotated[
        tuple[str, ...] | None,
        msgspec.Meta(
            description="Modalities whose channels are one vector of an encoder, and averaged; null: those of more than "
            "64 channels."
        ),
    ] = None
    balance: Annotated[
        bool | None,
        msgspec.Meta(
            description="Positives weigh as much as negatives. Null: yes; with the preset published in a binary task, as "
            "published for mortality and length of stay, and not in a multilabel one, as published for "
            "pathologies."
        ),
    ] = None


class HAIMChoice(msgspec.Struct, frozen=True, kw_only=True):
    """What a preset of `haim` decides. balance, balance_labels: in a binary task; for each label
    of a multilabel one.
    """

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


def haim_seconds(params: HAIMParams, work: Workload) -> float:
    """Measured: an ensemble for each label, point of the grid and fold, on some features of
    every channel.
    """
    fits = {"validation": 4, "small": 21, "published": 2.5 * 61}[params.grid]
    return work.labels * fits * work.width * (1e-2 + 3e-5 * work.train)


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
        seconds=haim_seconds,
        selects_by=("auroc", "mae"),
        space={"balance": (False,), "counts": (False,), "trend_time": (True,)},
    )
