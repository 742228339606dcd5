"""Where a federation stands after a round, in one safetensors file."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from bench import arrays
from bench.learner import Arrays
from bench.results.federated import Done

FILE = "federation.safetensors"


@dataclass
class State:
    """What the next round needs, and what was so far.

    - arrays: as they are sent to clients.
    - best: the same of the round with the least validation loss; empty where none is chosen by it.
    - local: client -> the arrays of the group local/ that it keeps.
    - personal: client -> what it is sent in place of the same names in `arrays`.
    - server: what the federation keeps.
    - sums: bytes of the summaries that clients sent before the first round.
    """

    arrays: Arrays
    best: Arrays = field(default_factory=dict)
    best_round: int = 0
    best_loss: float | None = None
    history: list[Done] = field(default_factory=list)
    local: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    personal: dict[int, dict[str, np.ndarray]] = field(default_factory=dict)
    server: dict[str, np.ndarray] = field(default_factory=dict)
    sums: int = 0


class _Header(msgspec.Struct):
    identity: Any
    best_round: int
    best_loss: float | None
    history: list[Done]


def save(folder: Path | None, state: State, identity: dict[str, Any]) -> None:
    """Write the state, whole or not at all; nothing where there is no folder. Raises
    StorageError.
    """
    if folder is None:
        return
    kinds = {"arrays": state.arrays, "best": state.best, "server": state.server}
    kinds |= {f"local {client}": kept for client, kept in state.local.items()}
    kinds |= {f"personal {client}": sent for client, sent in state.personal.items()}
    stored = {f"{kind}/{name}": array for kind, each in kinds.items() for name, array in each.items()}
    header = _Header(identity, state.best_round, state.best_loss, state.history)
    arrays.write(folder / FILE, stored, {"key": FILE, "header": msgspec.json.encode(header).decode()})


def load(folder: Path | None, state: State, identity: dict[str, Any]) -> str:
    """Take the stored state into `state`; "" where there is none or it was taken, else why it was
    not.
    """
    if folder is None or not (folder / FILE).exists():
        return ""
    try:
        stored, metadata = arrays.read(folder / FILE, FILE)
        header = msgspec.json.decode(metadata["header"], type=_Header)
    except (arrays.Damaged, msgspec.MsgspecError, KeyError) as error:
        return f"what was stored is damaged ({error})"
    if header.identity != json.loads(msgspec.json.encode(identity)):
        return "what was stored belongs to another federation"
    kinds: dict[str, dict[str, np.ndarray]] = {}
    for name, array in stored.items():
        kind, _, rest = name.partition("/")
        kinds.setdefault(kind, {})[rest] = np.array(array)
    state.arrays, state.best, state.server = (kinds.pop(kind, {}) for kind in ("arrays", "best", "server"))
    by_client: dict[str, dict[int, dict[str, np.ndarray]]] = {"local": {}, "personal": {}}
    for kind, each in kinds.items():
        what, _, client = kind.partition(" ")
        by_client[what][int(client)] = each
    state.local, state.personal = by_client["local"], by_client["personal"]
    state.best_round, state.best_loss, state.history = header.best_round, header.best_loss, header.history
    return ""
