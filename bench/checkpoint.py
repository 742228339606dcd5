"""The state of a training in one safetensors file: tensors, and the rest as JSON in its header.
Never a pickle.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn

from bench.files import replacing

__all__ = ["Epoch", "State", "load", "save"]

FORMAT = 2


class Epoch(msgspec.Struct, frozen=True):
    """What one epoch left: optimiser steps done at its end, mean loss over its items, validation
    score (or None).
    """

    step: int
    loss: float
    score: float | None


@dataclass
class State:
    """Where a training stands, besides the weights and the optimiser.

    - average: of the trained weights, then of the buffers, in their order; empty where none is
      kept.
    - seconds: calibrated ones so far, of a training that ends by them.
    - loss_sum, loss_items: of the epoch that is under way.
    - order: its permutation, drawn again after a resume.
    """

    step: int = 0
    seconds: float = 0.0
    best: float | None = None
    best_step: int = 0
    best_weights: dict[str, torch.Tensor] = field(default_factory=dict)
    average: list[torch.Tensor] = field(default_factory=list)
    history: list[Epoch] = field(default_factory=list)
    loss_sum: float = 0.0
    loss_items: int = 0
    order: np.ndarray | None = None


def save(
    path: Path, state: State, module: nn.Module, optimizer: torch.optim.Optimizer, identity: dict[str, Any]
) -> None:
    """Write the state, whole or not at all; `load` takes it where `identity` is equal. Raises
    StorageError.
    """
    tensors = {f"weights/{key}": value for key, value in module.state_dict().items()}
    tensors |= {f"best/{key}": value for key, value in state.best_weights.items()}
    tensors |= {f"average/{index}": value for index, value in enumerate(state.average)}
    for index, entries in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer/{index}/{key}": value for key, value in entries.items()}
    # Tied weights share memory, which the format refuses; each copy is written and loads to the
    # same value.
    tensors = {key: value.detach().to("cpu", copy=True).contiguous() for key, value in tensors.items()}
    header = {
        "format": FORMAT,
        "identity": identity,
        "step": state.step,
        "seconds": state.seconds,
        "best": state.best,
        "best_step": state.best_step,
        "history": msgspec.to_builtins(state.history),
        "loss_sum": state.loss_sum,
        "loss_items": state.loss_items,
    }
    text = json.dumps(header)
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata={"training": text, "digest": _digest(tensors, text)})


def load(
    path: Path, state: State, module: nn.Module, optimizer: torch.optim.Optimizer, identity: dict[str, Any]
) -> str:
    """Take the state in `path` into `state`, `module` and `optimizer`; "" on success.

    Otherwise nothing is changed and the answer says why: the file is damaged, or it belongs to
    another training.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            text = metadata["training"]
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
        if metadata["digest"] != _digest(tensors, text):
            return f"{path} is damaged (its checksum differs)"
        header = json.loads(text)
        if header["format"] != FORMAT:
            return f"{path} has format {header['format']}, not {FORMAT}"
        if header["identity"] != json.loads(json.dumps(identity)):
            return f"{path} belongs to another training (parameters, shapes, seed or number of records differ)"
        history = msgspec.convert(header["history"], list[Epoch])
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        return f"{path} is damaged ({error})"
    entries: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in _under(tensors, "optimizer/").items():
        index, _, entry = key.partition("/")
        entries.setdefault(int(index), {})[entry] = value
    module.load_state_dict(_under(tensors, "weights/"))
    optimizer.load_state_dict({"state": entries, "param_groups": optimizer.state_dict()["param_groups"]})
    place = next(module.parameters()).device
    state.best_weights = {key: value.to(place) for key, value in _under(tensors, "best/").items()}
    average = _under(tensors, "average/")
    state.average = [average[str(index)].to(place) for index in range(len(average))]
    state.step, state.best, state.best_step = header["step"], header["best"], header["best_step"]
    state.seconds = header["seconds"]
    state.loss_sum, state.loss_items, state.history = header["loss_sum"], header["loss_items"], history
    return ""


def _under(tensors: dict[str, torch.Tensor], prefix: str) -> dict[str, torch.Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}


def _digest(tensors: dict[str, torch.Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()
