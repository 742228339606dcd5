"""A trained network as named arrays, with all that is needed to build it again.

network/<name>/times                   float64 [length]
network/<name>/known                   bool [channels]
network/<name>/parts/<i>/<modality>    int64 [1], its channels, in the order of the stack
network/<name>/context/<i>/<modality>  int64 [1]
network/<name>/weights/<weight>        as the module names them
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
import torch

from bench_imputers.diffusion.denoiser import Denoiser, Shape


def pack(name: str, shape: Shape, known: np.ndarray, module: Denoiser) -> dict[str, np.ndarray]:
    """The arrays of one network."""
    name = f"network/{name}"
    state = {f"{name}/times": np.array(shape.times, np.float64), f"{name}/known": known}
    for kind, members in (("parts", shape.parts), ("context", shape.context)):
        for place, (member, channels) in enumerate(members.items()):
            state[f"{name}/{kind}/{place}/{member}"] = np.array([channels], np.int64)
    for key, weight in module.state_dict().items():
        state[f"{name}/weights/{key}"] = weight.detach().cpu().numpy()
    return state


def names(state: Mapping[str, np.ndarray]) -> list[str]:
    """The networks in a state, in a fixed order."""
    matches = (re.fullmatch("network/(.*)/times", key) for key in state if "/weights/" not in key)
    return sorted(match[1] for match in matches if match)


def unpack(name: str, state: Mapping[str, np.ndarray]) -> tuple[Shape, np.ndarray, dict[str, torch.Tensor]]:
    """Shape, known channels and weights of the network of that name."""
    own = {key.removeprefix(f"network/{name}/"): v for key, v in state.items() if key.startswith(f"network/{name}/")}
    times = tuple(float(time) for time in own["times"])
    parts, context = (_members(own, kind) for kind in ("parts", "context"))
    weights = {
        key.removeprefix("weights/"): torch.from_numpy(np.array(value))
        for key, value in own.items()
        if key.startswith("weights/")
    }
    return Shape(sum(parts.values()), len(times), parts, context, times), np.array(own["known"]), weights


def _members(own: Mapping[str, np.ndarray], kind: str) -> dict[str, int]:
    entries = []
    for key, value in own.items():
        if key.startswith(f"{kind}/"):
            _, place, member = key.split("/", 2)
            entries.append((int(place), member, int(value[0])))
    return {member: channels for _, member, channels in sorted(entries)}
