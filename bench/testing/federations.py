"""Promises of federations: how one array becomes another, whichever client answers first."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from bench import arrays
from bench.federation import Federation, Update, shares, weighted_sum
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.subject import Subject
from bench.testing.words import require, require_same, skip

if TYPE_CHECKING:
    from bench.learner import Reply  # with torch, which no import of the kit should wait for

SHAPES = {"shared/weight": (3, 4), "shared/bias": (4,), "mod/labs/scale": ()}
CLOSE = 1e-9
"""How far two merges may be apart by rounding, relative to their size."""

ROUNDS = 4
"""After each but the last, a stop is tried."""


def _merging(subject: Subject) -> Federation[Any]:
    if {"alone", "pooled"} & subject.spec.tags:
        skip("a control, which merges nothing")
    federation: Federation[Any] = subject.build()
    return federation


def _before() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    return {name: np.asarray(rng.normal(size=shape)) for name, shape in SHAPES.items()}


def _updates(before: dict[str, np.ndarray], round: int, moved: float = 0.1) -> dict[str, list[Update]]:
    rng = np.random.default_rng(round)
    return {
        name: [
            Update(np.asarray(array + moved * rng.normal(size=array.shape), np.float32), n, steps)
            for n, steps in ((5, 1), (20, 4), (11, 2))
        ]
        for name, array in before.items()
    }


def _merged(
    federation: Federation[Any], before: dict[str, np.ndarray], updates: dict[str, list[Update]]
) -> dict[str, np.ndarray]:
    return {name: federation.merge(name, before[name].copy(), updates[name]) for name in updates}


def _close(one: dict[str, np.ndarray], other: dict[str, np.ndarray], what: str) -> None:
    for name, array in one.items():
        by = float(np.abs(array - other[name]).max())
        require(by <= CLOSE * (1 + float(np.abs(array).max())), f"{what}: {name} is off by {by:.1g}")


@promise("federation", first=True)
def merges(subject: Subject) -> None:
    """`merge` gives a finite float64 array of the shape it was sent, and does not write to what it
    is given.
    """
    federation, before = _merging(subject), _before()
    updates = _updates(before, 1)
    for name, array in before.items():
        kept, answers = array.copy(), [update.array.copy() for update in updates[name]]
        after = federation.merge(name, array, updates[name])
        form = isinstance(after, np.ndarray) and after.dtype == np.float64 and after.shape == array.shape
        require(form, f"merge gave {type(after).__name__} for {name}; it must be float64 {list(array.shape)}")
        require(np.isfinite(after).all(), f"merge gave numbers for {name} that are not finite")
        require_same(array, kept, f"merge wrote to what clients received as {name}")
        for update, answer in zip(updates[name], answers, strict=True):
            require_same(update.array, answer, f"merge wrote to an answer for {name}")


@promise("federation")
def nothing_learnt_changes_nothing(subject: Subject) -> None:
    """Where every client answers what it received, an array stays as it is."""
    federation, before = _merging(subject), _before()
    same = {name: [Update(array, n, 3) for n in (5, 20, 11)] for name, array in before.items()}
    _close(_merged(federation, before, same), before, "clients that learnt nothing changed the array")


@promise("federation")
def no_client_is_favoured(subject: Subject) -> None:
    """Which client bears which number changes nothing but rounding."""
    before = _before()
    updates = _updates(before, 1)
    swapped = {name: each[::-1] for name, each in updates.items()}
    one, other = _merged(_merging(subject), before, updates), _merged(_merging(subject), before, swapped)
    _close(one, other, "clients in another order")


@promise("federation")
def arrays_are_apart(subject: Subject) -> None:
    """The merge of an array depends on no other array, and on no order of arrays."""
    before = _before()
    updates = _updates(before, 1)
    backwards = dict(reversed(updates.items()))
    one, other = _merged(_merging(subject), before, updates), _merged(_merging(subject), before, backwards)
    for name in one:
        require_same(one[name], other[name], f"arrays in another order: {name}")


@promise("federation")
def items_count(subject: Subject) -> None:
    """An answer counts by its items: two clients with the same answer weigh as one that has the
    items of both.
    """
    before = _before()
    updates = _updates(before, 1)
    apart = {
        name: [replace(first, n=first.n - 2), replace(first, n=2), *others]
        for name, (first, *others) in updates.items()
    }
    one, other = _merged(_merging(subject), before, updates), _merged(_merging(subject), before, apart)
    _close(one, other, "a client whose items two clients have")


@promise("federation")
def merges_as_in_a_run(subject: Subject) -> None:
    """In a round it moves no array that the harness merges: running statistics are averaged by
    items, and what a client keeps stays. Replies in any order give the same bits.
    """
    from bench.federated.merging import merged

    before = {name: array.astype(np.float32) for name, array in _before().items()}
    before |= {
        "buffer/mean": np.zeros(4, np.float32),
        "buffer/batches": np.array(3),
        "local/bias": np.ones(2, np.float32),
    }
    groups = {name: "mod/labs" if name.startswith("mod/") else name.partition("/")[0] for name in before}
    after = merged(_merging(subject), before, _replies(before), groups)
    answers = _replies(before).values()
    means, items = [each.arrays["buffer/mean"] for each in answers], [each.n["buffer/mean"] for each in answers]
    right = weighted_sum(means, shares(items)).astype(np.float32)
    require_same(after["buffer/mean"], right, "running statistics, averaged by items")
    require(after["buffer/batches"] == 12, "the number of batches seen is not the greatest that a client answered")
    require_same(after["local/bias"], before["local/bias"], "what a client keeps")
    backwards = merged(_merging(subject), before, dict(reversed(_replies(before).items())), groups)
    for name in after:
        require_same(after[name], backwards[name], f"replies in another order: {name}")


def _replies(before: dict[str, np.ndarray]) -> dict[int, Reply]:
    """The answers of three clients, each a set of views into one block of memory, as weights of one
    module can be.
    """
    from bench.learner import Reply

    rng, replies = np.random.default_rng(2), {}
    for client, n in enumerate((5, 20, 11)):
        sizes = [array.size for array in before.values()]
        block = rng.normal(size=sum(sizes)).astype(np.float32)
        parts = np.split(block, np.cumsum(sizes)[:-1])
        learnt = {name: part.reshape(before[name].shape) for name, part in zip(before, parts, strict=True)}
        learnt["buffer/batches"] = np.array(10 + client)
        replies[client] = Reply(learnt, dict.fromkeys(before, n), dict.fromkeys(before, 2), {}, {})
    return replies


@promise("federation")
def state_goes_on(subject: Subject) -> None:
    """Stopped after any round, a fresh one that takes what was stored of `state_dict` goes on with
    the same bits.
    """
    before = _before()
    for stopped in range(1, ROUNDS):
        whole, begun, resumed = _merging(subject), _merging(subject), _merging(subject)
        for number in range(1, stopped + 1):
            _merged(begun, before, _updates(before, number))
            _merged(whole, before, _updates(before, number))
        resumed.load_state_dict(_stored(begun.state_dict()))
        for number in range(stopped + 1, ROUNDS + 1):
            one, other = (_merged(each, before, _updates(before, number)) for each in (whole, resumed))
            for name in one:
                require_same(one[name], other[name], f"round {number}, after a stop in round {stopped}: {name}")


def _stored(state: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """A state as it comes back from a file."""
    from bench.federated.state import State, load, save

    kept = all(isinstance(each, np.ndarray) and each.dtype in arrays.STORED for each in state.values())
    require(kept, "state_dict must hold NumPy arrays of numbers, by name")
    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder), State({}, server=state), {})
        back = State({})
        problem = load(Path(folder), back, {})
    require(not problem, f"state_dict did not come back from a file: {problem}")
    return back.server


@promise("federation")
def penalty_is_a_number(subject: Subject) -> None:
    """`penalty`, where there is one, is a finite scalar of torch, and nothing at the weights that
    were received.
    """
    penalty = _merging(subject).penalty()
    if penalty is None:
        skip("adds nothing to the loss")
    import torch

    module = torch.nn.Linear(3, 2)
    value = penalty(module)()
    require(
        isinstance(value, torch.Tensor) and value.shape == () and bool(torch.isfinite(value)),
        "the penalty must be a finite scalar tensor",
    )
    at_start = value.item()
    require(at_start == 0, f"the penalty is {at_start:.3g} at the weights that were received; it must be 0")
