"""The scenarios that come with the harness, declared through the same door as a stranger's."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from bench.hooks import hookimpl
from bench.registry import Registry

bench_contract = 1

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class McarParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="share of the observed entries of each modality to hide")] = 0.1


class BlockParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="length of the hidden block as a share of the grid's length")] = 0.2


class ModalityDropParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="probability that a modality of a record is dropped")] = 0.3


class WithinParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    ps: Annotated[Share, msgspec.Meta(description="probability that a record is affected (p_s)")] = 0.2
    pw: Annotated[Share, msgspec.Meta(description="share of the bins hidden in an affected modality (p_w)")] = 0.2
    affected: Annotated[
        Annotated[int, msgspec.Meta(ge=1)] | None,
        msgspec.Meta(description="how many modalities of an affected record; unset: 1 to all, equally likely"),
    ] = None
    pattern: Annotated[
        Literal["point", "block"], msgspec.Meta(description="scattered bins, or blocks of mean length L/10")
    ] = "point"


class RectangleParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[Share, msgspec.Meta(description="share of the modality's grid that the rectangle covers")] = 0.3
    modality: Annotated[str | None, msgspec.Meta(description="the modality it lies in; unset: one in each")] = None


class PublishedHoldoutParams(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    rate: Annotated[
        Share, msgspec.Meta(description="share of each record's observed entries to hide, rounded down")
    ] = 0.1
    seed: Annotated[
        int, msgspec.Meta(ge=0, lt=2**32, description="of the published generator, in place of the cell's seed")
    ] = 1


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
