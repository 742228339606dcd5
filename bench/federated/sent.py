"""What a client sends, looked at before anything is made of it: nothing but what was declared."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np

from bench.errors import PluginError
from bench.learner import Arrays, Reply


def undeclared(reply: Reply, before: Arrays, groups: Mapping[str, str], records: int, owned: Collection[str]) -> str:
    """Why a reply may not leave a client, in words; empty where it may.

    - before: what the client received; it declares names, shapes and types.
    - groups: array -> group.
    - records: of the client's training part: no array that was not declared may be as long.
    - owned: the modalities that the client has.
    """
    for name, array in reply.arrays.items():
        group = groups.get(name, "own" if name.startswith("own/") else "")
        kind, *about = group.split("/")
        if not kind:
            return f"{name} was not declared"
        if kind == "local":
            return f"{name} is of the group local/, which stays at a client"
        sent = before.get(name)
        if sent is not None and array.dtype != sent.dtype:
            return f"{name} is {array.dtype}, and {sent.dtype} was declared"
        same = sent is not None and array.shape == sent.shape
        if kind != "own" and not same:
            return (
                f"{name} has the shape {list(array.shape)}, and {[] if sent is None else list(sent.shape)} was declared; an "
                "array whose shape changes belongs to the group own/"
            )
        if not same and records in array.shape:
            return f"{name} is as long as the client has training records"
        lacking = [modality for modality in about if modality not in owned]
        if (
            kind in ("mod", "pair", "buffer", "own")
            and lacking
            and not np.array_equal(array, before[name], equal_nan=True)
        ):
            return f"{name} was changed by a client without the modality {lacking[0]}"
    return ""


def check(
    client: int, reply: Reply, before: Arrays, groups: Mapping[str, str], records: int, owned: Collection[str]
) -> None:
    """Raise PluginError for a reply that may not leave a client."""
    if problem := undeclared(reply, before, groups, records, owned):
        raise PluginError(f"what client {client} would send breaks the contract of a learner: {problem}")
