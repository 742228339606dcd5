"""Promises of federations: how one array becomes another, whichever client answers first."""

from __future__ import annotations

from typing import Any

import numpy as np

from bench.federation import Federation, Update
from bench.testing import common  # noqa: F401  the shared promises come first
from bench.testing.checks import promise
from bench.testing.subject import Subject
from bench.testing.words import require, require_same, skip

SHAPES = {"shared/weight": (3, 4), "shared/bias": (4,), "mod/labs/scale": ()}
CLOSE = 1e-9
"""How far two merges may be apart by rounding, relative to their size."""


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
def state_goes_on(subject: Subject) -> None:
    """A fresh one that takes `state_dict` merges the next round with the same bits."""
    before = _before()
    first, second = _updates(before, 1), _updates(before, 2)
    whole, begun = _merging(subject), _merging(subject)
    for federation in (whole, begun):
        _merged(federation, before, first)
    resumed = _merging(subject)
    state = begun.state_dict()
    require(all(isinstance(array, np.ndarray) for array in state.values()), "state_dict must hold NumPy arrays by name")
    resumed.load_state_dict({name: array.copy() for name, array in state.items()})
    one, other = _merged(whole, before, second), _merged(resumed, before, second)
    for name in one:
        require_same(one[name], other[name], f"after state_dict and load_state_dict: {name}")


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
