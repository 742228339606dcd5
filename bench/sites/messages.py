"""What goes between a server and its sites: named arrays, and a few words as JSON. No code, no
pickle, no record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from bench.cohort import Task
from bench.sums import Moments, Sums, condensed

if TYPE_CHECKING:
    from bench.federated.client import Order  # with torch, which not every process should wait for
    from bench.learner import Arrays, Reply

HELLO, SCALING, IMPUTER, FUSER, TRAIN, VALIDATE = "hello", "scaling", "imputer", "fuser", "train", "validate"
MOMENTS = ("count", "total", "squares")


@dataclass(frozen=True)
class Message:
    """A question of the server, or the answer of a site.

    - kind: of the question.
    - about: plain values, as JSON has them; `error` is there alone, where a site cannot answer.
    """

    kind: str
    arrays: Arrays = field(default_factory=dict)
    about: Mapping[str, Any] = field(default_factory=dict)


def under(prefix: str, arrays: Arrays) -> dict[str, np.ndarray]:
    """The arrays whose names begin with a prefix and a slash, without both."""
    return {name.removeprefix(f"{prefix}/"): each for name, each in arrays.items() if name.startswith(f"{prefix}/")}


def named(prefix: str, arrays: Arrays) -> dict[str, np.ndarray]:
    """The opposite of `under`."""
    return {f"{prefix}/{name}": np.asarray(array) for name, array in arrays.items()}


def packed(sums: Sums) -> dict[str, np.ndarray]:
    """The numbers of sums as arrays. Of exact sums, nothing is kept but what they sum up to."""
    arrays = {f"totals/{name}": condensed(total) for name, total in sums.totals.items()}
    for name, each in sums.moments.items():
        arrays |= {f"moments/{name}/{part}": np.asarray(getattr(each, part)) for part in MOMENTS}
    return arrays


def unpacked(arrays: Arrays, form: Any, task: Task | None) -> Sums:
    """The sums of these numbers."""
    moments = under("moments", arrays)
    names = dict.fromkeys(name.rpartition("/")[0] for name in moments)
    return Sums(
        form,
        task,
        under("totals", arrays),
        {name: Moments(*(moments[f"{name}/{part}"] for part in MOMENTS)) for name in names},
    )


def order_message(order: Order, known: Arrays) -> Message:
    """An order. known: the sums of all sites."""
    about = {"round": order.round, "clients": order.clients, "share": order.share, "before": order.before}
    return Message(TRAIN, {**known, **named("array", order.arrays), **named("personal", order.personal)}, about)


def order_of(client: int, message: Message) -> Order:
    """The order in a message. Raises KeyError, TypeError or ValueError for what is none."""
    from bench.federated.client import Order

    about = message.about
    return Order(
        client=client,
        round=int(about["round"]),
        clients=int(about["clients"]),
        share=float(about["share"]),
        before=int(about["before"]),
        arrays=under("array", message.arrays),
        personal=under("personal", message.arrays),
    )


def reply_message(reply: Reply) -> Message:
    """An answer to an order; what the site keeps is not in it."""
    about = {"n": dict(reply.n), "steps": dict(reply.steps)}
    return Message(TRAIN, {**named("array", reply.arrays), **named("sum", reply.sums)}, about)


def reply_of(message: Message) -> Reply:
    """The answer in a message. Raises KeyError, TypeError or ValueError for what is none."""
    from bench.learner import Reply

    arrays, sums = under("array", message.arrays), under("sum", message.arrays)
    counts = {}
    for what in ("n", "steps"):
        counts[what] = {name: int(message.about[what][name]) for name in arrays}
        if min(counts[what].values(), default=1) < 1:
            raise ValueError(f"{what} is below 1")
    return Reply(arrays, counts["n"], counts["steps"], scalars(sums), {})


def scalars(sums: Arrays) -> dict[str, np.ndarray]:
    """The sum of losses and the count of items. Raises KeyError or ValueError."""
    return {name: np.array(float(sums[name])) for name in ("loss", "count")}
