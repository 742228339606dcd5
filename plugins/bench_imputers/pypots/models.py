"""The imputation models of PyPOTS 1.5 as a table: arguments with defaults, paper, and what the
adapter must know of each.

Light: nothing of PyPOTS is imported. Arguments bear the names of PyPOTS' constructors and a test
compares them with the installed package. Defaults are small enough for a CPU; those of `saits` and
`brits` are the sizes measured on PhysioNet 2012 (see `benchmarks/pypots_anchor.py`). What else a
constructor takes is decided by the adapter, see `pypots_model.DECIDED`.
"""

from __future__ import annotations

import math

from bench_imputers.pypots.model import Model, at_least, multiple_of

MASKED = {"ORT_weight": 1.0, "MIT_weight": 1.0}
"""Of models trained as SAITS is: 20 % of the observed entries are hidden at each visit, drawn again
each time; both errors are weighed.
"""

ATTENTION = {"n_layers": 2, "d_model": 64, "n_heads": 4, "d_k": 16, "d_v": 16, "d_ffn": 128}
FORMER = {"n_layers": 2, "d_model": 64, "n_heads": 4, "d_ffn": 128}
SCINET = {
    "n_stacks": 1,
    "n_levels": 2,
    "n_groups": 1,
    "n_decoder_layers": 1,
    "d_hidden": 1,
    "kernel_size": 3,
    "concat_len": 0,
    "dropout": 0.1,
    "pos_enc": False,
}
PATCH = {"patch_size": 8, "patch_stride": 8}

INTERVALS = "the median interval between observations of a channel is not a number where no record has two of them"

MODELS: tuple[Model, ...] = (
    Model(
        "SAITS",
        "two stacked diagonally masked attention blocks with a learned blend",
        "Du, Côté, Liu 2023, SAITS: Self-Attention-based Imputation for Time Series, Expert Systems with Applications",
        {"n_layers": 2, "d_model": 256, "n_heads": 4, "d_k": 64, "d_v": 64, "d_ffn": 128, "dropout": 0.1}
        | {"attn_dropout": 0.0, "diagonal_attention_mask": True, **MASKED},
        bins=at_least(2),
        visit=0.004,
        completion=0.002,
    ),
    Model(
        "Transformer",
        "self-attention encoder, trained as SAITS is",
        "Vaswani et al. 2017, Attention Is All You Need, NeurIPS; as an imputer in Du et al. 2023",
        {**ATTENTION, "dropout": 0.1, "attn_dropout": 0.0, **MASKED},
    ),
    Model(
        "iTransformer",
        "attention with channels as tokens",
        "Liu et al. 2024, iTransformer: Inverted Transformers Are Effective for Time Series Forecasting, ICLR",
        {**ATTENTION, "dropout": 0.1, "attn_dropout": 0.0, **MASKED},
    ),
    Model(
        "ETSformer",
        "exponential smoothing attention",
        "Woo et al. 2023, ETSformer: Exponential Smoothing Transformers for Time-series Forecasting",
        {"n_encoder_layers": 2, "n_decoder_layers": 2, "d_model": 64, "n_heads": 4, "d_ffn": 128, "top_k": 3}
        | {"dropout": 0.1, **MASKED},
        bins=lambda params, length: max(length, 2 * params.top_k + 2),
        visit=0.002,
    ),
    Model(
        "FEDformer",
        "attention in the frequency domain (Fourier needs n_heads=8; Wavelets: about 100 million parameters, slow)",
        "Zhou et al. 2022, FEDformer: Frequency Enhanced Decomposed Transformer for Long-term Series Forecasting, ICML",
        {"n_layers": 1, "d_model": 16, "n_heads": 8, "d_ffn": 32, "moving_avg_window_size": 5, "dropout": 0.1}
        | {"version": "Fourier", "modes": 32, "mode_select": "random", **MASKED},
        tiny={"n_heads": 8},
    ),
    Model(
        "FiLM",
        "Legendre memory with Fourier layers",
        "Zhou et al. 2022, FiLM: Frequency improved Legendre Memory Model for Long-term Time Series Forecasting, NeurIPS",
        {"window_size": (64,), "multiscale": (1, 2), "modes1": 16, "dropout": 0.1, "mode_type": 0, "d_model": 32}
        | MASKED,
        visit=0.006,
    ),
    Model(
        "FreTS",
        "perceptrons in the frequency domain",
        "Yi et al. 2023, Frequency-domain MLPs are More Effective Learners in Time Series Forecasting, NeurIPS",
        {"embed_size": 32, "hidden_size": 64, "channel_independence": False, **MASKED},
    ),
    Model(
        "Crossformer",
        "attention over segments and over channels",
        "Zhang, Yan 2023, Crossformer: Transformer Utilizing Cross-Dimension Dependency for Multivariate Time Series "
        "Forecasting, ICLR",
        {**FORMER, "factor": 5, "seg_len": 6, "win_size": 2, "dropout": 0.1, **MASKED},
        visit=0.008,
    ),
    Model(
        "TimesNet",
        "2-D convolutions over detected periods",
        "Wu et al. 2023, TimesNet: Temporal 2D-Variation Modeling for General Time Series Analysis, ICLR",
        {"n_layers": 2, "top_k": 3, "d_model": 32, "d_ffn": 32, "n_kernels": 3, "dropout": 0.1}
        | {"apply_nonstationary_norm": False},
        bins=lambda params, length: max(length, 2 * params.top_k),
        alone=True,
        visit=0.002,
        completion=0.006,
    ),
    Model(
        "PatchTST",
        "attention over patches",
        "Nie et al. 2023, A Time Series is Worth 64 Words: Long-term Forecasting with Transformers, ICLR",
        {**PATCH, **ATTENTION, "dropout": 0.1, "attn_dropout": 0.0, **MASKED},
        bins=multiple_of(lambda params: params.patch_size),
        visit=0.004,
    ),
    Model(
        "DLinear",
        "linear layers on trend and season",
        "Zeng et al. 2023, Are Transformers Effective for Time Series Forecasting?, AAAI",
        {"moving_avg_window_size": 5, "individual": False, "d_model": 64, **MASKED},
        visit=0.0003,
    ),
    Model(
        "Informer",
        "sparse attention",
        "Zhou et al. 2021, Informer: Beyond Efficient Transformer for Long Sequence Time-Series Forecasting, AAAI",
        {**FORMER, "factor": 3, "dropout": 0.1, **MASKED},
        bins=at_least(2),
    ),
    Model(
        "Autoformer",
        "auto-correlation with a split into trend and season",
        "Wu et al. 2021, Autoformer: Decomposition Transformers with Auto-Correlation for Long-Term Series Forecasting, "
        "NeurIPS",
        {**FORMER, "factor": 3, "moving_avg_window_size": 5, "dropout": 0.1, **MASKED},
        bins=at_least(2),
    ),
    Model(
        "TCN",
        "dilated convolutions",
        "Bai, Kolter, Koltun 2018, An Empirical Evaluation of Generic Convolutional and Recurrent Networks for Sequence "
        "Modeling",
        {"n_levels": 3, "d_hidden": 64, "kernel_size": 3, "dropout": 0.1, **MASKED},
        visit=0.0006,
    ),
    Model(
        "Reformer",
        "hashed attention",
        "Kitaev, Kaiser, Levskaya 2020, Reformer: The Efficient Transformer, ICLR",
        {"n_layers": 2, "d_model": 64, "n_heads": 4, "bucket_size": 4, "n_hashes": 4, "causal": False, "d_ffn": 128}
        | {"dropout": 0.1, **MASKED},
        bins=multiple_of(lambda params: 2 * params.bucket_size),
    ),
    Model(
        "NonstationaryTransformer",
        "attention with re-injected statistics",
        "Liu et al. 2022, Non-stationary Transformers: Exploring the Stationarity in Time Series Forecasting, NeurIPS",
        {**FORMER, "d_projector_hidden": (64, 64), "n_projector_hidden_layers": 2, "dropout": 0.1, "attn_dropout": 0.0}
        | MASKED,
    ),
    Model(
        "Pyraformer",
        "pyramid attention",
        "Liu et al. 2022, Pyraformer: Low-Complexity Pyramidal Attention for Long-Range Time Series Modeling and "
        "Forecasting, ICLR",
        {**FORMER, "window_size": (2, 2), "inner_size": 3, "dropout": 0.1, "attn_dropout": 0.0, **MASKED},
        bins=lambda params, length: max(length, math.prod(params.window_size)),
    ),
    Model(
        "BRITS",
        "recurrent network with decay, in both directions",
        "Cao et al. 2018, BRITS: Bidirectional Recurrent Imputation for Time Series, NeurIPS",
        {"rnn_hidden_size": 128},
        visit=0.005,
    ),
    Model(
        "MRNN",
        "recurrent network over time and over channels",
        "Yoon, Zame, van der Schaar 2019, Estimating Missing Data in Temporal Data Streams Using Multi-Directional "
        "Recurrent Neural Networks, IEEE TBME",
        {"rnn_hidden_size": 64},
        visit=0.02,
    ),
    Model(
        "GPVAE",
        "variational autoencoder with a Gaussian process prior; returns its mean",
        "Fortuin et al. 2020, GP-VAE: Deep Probabilistic Time Series Imputation, AISTATS",
        {"latent_size": 37, "encoder_sizes": (64, 64), "decoder_sizes": (64, 64), "kernel": "cauchy", "beta": 0.2}
        | {"M": 1, "K": 1, "sigma": 1.0, "length_scale": 7.0, "kernel_scales": 1, "window_size": 3},
        visit=0.004,
    ),
    Model(
        "USGAN",
        "adversarial training on BRITS",
        "Miao et al. 2021, Generative Semi-supervised Learning for Multivariate Time Series Imputation, AAAI",
        {"rnn_hidden_size": 64, "lambda_mse": 1.0, "hint_rate": 0.7, "dropout": 0.0, "G_steps": 1, "D_steps": 1},
        visit=0.007,
    ),
    Model(
        "CSDI",
        "conditional diffusion, several draws",
        "Tashiro et al. 2021, CSDI: Conditional Score-based Diffusion Models for Probabilistic Time Series Imputation, "
        "NeurIPS",
        {"n_layers": 4, "n_heads": 8, "n_channels": 64, "d_time_embedding": 128, "d_feature_embedding": 16}
        | {"d_diffusion_embedding": 128, "n_diffusion_steps": 50, "target_strategy": "random"}
        | {"is_unconditional": False, "schedule": "quad", "beta_start": 0.0001, "beta_end": 0.5},
        draws=True,
        visit=0.15,
        completion=1.5,
        valid=64,
    ),
    Model(
        "SCINet",
        "sample convolution and interaction",
        "Liu et al. 2022, SCINet: Time Series Modeling and Forecasting with Sample Convolution and Interaction, NeurIPS",
        {**SCINET, **MASKED},
        bins=multiple_of(lambda params: 2**params.n_levels),
    ),
    Model(
        "RevIN_SCINet",
        "the same with reversible instance normalisation",
        "Kim et al. 2022, Reversible Instance Normalization for Accurate Time-Series Forecasting against Distribution "
        "Shift, ICLR",
        {**SCINET, **MASKED},
        bins=multiple_of(lambda params: 2**params.n_levels),
    ),
    Model(
        "Koopa",
        "Koopman predictors",
        "Liu et al. 2023, Koopa: Learning Non-stationary Time Series Dynamics with Koopman Predictors, NeurIPS",
        {"n_seg_steps": 4, "d_dynamic": 32, "d_hidden": 64, "n_hidden_layers": 2, "n_blocks": 2, "multistep": False}
        | {"alpha": 0.2, **MASKED},
        bins=lambda params, length: max(2, math.ceil(length / params.n_seg_steps)) * params.n_seg_steps,
        exact=False,
    ),
    Model(
        "MICN",
        "multi-scale convolutions",
        "Wang et al. 2023, MICN: Multi-scale Local and Global Context Modeling for Long-term Series Forecasting, ICLR",
        {"n_layers": 2, "d_model": 64, "conv_kernel": (4, 6), "dropout": 0.1, **MASKED},
        bins=lambda params, length: max(length, 2 * max(params.conv_kernel)),
        channels=lambda params, channels: max(channels, *params.conv_kernel),
        visit=0.003,
    ),
    Model(
        "TiDE",
        "dense encoder and decoder",
        "Das et al. 2023, Long-term Forecasting with TiDE: Time-series Dense Encoder, TMLR",
        {"n_layers": 2, "d_model": 64, "d_hidden": 64, "d_feature_encode": 8, "d_temporal_decoder_hidden": 32}
        | {"dropout": 0.1, **MASKED},
        visit=0.0005,
    ),
    Model(
        "GRUD",
        "gated recurrent unit with decay",
        "Che et al. 2018, Recurrent Neural Networks for Multivariate Time Series with Missing Values, Scientific Reports",
        {"rnn_hidden_size": 64},
    ),
    Model(
        "HELIX",
        "attention with learned channel identities",
        "Zhang et al. 2026, HELIX: Hybrid Encoding with Learnable Identity and Cross-dimensional Synthesis for Time "
        "Series Imputation",
        {"d_pe": 16, "d_feature_embed": 1, "d_model": 64, "n_heads": 4, "n_layers": 2, "dropout": 0.1, **MASKED},
        visit=0.07,
    ),
    Model(
        "StemGNN",
        "spectral graph network",
        "Cao et al. 2020, Spectral Temporal Graph Neural Network for Multivariate Time-series Forecasting, NeurIPS",
        {"n_layers": 2, "n_stacks": 2, "d_model": 32, "dropout": 0.1, "leaky_rate": 0.2, **MASKED},
        alone=True,
        visit=0.006,
        completion=0.008,
    ),
    Model(
        "ImputeFormer",
        "low-rank attention",
        "Nie et al. 2024, ImputeFormer: Low Rankness-Induced Transformers for Generalizable Spatiotemporal Imputation, KDD",
        {"n_layers": 2, "d_input_embed": 16, "d_learnable_embed": 32, "d_proj": 8, "d_ffn": 64, "n_temporal_heads": 4}
        | {"dropout": 0.1, "input_dim": 1, "output_dim": 1, **MASKED},
        visit=0.015,
    ),
    Model(
        "TimeMixer",
        "mixing of scales",
        "Wang et al. 2024, TimeMixer: Decomposable Multiscale Mixing for Time Series Forecasting, ICLR",
        {"n_layers": 2, "d_model": 32, "d_ffn": 64, "top_k": 3, "dropout": 0.1, "channel_independence": False}
        | {"decomp_method": "moving_avg", "moving_avg": 5, "downsampling_layers": 2, "downsampling_window": 2}
        | {"apply_nonstationary_norm": False},
        bins=lambda params, length: max(
            length, params.downsampling_window**params.downsampling_layers, 2 * params.top_k
        ),
    ),
    Model(
        "ModernTCN",
        "convolutions with large kernels",
        "Luo, Wang 2024, ModernTCN: A Modern Pure Convolution Structure for General Time Series Analysis, ICLR",
        {"patch_size": 4, "patch_stride": 4, "downsampling_ratio": 2, "ffn_ratio": 2, "num_blocks": (1,)}
        | {"large_size": (9,), "small_size": (5,), "dims": (32,), "small_kernel_merged": False}
        | {"backbone_dropout": 0.1, "head_dropout": 0.1, "use_multi_scale": False, "individual": False}
        | {"apply_nonstationary_norm": False},
        bins=lambda params, length: max(
            params.patch_size, math.ceil(length / params.patch_stride) * params.patch_stride
        ),
        visit=0.002,
    ),
    Model(
        "TEFN",
        "evidence fusion over time and channels",
        "Zhan et al. 2025, Time Evidence Fusion Network: Multi-source View in Long-Term Time Series Forecasting",
        {"n_fod": 2, "apply_nonstationary_norm": True, **MASKED},
        visit=0.0003,
    ),
    Model(
        "CSAI",
        "BRITS with an attention start and clinical decay",
        "Qian et al. 2023, Knowledge Enhanced Conditional Imputation for Healthcare Time-series",
        {"rnn_hidden_size": 64, "imputation_weight": 0.3, "consistency_weight": 0.1, "removal_percent": 0.1}
        | {"increase_factor": 0.1, "step_channels": 64},
        alone=True,
        broken=dict.fromkeys(("one_bin", "channel_never_seen"), INTERVALS),
        visit=0.004,
        completion=0.02,
    ),
    Model(
        "SegRNN",
        "gated recurrent unit over segments",
        "Lin et al. 2023, SegRNN: Segment Recurrent Neural Network for Long-Term Time Series Forecasting",
        {"seg_len": 6, "d_model": 64, "dropout": 0.1, **MASKED},
        bins=multiple_of(lambda params: params.seg_len),
    ),
    Model(
        "TRMF",
        "temporal matrix factorisation, fitted to each record by itself",
        "Yu, Rao, Dhillon 2016, Temporal Regularized Matrix Factorization for High-dimensional Time Series Prediction, "
        "NeurIPS",
        {"lags": (1, 2), "K": 4, "lambda_f": 1.0, "lambda_x": 1.0, "lambda_w": 1.0, "alpha": 100.0, "eta": 1.0}
        | {"max_iter": 1000, "F_step": 1e-4, "X_step": 1e-4, "W_step": 1e-4},
        trained=False,
        completion=0.15,
        bins=lambda params, length: max(length, max(params.lags) + 1),
    ),
    Model(
        "TimeLLM",
        "frozen language model on patches",
        "Jin et al. 2024, Time-LLM: Time Series Forecasting by Reprogramming Large Language Models, ICLR",
        {"n_layers": 2, "llm_model_type": "GPT2", **PATCH, "d_llm": 768, "d_model": 32, "d_ffn": 64, "n_heads": 4}
        | {"dropout": 0.1, "domain_prompt_content": "Vital signs and laboratory values of patients.", **MASKED},
        needs="the weights of LLaMA, GPT-2 or BERT",
    ),
    Model(
        "GPT4TS",
        "frozen GPT-2 on patches",
        "Zhou et al. 2023, One Fits All: Power General Time Series Analysis by Pretrained LM, NeurIPS",
        {**PATCH, "n_layers": 3, "train_gpt_mlp": True, "d_ffn": 64, "dropout": 0.1, "embed": "fixed", "freq": "h"},
        needs="the weights of GPT-2",
    ),
    Model(
        "MOMENT",
        "the architecture of MOMENT on a T5 backbone, without MOMENT's own weights",
        "Goswami et al. 2024, MOMENT: A Family of Open Time-series Foundation Models, ICML",
        {**PATCH, "transformer_backbone": "t5-small", "transformer_type": "encoder_only", "n_layers": 2, "d_ffn": 512}
        | {"d_model": 512, "dropout": 0.1, "head_dropout": 0.1, "finetuning_mode": "linear-probing"}
        | {"revin_affine": False, "add_positional_embedding": True, "value_embedding_bias": False, "orth_gain": 1.41}
        | {"mask_ratio": 0.3},
        needs="the weights of a T5 model",
    ),
    Model(
        "TimeMixerPP",
        "TimeMixer++: mixing of scales and resolutions",
        "Wang et al. 2025, TimeMixer++: A General Time Series Pattern Machine for Universal Predictive Analysis, ICLR",
        {"n_layers": 1, "d_model": 16, "d_ffn": 32, "top_k": 2, "n_heads": 2, "n_kernels": 2, "dropout": 0.1}
        | {"channel_mixing": True, "channel_independence": False, "downsampling_layers": 2, "downsampling_window": 2}
        | {"apply_nonstationary_norm": False},
        bins=multiple_of(lambda params: params.downsampling_window**params.downsampling_layers * params.top_k),
        alone=True,
        completion=0.005,
    ),
    Model(
        "TOTEM",
        "discrete tokens of a vector-quantised autoencoder",
        "Talukder, Yue, Gkioxari 2024, TOTEM: TOkenized Time Series EMbeddings for General Time Series Analysis, TMLR",
        {"d_block_hidden": 64, "n_residual_layers": 2, "d_residual_hidden": 32, "d_embedding": 32, "n_embeddings": 128}
        | {"commitment_cost": 0.25, "compression_factor": 4},
        bins=multiple_of(lambda params: params.compression_factor),
        visit=0.002,
    ),
    Model(
        "TSLANet",
        "adaptive spectral blocks",
        "Eldele et al. 2024, TSLANet: Rethinking Transformers for Time Series Representation Learning, ICML",
        {"n_layers": 2, "patch_size": 8, "d_embedding": 64, "mask_ratio": 0.4, "dropout": 0.15},
        bins=multiple_of(lambda params: params.patch_size),
        visit=0.005,
    ),
    Model(
        "TKAN",
        "recurrent Kolmogorov-Arnold network",
        "Genet, Inzirillo 2024, TKAN: Temporal Kolmogorov-Arnold Networks",
        {"n_layers": 1, "d_hidden": 32, "sub_kan_output_dim": None, "sub_kan_input_dim": None, "dropout": 0.0} | MASKED,
        visit=0.002,
    ),
    Model(
        "LOCF",
        "last value carried forward within the record; see the imputer locf",
        "",
        {"first_step_imputation": "zero"},
        trained=False,
        completion=1e-3,
    ),
    Model("Mean", "the mean of the record's own values; see the imputer mean", "", {}, trained=False, completion=1e-3),
    Model(
        "Median",
        "the median of the record's own values; see the imputer median",
        "",
        {},
        trained=False,
        completion=1e-3,
    ),
    Model(
        "Lerp", "linear interpolation within the record; see the imputer linear", "", {}, trained=False, completion=1e-3
    ),
)
