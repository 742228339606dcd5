"""Registered through the same door as any plugin; the light module."""

from __future__ import annotations

import msgspec

from bench.cohort import Task
from bench.hooks import hookimpl
from bench.testing import TOY_TASK

bench_contract = 1

PLAIN = Task("plain", "binary", ("brier",), summary="the same target, scored without a large library")
"""For runs in processes of their own, which would load scikit-learn for a score that nobody looks
at.
"""


class ToyParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """n: records."""

    n: int = 200


class WaitParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """seconds: how long fit takes; beacon: a file that is created when fit begins."""

    seconds: float = 0.0
    beacon: str = ""
    stubborn: bool = False
    megabytes: int = 0
    fail: str = ""


class UnrulyParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """See `bench_toy.unruly`. raises: an error of its own; does: changes of the process; then:
    how fit ends.
    """

    does: str = ""
    raises: str = ""
    then: str = ""
    log: str = ""
    beacon: str = ""
    megabytes: int = 0


class AroundParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """width: of the draws, in spreads of the channel; beacon: a file that gets a line whenever
    fit is called.
    """

    width: float = 1.0
    beacon: str = ""


PLACES = ("instance", "locked", "class", "module", "cache", "closure", "library")
"""Where `bench_toy.memories` may remember."""


class MemoryParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """where: it remembers, see `bench_toy.memories`; once: the first call alone, not each
    record's; variant: means nothing.
    """

    where: str = "instance"
    once: bool = False
    variant: int = 0


class CopyParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """share: of the records that get their neighbour's prediction."""

    share: float = 0.2


DRAWING = ("Draws", "BatchMean", "Unnested", "Moves", "Spills", "Masks")
LIARS = {
    "honest": "Draws", "batchmean": "BatchMean", "unnested": "Unnested", "moves": "Moves", "spills": "Spills",
    "masks": "Masks", "logits": "Logits", "counts": "Counts", "masked": "Masked", "huge": "Huge", "firstcall": "FirstCall",
    "validlogits": "LogitsOnValid",
}  # fmt: skip


@hookimpl
def bench_register(registry):
    registry.dataset(
        "toy", "bench_toy.parts:Toy", tasks=[TOY_TASK, PLAIN], modalities=("vitals", "labs"), params=ToyParams,
        tags=("synthetic",), summary="a generated toy cohort", seconds=0.1,
    )  # fmt: skip
    registry.fuser(
        "waits", "bench_toy.parts:Waits", params=WaitParams, randomness="seeded", seconds=0.01,
        summary="waits, grows, fails or dies as told, then predicts from the mean", notes={"waits": "count"},
        space={"seconds": (0.0, 0.01), "fail": ("", "raise")},
    )  # fmt: skip
    registry.fuser(
        "unruly", "bench_toy.unruly:Unruly", params=UnrulyParams, tags=("torch",), seconds=0.01,
        summary="changes its process, leaves things behind, raises what is not its own",
    )  # fmt: skip
    registry.fuser(
        "level", "bench_toy.parts:Level", randomness="seeded", seconds=0.01, summary="predicts from the mean"
    )
    registry.fuser("peeks", "bench_toy.parts:Peeks", seconds=0.01, summary="depends on batch mates")
    registry.fuser("blind", "bench_toy.parts:Blind", seconds=0.01, summary="ignores imputed values")
    registry.fuser("careless", "bench_toy.parts:Careless", seconds=0.01, summary="reads absent modalities")
    registry.fuser("restless", "bench_toy.parts:Restless", seconds=0.01, summary="not reproducible")
    registry.fuser("holes", "bench_toy.parts:Holes", seconds=0.01, summary="predicts NaN for some records")
    registry.imputer("touches", "bench_toy.parts:Touches", summary="changes observed values")
    registry.imputer("absent", "bench_toy.nowhere:Absent", summary="its module does not exist")
    registry.imputer("stateless", "bench_toy.parts:Stateless", summary="learns nothing")
    registry.imputer(
        "around", "bench_toy.parts:Around", params=AroundParams, tags=("draws",), randomness="seeded", seconds=0.1,
        summary="draws around the training mean", space={"width": (0.5, 2.0)},
    )  # fmt: skip
    registry.imputer(
        "remembers", "bench_toy.memories:Remembers", params=MemoryParams, seconds=0.01, summary="answers from memory"
    )
    registry.fuser(
        "recalls", "bench_toy.memories:Recalls", params=MemoryParams, seconds=0.01, summary="answers from memory"
    )
    registry.fuser(
        "copies", "bench_toy.memories:Copies", params=CopyParams, seconds=0.01, summary="copies the neighbour's row"
    )
    for name, attribute in LIARS.items():
        kind = registry.imputer if attribute in DRAWING else registry.fuser
        declared = {"tags": ("draws",), "randomness": "seeded"} if attribute in DRAWING else {}
        kind(name, f"bench_toy.liars:{attribute}", summary="breaks a promise", seconds=0.01, **declared)
