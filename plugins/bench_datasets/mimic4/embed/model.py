"""The torch model a person names for `bench data embed`: loaded without unpickling anything, called
batch by batch.

A TorchScript file runs TorchScript alone, no Python. What torch.save and torch.export.save write is
refused: both are read by unpickling, which can run anything. A callable is code that the person has
installed, and trusts.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bench.errors import DataError, PluginError, UsageError, nearest
from bench.files import content_digest
from bench_datasets.mimic4.params import EmbedParams

ACCEPTED = "accepted: a TorchScript file (torch.jit.save), or package.module:callable, which returns a torch.nn.Module"


@dataclass(frozen=True)
class Model:
    """A model on its device, in evaluation mode.

    - about: what identifies it: its name, and the SHA-256 of its file or of its weights and code.
    - preprocess: in place of ours, where the callable or its module brings one: `(array) -> array`.
    """

    called: Callable[..., Any]
    device: str
    about: dict[str, str]
    preprocess: Callable[[np.ndarray], np.ndarray] | None = None

    def embed(self, batch: np.ndarray) -> np.ndarray:
        """float32 [b, ...] -> float32 [b, width].

        A feature map [b, channels, h, w] goes through ReLU and is averaged over h and w (mimic48
        protocol, section 10); [b, width] is taken as it is. PluginError for any other output, and
        where the model fails.
        """
        import torch

        shape = list(batch.shape)
        try:
            with torch.inference_mode():
                out = self.called(torch.from_numpy(batch).to(self.device))
        except Exception as error:
            raise PluginError(
                f"the model {self.about['model']} fails on an input {shape} ({_first(error)}); when memory ran out, give a "
                "smaller batch=N"
            ) from error
        if not isinstance(out, torch.Tensor) or out.ndim not in (2, 4) or len(out) != len(batch):
            got = list(out.shape) if isinstance(out, torch.Tensor) else type(out).__name__
            raise PluginError(
                f"the model {self.about['model']} gives {got} for an input {shape}; needed: [{len(batch)}, width], or a feature "
                f"map [{len(batch)}, channels, h, w]; another method of it: method=NAME"
            )
        if out.ndim == 4:
            out = torch.relu(out).mean(dim=(2, 3))
        return np.ascontiguousarray(out.float().cpu().numpy())


def load_model(params: EmbedParams, device: str) -> Model:
    """The model that the parameters name.

    Raises UsageError when the name is neither a file nor an import path. Raises PluginError when
    the code cannot be imported or gives no module. Raises DataError for a file that cannot be
    loaded safely.
    """
    path = Path(params.model).expanduser()
    if path.is_file():
        return _script(path, params, device)
    if re.fullmatch(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*", params.model):
        return _callable(params, device)
    raise UsageError(f'model = "{params.model}" is not a file ({path.absolute()}); {ACCEPTED}')


def _script(path: Path, params: EmbedParams, device: str) -> Model:
    import torch

    if params.weights or params.options:
        key = "weights" if params.weights else "options"
        raise UsageError(
            f"{key} belongs to model=package.module:callable; {path.name} is a file and holds all it needs"
        )
    if path.suffix == ".safetensors":
        raise UsageError(
            f"{path} holds weights alone; name the model too: model=package.module:callable weights={path}"
        )
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # torch.export is no substitute: it unpickles
            module = torch.jit.load(str(path), map_location=device).eval()
    except (RuntimeError, ValueError, OSError) as error:
        raise DataError(
            f"{path} is not a TorchScript file, or a damaged one. What torch.save and torch.export.save write is not opened, "
            "since that can run any code; write one with: torch.jit.trace(model.eval(), example).save(FILE)"
        ) from error
    return Model(_method(module, params), device, {"model": path.name, "model_sha256": content_digest(path)})


def _callable(params: EmbedParams, device: str) -> Model:
    import torch

    where, _, name = params.model.partition(":")
    try:
        module = importlib.import_module(where)
    except ModuleNotFoundError as error:
        raise PluginError(
            f'model = "{params.model}": there is no module {error.name}; install its package, or put the folder it lies in '
            "on PYTHONPATH"
        ) from error
    except Exception as error:
        raise PluginError(f'model = "{params.model}" cannot be imported ({_first(error)})') from error
    make: Any = module
    for part in name.split("."):
        if not hasattr(make, part):
            raise PluginError(f'model = "{params.model}": {where} has no {part}; {nearest(part, vars(make))}{ACCEPTED}')
        make = getattr(make, part)
    try:
        network = make(**params.options)
    except Exception as error:
        raise PluginError(f'model = "{params.model}" cannot be made with {params.options} ({_first(error)})') from error
    if not isinstance(network, torch.nn.Module):
        raise PluginError(f'model = "{params.model}" gives {type(network).__name__}, not a torch.nn.Module')
    if params.weights:
        _fill(network, Path(params.weights).expanduser())
    about = {"model": params.model, "model_sha256": _digest(network)}
    source = inspect.getsourcefile(module)
    if source and Path(source).is_file():
        about["code_sha256"] = content_digest(Path(source))
    preprocess = getattr(make, "preprocess", None) or getattr(network, "preprocess", None)
    return Model(_method(network.eval().to(device), params), device, about, preprocess)


def _method(module: Any, params: EmbedParams) -> Callable[..., Any]:
    called = module if params.method == "forward" else getattr(module, params.method, None)
    if not callable(called):
        inside = [name for name, _ in module.named_children()]
        raise UsageError(
            f'method = "{params.method}" is nothing that the model can be called with; '
            f"{nearest(params.method, inside)}accepted: forward, a method, or a submodule ({', '.join(inside) or 'none'})"
        )
    method: Callable[..., Any] = called
    return method


def _fill(module: Any, path: Path) -> None:
    """Load weights: safetensors, or a pickle that is allowed to hold nothing but tensors."""
    import safetensors
    import torch
    from safetensors.torch import load_file

    if not path.is_file():
        raise UsageError(
            f'weights = "{path}" is not a file; accepted: a .safetensors file, or a state dict of torch.save'
        )
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", weights_only=True)
    except (safetensors.SafetensorError, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({_first(error)})") from error
    except Exception as error:  # torch.load: whatever an unpickler meets
        raise DataError(
            f"{path} holds more than tensors, or no weights at all, and is not opened; write it again with "
            "safetensors.torch.save_file(model.state_dict(), FILE)"
        ) from error
    try:
        module.load_state_dict(state)
    except (RuntimeError, TypeError, AttributeError) as error:
        raise DataError(f"{path} does not fit the model ({_first(error)})") from error


def _digest(module: Any) -> str:
    """The digest of a module's weights: names, types, shapes and bytes."""
    import torch

    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        if isinstance(value, torch.Tensor):
            digest.update(f"{name} {value.dtype} {list(value.shape)}".encode())
            digest.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _first(error: BaseException) -> str:
    """An exception in one line of at most 200 characters; of TorchScript's traceback the last
    line alone.
    """
    text = str(error)
    if "Traceback of TorchScript" in text:
        return text.strip().splitlines()[-1].strip()[:200]
    message = " ".join(text.split())
    return f"{type(error).__name__}: {message[:200]}" if message else type(error).__name__
