"""The scenarios that come with the harness, declared in the same way as those of any plugin."""

from __future__ import annotations

from bench.hooks import hookimpl
from bench.registry import Registry
from bench.scenarios.params.block import BlockParams
from bench.scenarios.params.mcar import McarParams
from bench.scenarios.params.modality_drop import ModalityDropParams
from bench.scenarios.params.published_holdout import PublishedHoldoutParams
from bench.scenarios.params.rectangle import RectangleParams
from bench.scenarios.params.within import WithinParams

bench_contract = 1


@hookimpl
def bench_register(registry: Registry) -> None:
    registry.scenario(
        "natural",
        "bench.scenarios.natural:Natural",
        summary="hides nothing: only what the recording itself lacks is missing",
        seconds=0.05,
    )
    registry.scenario(
        "mcar",
        "bench.scenarios.mcar:Mcar",
        params=McarParams,
        summary="hides observed entries completely at random, the same share of every modality",
        randomness="seeded",
        seconds=0.2,
    )
    registry.scenario(
        "block",
        "bench.scenarios.block:Block",
        params=BlockParams,
        summary="hides one contiguous block of bins of every modality, all channels at once",
        randomness="seeded",
        seconds=0.2,
    )
    registry.scenario(
        "modality_drop",
        "bench.scenarios.modality_drop:ModalityDrop",
        params=ModalityDropParams,
        summary="drops whole modalities of a record, never all of them",
        randomness="seeded",
        seconds=0.2,
    )
    registry.scenario(
        "within",
        "bench.scenarios.within:Within",
        params=WithinParams,
        summary="the (p_s, p_w) protocol: bins hidden within some modalities of some records",
        paper="CondI (federated multimodal learning with missing modalities), its p_s and p_w given effect",
        randomness="seeded",
        seconds=0.2,
    )
    registry.scenario(
        "rectangle",
        "bench.scenarios.rectangle:Rectangle",
        params=RectangleParams,
        summary="hides one rectangle of consecutive bins and consecutive channels per modality",
        paper="TRACE, appendix A.3 (contiguous time x feature block); sizes and position are ours",
        randomness="seeded",
        seconds=0.2,
    )
    registry.scenario(
        "published_holdout",
        "bench.scenarios.published_holdout:PublishedHoldout",
        params=PublishedHoldoutParams,
        summary="hides the very entries that the published CSDI evaluation holds out, record after record",
        paper="Tashiro, Song, Song, Ermon. CSDI. NeurIPS 2021, arXiv 2107.03502, and its public code",
        seconds=0.2,
    )
