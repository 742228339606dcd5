"""The models of PyPOTS as components: a typed parameter struct for each, and their registration.
Nothing heavy is imported.
"""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, cast

import msgspec

from bench.registry import Registry
from bench.train_params import NotNegative, Positive, Seconds, StepParams, Steps, one_budget
from bench.workload import Workload
from bench_imputers.pypots.model import Model
from bench_imputers.pypots.models import MODELS
from bench_imputers.targets import target_widths


class Targets(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every model takes."""

    model: ClassVar[str] = ""
    targets: Annotated[
        tuple[str, ...],
        msgspec.Meta(
            description="Modalities the model completes; empty: all of at most `widest` channels. The others are carried "
            "forward."
        ),
    ] = ()
    widest: Annotated[
        Positive,
        msgspec.Meta(description="Most channels of a modality that the model completes where `targets` does not say."),
    ] = 48


class Trained(Targets, StepParams, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every model takes that is trained. With a budget (`steps`, `seconds`) the last epoch
    ends without changing a weight.
    """

    epochs: Annotated[Positive, msgspec.Meta(description="Passes over the training records, at most.")] = 100
    steps: Steps = None
    seconds: Seconds = None
    batch_size: Annotated[Positive, msgspec.Meta(description="Records per step, and per call when imputing.")] = 32
    learning_rate: Annotated[float, msgspec.Meta(gt=0, description="Learning rate of Adam, constant.")] = 1e-3
    weight_decay: Annotated[NotNegative, msgspec.Meta(description="L2 penalty of Adam.")] = 0.0
    patience: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Epochs without a better validation score before training stops; 0 = never. The best weights are "
            "kept.",
        ),
    ] = 10
    valid_records: Annotated[
        int,
        msgspec.Meta(
            ge=0,
            description="Validation records used, at most; 0 = none, and the epoch with the lowest training loss is kept.",
        ),
    ] = 1000
    valid_hidden: Annotated[
        float,
        msgspec.Meta(
            gt=0,
            lt=1,
            description="Share of the visible entries of the validation records that is hidden to score them.",
        ),
    ] = 0.1

    def __post_init__(self) -> None:
        one_budget(self.steps, self.seconds)


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
    "imputation_weight": "weight of the imputation loss",
    "consistency_weight": "weight of the difference between the two directions",
    "increase_factor": "growth of the decay with time",
    "step_channels": "width of the attention over steps",
    "target_strategy": "what training hides: entries at random, or by a coin those the record before lacks (mix)",
    "schedule": "growth of the noise: linear, or its square roots (quad)",
    "version": "basis of the frequency domain",
    "modes": "frequencies kept",
    "modes1": "frequencies kept",
    "mode_select": "frequencies kept are drawn at random, or the lowest ones (low)",
    "mode_type": "which frequencies are kept, by PyPOTS' number",
    "window_size": "bins of a window; film and pyraformer: one for each scale",
    "multiscale": "scales, as multiples of the window",
    "embed_size": "width of the embedding",
    "hidden_size": "width of the hidden layer",
    "channel_independence": "each channel is a series by itself",
    "channel_mixing": "channels are mixed",
    "train_gpt_mlp": "train the feed-forward layers of GPT-2 too",
    "embed": "embedding of time, by PyPOTS' name",
    "freq": "unit of time of the embedding",
    "encoder_sizes": "widths of the layers of the encoder",
    "decoder_sizes": "widths of the layers of the decoder",
    "kernel": "kernel of the Gaussian process",
    "sigma": "scale of the kernel",
    "length_scale": "length scale of the kernel, in bins",
    "kernel_scales": "how many length scales are mixed",
    "d_pe": "width of the embedding of time",
    "d_feature_embed": "width of the embedding of a channel",
    "d_input_embed": "width of the embedding of the values",
    "d_learnable_embed": "width of the learned embedding of time and channel",
    "d_proj": "width of the low-rank projection",
    "n_temporal_heads": "heads of the attention over time",
    "input_dim": "numbers read at an entry",
    "output_dim": "numbers predicted at an entry",
    "n_seg_steps": "bins of a segment",
    "d_dynamic": "width of the Koopman space",
    "d_hidden": "width of the hidden layers",
    "n_hidden_layers": "hidden layers of encoder and decoder",
    "n_blocks": "blocks",
    "num_blocks": "blocks of each stage",
    "multistep": "predict several segments at once",
    "alpha": "share of frequencies called stable; trmf: weight of the penalty of lags",
    "first_step_imputation": "what fills a gap at the start: 0, the next value (backward) or the median",
    "conv_kernel": "widths of the convolutions, one for each scale",
    "downsampling_ratio": "bins merged from stage to stage",
    "ffn_ratio": "width of the feed-forward layers over that of the block",
    "large_size": "widths of the large kernels, one for each stage",
    "small_size": "widths of the small kernels, one for each stage",
    "dims": "widths of the stages",
    "small_kernel_merged": "the small kernel is merged into the large one",
    "backbone_dropout": "dropout of the blocks",
    "head_dropout": "dropout of the head",
    "use_multi_scale": "the head reads all stages",
    "transformer_backbone": "the language model, by its id on the Hugging Face hub",
    "transformer_type": "which halves of the language model are used",
    "finetuning_mode": "train the head alone (linear-probing), all (end-to-end), or nothing (zero-shot)",
    "revin_affine": "the normalisation of a record learns scale and shift",
    "add_positional_embedding": "add an embedding of the place",
    "value_embedding_bias": "the embedding of values has a bias",
    "orth_gain": "gain of the orthogonal start of the embedding",
    "mask_ratio": "share of entries hidden in training",
    "d_projector_hidden": "widths of the projector's layers",
    "n_projector_hidden_layers": "layers of the projector",
    "inner_size": "neighbours a node attends to",
    "bucket_size": "bins of a bucket of the hashed attention",
    "n_hashes": "rounds of hashing",
    "causal": "a bin attends to earlier ones alone",
    "n_stacks": "stacks",
    "n_levels": "levels",
    "n_groups": "groups of the convolutions",
    "concat_len": "bins that the second stack is given too; 0 = all",
    "pos_enc": "add an encoding of the place",
    "leaky_rate": "slope of the activation below 0",
    "n_fod": "evidence functions of a channel",
    "d_feature_encode": "width of the encoded features",
    "d_temporal_decoder_hidden": "width of the decoder of a bin",
    "llm_model_type": "the language model",
    "d_llm": "width of the language model",
    "domain_prompt_content": "what the prompt says of the data",
    "decomp_method": "how trend and season are parted",
    "downsampling_layers": "coarser scales",
    "downsampling_window": "bins merged from scale to scale",
    "sub_kan_output_dim": "width that a sub-network gives",
    "sub_kan_input_dim": "width that a sub-network reads",
    "d_block_hidden": "width of the blocks",
    "n_residual_layers": "residual layers",
    "d_residual_hidden": "width inside a residual layer",
    "d_embedding": "width of the embedding",
    "n_embeddings": "tokens of the codebook",
    "commitment_cost": "weight of the loss that ties values to tokens",
    "compression_factor": "bins of a token",
    "lambda_f": "penalty of the factors of channels",
    "lambda_x": "penalty of the factors of time",
    "lambda_w": "penalty of the weights of lags",
    "eta": "penalty that keeps the factors of time near 0",
    "F_step": "step size of the factors of channels",
    "X_step": "step size of the factors of time",
    "W_step": "step size of the weights of lags",
}
"""What `bench show` says of an argument, without the capital and the full stop."""


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
    return Annotated[kind, msgspec.Meta(description=f"{TOLD[name][0].upper()}{TOLD[name][1:]}.")]


def _same_width(params: Any) -> None:
    """PyPOTS would take another d_model than was written, and only log it."""
    one_budget(params.steps, params.seconds)
    if params.d_model != params.n_heads * params.d_k:
        raise ValueError(f"d_model must be n_heads * d_k, and {params.d_model} is not {params.n_heads} * {params.d_k}")


def _struct(model: Model) -> type[Targets]:
    """The parameter struct of a model: what every model takes, then the arguments of its
    constructor.
    """
    name = f"{model.name}Params"
    fields: list[tuple[str, Any, Any]] = [(a, _type(a, default), default) for a, default in model.arguments.items()]
    if model.trained and model.valid != 1000:
        fields.append(("valid_records", Annotated[int, msgspec.Meta(ge=0)], model.valid))
    namespace: dict[str, Any] = {"model": model.name, "__doc__": model.summary}
    if {"d_model", "n_heads", "d_k"} <= model.arguments.keys():
        namespace["__post_init__"] = _same_width
    struct = msgspec.defstruct(
        name,
        fields,
        bases=(Trained if model.trained else Targets,),
        module=__name__,
        namespace=namespace,
        frozen=True,
        kw_only=True,
        forbid_unknown_fields=True,
    )
    globals()[name] = struct
    return cast(type[Targets], struct)


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
    """The version of PyPOTS that is installed ("" where none is) and the names of its imputation
    models, by reading.
    """
    try:
        version = importlib.metadata.version("pypots")
        spec = importlib.util.find_spec("pypots")
    except (importlib.metadata.PackageNotFoundError, ValueError):
        return "", frozenset()
    for folder in (spec.submodule_search_locations or []) if spec else []:
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


SIZES = frozenset({"n_layers", "n_encoder_layers", "n_blocks", "d_model", "d_hidden", "rnn_hidden_size", "n_channels"})
"""Arguments by which a model grows: twice as much of one takes about twice as long."""

COMPLETION = 0.4
"""What completing a record takes of a visit in training."""


def _seconds(model: Model) -> Callable[[Any, Workload], float]:
    """What a model takes grows with its epochs, its draws and its size; every modality that it
    completes has one of its own.
    """

    def expected(params: Any, work: Workload) -> float:
        models = len(target_widths(work.channels, params.targets, params.widest))
        grown: float = math.prod(
            getattr(params, size) / model.arguments[size] for size in SIZES & model.arguments.keys()
        )
        visits, seconds = 0, 0.0
        if model.trained and params.seconds:
            seconds = params.seconds
        elif model.trained:
            visits = params.steps * params.batch_size if params.steps else work.train * params.epochs
        completed = work.records * (work.draws if model.draws else 1)
        whole: float = model.visit * visits + (model.completion or COMPLETION * model.visit) * completed
        return models * (grown * whole + seconds)

    return expected


SPACE: Mapping[str, tuple[Any, ...]] = {"learning_rate": (5e-4, 1e-3, 2e-3), "dropout": (0.0, 0.1, 0.3)}
"""What tuning may choose from, of a model that is trained and has the parameter."""


def register(registry: Registry) -> None:
    """Declare every model of the table, and those of the installed PyPOTS that it does not know,
    as such.
    """
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
        kept = PARAMS[model.name].__struct_fields__
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
            space={name: values for name, values in SPACE.items() if model.trained and name in kept},
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
