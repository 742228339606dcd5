"""One round's answers merged, array by array.

Sums are float64 in the order of the clients' numbers, so that the order in which answers came
changes no bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bench.errors import UsageError
from bench.federation import Federation, Update, shares, weighted_sum
from bench.learner import Arrays, Reply

STAYS = ("local", "own")
"""Groups that are not merged here: a client keeps the one, a learner merges the other itself."""


def merged(
    federation: Federation[Any], before: Arrays, replies: Mapping[int, Reply], groups: Mapping[str, str]
) -> dict[str, np.ndarray]:
    """All arrays of `before` after a round. An array that no client sent stays as it was.

    groups: array -> group, as `Learner.groups` has it. Raises UsageError where a client answers
    with another shape than it received.
    """
    after = dict(before)
    for name in before:
        kind = groups[name].partition("/")[0]
        if kind in STAYS:
            continue
        sent = {client: replies[client] for client in sorted(replies) if name in replies[client].arrays}
        if not sent:
            continue
        updates = [Update(reply.arrays[name], reply.n[name], reply.steps[name]) for reply in sent.values()]
        _check(name, before[name], dict(zip(sent, updates, strict=True)))
        after[name] = _merged(federation, kind, name, before[name], updates)
    return after


def _merged(federation: Federation[Any], kind: str, name: str, before: np.ndarray, updates: list[Update]) -> np.ndarray:
    if not np.issubdtype(before.dtype, np.floating):  # how many batches were seen
        return np.asarray(np.max([each.array for each in updates], axis=0))
    if kind == "buffer":
        result = weighted_sum([each.array for each in updates], shares([each.n for each in updates]))
    else:
        result = federation.merge(name, before.astype(np.float64), updates)
    return result.astype(before.dtype)


def _check(name: str, before: np.ndarray, updates: Mapping[int, Update]) -> None:
    for client, update in updates.items():
        if update.array.shape != before.shape:
            raise UsageError(
                f"client {client} answered {name} with the shape {list(update.array.shape)}, and it was sent "
                f"{list(before.shape)}; an array whose shape changes belongs to the group own/"
            )
