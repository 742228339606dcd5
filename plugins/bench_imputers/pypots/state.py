"""What a fitted PyPOTS model has learnt, as named arrays, and the statistics it keeps outside its
weights.

The package's own `save` writes a pickle with the weights alone. Three models need more: CSAI the
usual intervals between observations, Koopa its spectrum, GRU-D the training means, which the
package takes from whatever set it completes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

INTERVALS, SPECTRUM, MEANS = "#intervals", "#spectrum", "#means"


def settle(model: Any, means: np.ndarray) -> None:
    """Keep the training means of a fitted model (float32 [channels]) where it needs them to
    impute.
    """
    if type(model).__name__ == "GRUD":
        model.bench_means = np.asarray(means, np.float32)


def ready(model: Any) -> None:
    """Make a fitted model impute from what was learnt in training and from what is visible, and
    from nothing else.

    GRU-D: the training means instead of those of the records asked for. CSAI: no visible entry is
    hidden from it, which the package does at random when it imputes too.
    """
    kind = type(model).__name__
    if kind == "CSAI":
        model.replacement_probabilities = np.zeros(model.n_features)
    elif kind == "GRUD" and not hasattr(model, "bench_assemble"):
        model.bench_assemble = model._assemble_input_for_testing
        model._assemble_input_for_testing = lambda data: _with_means(model, data)


def _with_means(model: Any, data: Any) -> Any:
    inputs = model.bench_assemble(data)
    old = inputs["empirical_mean"]
    inputs["empirical_mean"] = torch.from_numpy(np.array(model.bench_means)).to(old).expand_as(old)
    return inputs


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """The weights and statistics of a fitted model by name. Complex weights have a last axis of
    two: real, imaginary.
    """
    weights: Mapping[str, torch.Tensor] = getattr(getattr(model, "model", None), "state_dict", dict)()
    arrays = {}
    for name, weight in weights.items():
        tensor = weight.detach().cpu()
        tensor = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
        arrays[name] = np.array(tensor.numpy(), order="C")
    kind = type(model).__name__
    if kind == "CSAI":
        arrays[INTERVALS] = np.array(list(model.intervals.values()), np.float64)
    elif kind == "Koopa":
        arrays[SPECTRUM] = model.model.backbone.mask_spectrum.detach().cpu().numpy().astype(np.int64)
    elif kind == "GRUD":
        arrays[MEANS] = model.bench_means
    return arrays


def take_arrays(model: Any, arrays: Mapping[str, np.ndarray]) -> None:
    """Give a freshly built model of the same arguments what `arrays_of` gave."""
    if INTERVALS in arrays:
        model.intervals = {channel: float(value) for channel, value in enumerate(arrays[INTERVALS])}
    if SPECTRUM in arrays:
        model.model.backbone.mask_spectrum = torch.from_numpy(np.array(arrays[SPECTRUM])).to(model.device)
    if MEANS in arrays:
        model.bench_means = np.asarray(arrays[MEANS])
    if not hasattr(getattr(model, "model", None), "state_dict"):
        return
    own = model.model.state_dict()
    taken = {}
    for name, weight in own.items():
        tensor = torch.from_numpy(np.array(arrays[name]))
        taken[name] = torch.view_as_complex(tensor) if weight.is_complex() else tensor
    model.model.load_state_dict(taken)
    model.model.eval()
