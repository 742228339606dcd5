"""The models of PyPOTS as components: a typed parameter struct for each, and their registration. Nothing heavy is imported."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec

from bench.registry import Registry
from bench_imputers.pypots.model import Model
from bench_imputers.pypots.models import MODELS

Positive = Annotated[int, msgspec.Meta(ge=1)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class Targets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """targets: modalities the model completes; empty: all of at most `widest` channels. The others are carried forward.

    widest: most channels of a modality that the model completes where `targets` does not say.
    """

    model: ClassVar[str] = ""
    targets: tuple[str, ...] = ()
    widest: Positive = 48


class Trained(Targets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """epochs: passes over the training records, at most.

    batch_size: records per step, and per call when imputing.
    learning_rate: of Adam, constant.
    weight_decay: L2 penalty of Adam.
    patience: epochs without a better validation score before training stops; 0 = never. The best weights are kept.
    valid_records: validation records used, at most; 0 = none, the epoch with the lowest training loss is kept.
    valid_hidden: share of the visible entries of the validation records that is hidden to score them.
    """

    epochs: Positive = 100
    batch_size: Positive = 32
    learning_rate: Annotated[float, msgspec.Meta(gt=0)] = 1e-3
    weight_decay: NotNegative = 0.0
    patience: Annotated[int, msgspec.Meta(ge=0)] = 10
    valid_records: Annotated[int, msgspec.Meta(ge=0)] = 1000
    valid_hidden: Annotated[float, msgspec.Meta(gt=0, lt=1)] = 0.1


class Nothing(Targets, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of a model of the installed PyPOTS that the table does not know."""


CHOICES: Mapping[str, Any] = {
    "version": Literal["Wavelets", "Fourier"],
    "mode_select": Literal["random", "low"],
    "mode_type": Literal[0, 1, 2],
    "kernel": Literal["cauchy", "diffusion", "rbf", "matern"],
    "target_strategy": Literal["random", "mix"],
    "schedule": Literal["quad", "linear"],
    "decomp_method": Literal["moving_avg", "dft_decomp"],
    "compression_factor": Literal[4, 8, 12, 16],
    "first_step_imputation": Literal["zero", "backward", "median"],
    "llm_model_type": Literal["LLaMA", "GPT2", "BERT"],
    "transformer_type": Literal["encoder_only", "decoder_only", "encoder_decoder"],
    "finetuning_mode": Literal["linear-probing", "end-to-end", "zero-shot"],
}

TOLD: Mapping[str, str] = {
    "n_layers": "layers",
    "n_encoder_layers": "layers of the encoder",
    "n_decoder_layers": "layers of the decoder",
    "d_model": "width",
    "n_heads": "heads of the attention",
    "d_k": "width of keys and queries of a head; d_model = n_heads * d_k",
    "d_v": "width of values of a head",
    "d_ffn": "width of the feed-forward layers",
    "dropout": "dropout",
    "attn_dropout": "dropout of the attention",
    "diagonal_attention_mask": "a bin does not attend to itself",
    "ORT_weight": "weight of the error on observed entries",
    "MIT_weight": "weight of the error on entries hidden for training",
    "rnn_hidden_size": "width of the hidden state",
    "top_k": "frequencies kept",
    "moving_avg_window_size": "bins of the moving average",
    "moving_avg": "bins of the moving average",
    "factor": "factor of the sparse attention; crossformer: routers",
    "seg_len": "bins of a segment",
    "win_size": "segments merged",
    "patch_size": "bins of a patch",
    "patch_stride": "bins from patch to patch",
    "n_kernels": "kernels of a convolution block",
    "kernel_size": "width of the convolutions",
    "apply_nonstationary_norm": "normalise each record by its own statistics",
    "individual": "a layer for each channel",
    "n_diffusion_steps": "steps of the diffusion",
    "is_unconditional": "train without conditioning on observed values",
    "beta_start": "noise of the first step",
    "beta_end": "noise of the last step",
    "d_time_embedding": "width of the time embedding",
    "d_feature_embedding": "width of the channel embedding",
    "d_diffusion_embedding": "width of the step embedding",
    "n_channels": "residual channels",
    "hint_rate": "share of the mask shown to the discriminator",
    "lambda_mse": "weight of the reconstruction",
    "G_steps": "train the generator at every G_steps-th step",
    "D_steps": "train the discriminator at every D_steps-th step",
    "latent_size": "width of the latent series",
    "beta": "weight of the Kullback-Leibler term",
    "M": "Monte Carlo samples in training",
    "K": "importance samples in training; trmf: factors",
    "lags": "bins of the autoregression",
    "max_iter": "iterations for each record",
    "removal_percent": "share (0 to 1) of entries hidden in training",
}
"""What `bench show` says of an argument; names that speak for themselves are left out."""


def _type(name: str, default: Any) -> Any:
    if name in CHOICES:
        kind = CHOICES[name]
    elif isinstance(default, bool):
        kind = bool
    elif isinstance(default, int):
        kind = Annotated[int, msgspec.Meta(ge=min(default, 1))]
    elif isinstance(default, float):
        kind = NotNegative
    elif isinstance(default, tuple):
        kind = tuple[Positive, ...]
    elif default is None:
        kind = Positive | None
    else:
        kind = str
    return Annotated[kind, msgspec.Meta(description=TOLD[name])] if name in TOLD else kind


def _same_width(params: Any) -> None:
    """PyPOTS would take another d_model than was written, and only log it."""
    if params.d_model != params.n_heads * params.d_k:
        raise ValueError(f"d_model must be n_heads * d_k, and {params.d_model} is not {params.n_heads} * {params.d_k}")


def _struct(model: Model) -> type[Targets]:
    """The parameter struct of a model: what every model takes, then the arguments of its constructor."""
    name = f"{model.name}Params"
    fields: list[tuple[str, Any, Any]] = [(a, _type(a, default), default) for a, default in model.arguments.items()]
    if model.trained and model.valid != 1000:
        fields.append(("valid_records", Annotated[int, msgspec.Meta(ge=0)], model.valid))
    namespace: dict[str, Any] = {"model": model.name, "__doc__": model.summary}
    if {"d_model", "n_heads", "d_k"} <= model.arguments.keys():
        namespace["__post_init__"] = _same_width
    made = msgspec.defstruct(
        name,
        fields,
        bases=(Trained if model.trained else Targets,),
        module=__name__,
        namespace=namespace,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    globals()[name] = made
    return cast(type[Targets], made)


FOLLOWED = "it reads the list of models of the installed PyPOTS, whose version is in the key"

PARAMS: Mapping[str, type[Targets]] = {model.name: _struct(model) for model in MODELS}

TINY: Mapping[str, Any] = {
    "n_layers": 1,
    "n_encoder_layers": 1,
    "n_decoder_layers": 1,
    "d_model": 16,
    "n_heads": 2,
    "d_k": 8,
    "d_v": 8,
    "d_ffn": 16,
    "rnn_hidden_size": 8,
    "n_channels": 8,
    "n_diffusion_steps": 4,
    "d_time_embedding": 8,
    "d_feature_embedding": 4,
    "d_diffusion_embedding": 8,
    "latent_size": 4,
    "max_iter": 20,
    "epochs": 2,
    "batch_size": 16,
}
"""Arguments of the same name for the conformance kit."""


def installed() -> tuple[str, frozenset[str]]:
    """The version of PyPOTS that is installed ("" where none is) and the names of its imputation models, by reading."""
    try:
        version = importlib.metadata.version("pypots")
        found = importlib.util.find_spec("pypots")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return "", frozenset()
    for folder in (found.submodule_search_locations or []) if found else []:
        file = Path(folder) / "imputation" / "__init__.py"
        if file.is_file():
            return version, _exported(file.read_text(encoding="utf-8"))
    return "", frozenset()


def _exported(source: str) -> frozenset[str]:
    """What `__all__` of a module lists."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "__all__" for t in node.targets):
            return frozenset(ast.literal_eval(node.value))
    return frozenset()


def _randomness(model: Model) -> str:
    if not model.exact:
        return "stochastic"
    return "seeded" if model.trained or model.name == "TRMF" else "deterministic"


def _seconds(model: Model) -> Callable[[Any, int, int], float]:
    """What a model needs grows with its epochs."""

    def expected(params: Any, records: int, draws: int) -> float:
        share = params.epochs / Trained().epochs if model.trained else 1.0
        return model.seconds * share * records / 1000

    return expected


def register(registry: Registry) -> None:
    """Declare every model of the table, and those of the installed PyPOTS that it does not know, as such."""
    version, there = installed()
    for model in MODELS:
        summary = model.summary
        if not version:
            summary += " (not installed: pip install 'gapbench[pypots]')"
        elif model.name not in there:
            summary += f" (not in the installed PyPOTS {version})"
        elif model.needs:
            summary += f" (unavailable offline: loads {model.needs})"
        tiny = {**TINY, **model.tiny}
        kept = {f.name for f in msgspec.structs.fields(PARAMS[model.name])}
        broken = {**model.broken, "sources_followed": FOLLOWED}
        if model.needs:
            broken["fits"] = f"it loads {model.needs}, which is not downloaded"
        registry.imputer(
            model.key,
            "bench_imputers.pypots.adapter:PyPOTS",
            params=PARAMS[model.name],
            summary=f"PyPOTS {model.name}: {summary}",
            paper=model.paper,
            tags=(*(("torch",) if model.trained else ()), *(("draws",) if model.draws else ())),
            randomness=_randomness(model),
            seconds=_seconds(model),
            test_params={name: value for name, value in tiny.items() if name in kept},
            expected_failures=broken,
        )
    for name in sorted(there - {model.name for model in MODELS}):
        registry.imputer(
            f"pypots.{name.lower()}",
            "bench_imputers.pypots.adapter:Unlisted",
            params=Nothing,
            summary=f"of the installed PyPOTS {version}, unknown to this version of gapbench: cannot be used",
            expected_failures={"sources_followed": FOLLOWED},
        )
