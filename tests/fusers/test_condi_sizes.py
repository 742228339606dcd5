"""The sizes of CondI on twelve leads of 250 steps and five classes, added up by hand from the layer
tables of the specification (4.1, 4.3, 5.1 to 5.3), against the networks that are built.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
import torch
from torch import nn

from bench.cohort import Task
from bench.torch_fuser import Inputs
from bench_fusers.condi.fuser import NETWORK, Condi
from bench_fusers.condi.head import CondiHead
from bench_fusers.condi.network import CondiNetwork
from bench_fusers.condi.plugin import CondiFuserParams, CondiHeadParams
from bench_imputers.diffusion.condi_context import OtherModalities
from bench_imputers.diffusion.condi_encoders import InceptionEncoder
from bench_imputers.diffusion.engine import Network
from support.condi_networks import count, shape

LEADS = {f"lead{i}": (250, 1) for i in range(12)}
CLASSES = Task("superclass", "multiclass", ("accuracy",), outputs=5)
INPUTS = Inputs(LEADS, statics=0, bin_hours=1.0)


def conv(inputs: int, outputs: int, bins: int) -> int:
    return inputs * outputs * bins


def linear(inputs: int, outputs: int) -> int:
    return inputs * outputs + outputs


def norm(width: int) -> int:
    return 2 * width


# 5.1, one modality of one channel: 1x1, k39, k39, k39, k39 with the only bias.
PRE = conv(1, 32, 1) + 2 * conv(32, 32, 39) + conv(32, 16, 39) + conv(16, 1, 39) + 1


def block(inputs: int) -> int:
    """Bottleneck, three convolutions on it, 1x1 after the maximum, normalisation of 4 x 32."""
    return conv(inputs, 32, 1) + conv(32, 32, 39) + conv(32, 32, 19) + conv(32, 32, 9) + conv(inputs, 32, 1) + norm(128)


SHORTCUTS = conv(1, 128, 1) + norm(128) + conv(128, 128, 1) + norm(128)
BACKBONE = block(1) + 5 * block(128) + SHORTCUTS


def head(width: int) -> int:
    return norm(256) + linear(256, width) + norm(width)


def encoder(width: int) -> int:
    return 12 * PRE + BACKBONE + head(width)


def classifier(inputs: int) -> int:
    return linear(inputs, 512) + norm(512) + linear(512, 256) + norm(256) + linear(256, 5)


W_MOD, W_COND = 12 * 128, 12 * 12 * 128
CONDITION = 2 * linear(128, 128)
GATE = linear(512, 128) + linear(128, 128)


def denoiser(side: int, channels: int) -> int:
    """4.3: embedding of channels and of the step, input, four blocks with two transformer layers
    each, output.
    """
    transformer = linear(64, 3 * 64) + linear(64, 64) + 2 * linear(64, 64) + 2 * norm(64)
    each = linear(128, 64) + 2 * transformer + linear(64, 128) + linear(side, 128) + linear(64, 128)
    return channels * 64 + 2 * linear(128, 128) + linear(2, 64) + 4 * each + linear(64, 64) + linear(64, 1)


# 4.1: the shared encoder, the gate, three experts.
EXPERT_INPUTS = 12 * 128 + 12
CONTEXT = (
    conv(1, 32, 9) + 32 + norm(32) + conv(32, 64, 9) + 64 + norm(64) + linear(64, 128)
    + linear(EXPERT_INPUTS, 256) + linear(256, 3)
    + 3 * (linear(EXPERT_INPUTS, 256) + linear(256, 128))
)  # fmt: skip

PAPER_A = denoiser(128 + 64 + 1 + 128 + 12 * 128, 12) + CONTEXT + W_COND
PAPER_B = W_MOD + encoder(128) + classifier(12 * 3 * 128)
RELEASED_A = denoiser(128 + 64 + 1 + 256, 1) + CONDITION
RELEASED_B = W_MOD + 2 * encoder(128) + encoder(250) + GATE + classifier(12 * (250 + 128))


@cache
def joint(**chosen: Any) -> Condi:
    fuser = Condi(CondiFuserParams(**chosen))
    fuser.task = CLASSES
    with torch.device("meta"):
        imputer = fuser.imputer
        form = shape({name: 1 for name in LEADS}, 250)
        imputer.networks = {NETWORK: Network(form, imputer.build(form), None)}  # type: ignore[arg-type]
        fuser.module = fuser.build(INPUTS, CLASSES)
    return fuser


def stacked(**chosen: Any) -> CondiNetwork:
    fuser = CondiHead(CondiHeadParams(**chosen))
    with torch.device("meta"):
        network = fuser.build(INPUTS, CLASSES)
    assert isinstance(network, CondiNetwork)
    return network


def test_an_encoder_is_a_pre_extractor_for_each_modality_one_backbone_and_a_head() -> None:
    with torch.device("meta"):
        narrow, wide = InceptionEncoder([1] * 12, 128), InceptionEncoder([1] * 12, 250)
    assert PRE == 100_497
    assert [count(each) for each in narrow.before] == [PRE] * 12
    assert count(narrow.backbone) == BACKBONE == 471_232
    assert (count(narrow.head), count(wide.head)) == (head(128), head(250)) == (33_664, 65_262)
    assert (count(narrow), count(wide)) == (encoder(128), encoder(250)) == (1_710_860, 1_742_458)


@pytest.mark.parametrize(("profile", "inputs", "size"), [("paper", 4608, 2_493_957), ("released", 4536, 2_457_093)])
def test_the_classifier_reads_the_published_width(profile: str, inputs: int, size: int) -> None:
    for network in (stacked(profile=profile), joint(profile=profile).network):
        assert network.reader.classifier[0].in_features == inputs
        assert count(network.reader.classifier) == classifier(inputs) == size


def test_the_condition_is_a_table_or_a_network_of_two_layers() -> None:
    paper, released = joint().network.condition, joint(profile="released").network.condition
    assert paper is not None
    assert paper.table.shape == (12, 12, 128)  # type: ignore[union-attr]
    assert count(paper) == W_COND == 18_432
    assert isinstance(released, OtherModalities)
    assert count(released.net) == CONDITION == 33_024


def test_the_gate_reads_four_embeddings() -> None:
    reader = stacked(profile="released").reader
    assert count(reader.gate) == GATE == 82_176
    assert isinstance(reader.gate[-1], nn.Tanh)
    assert reader.modality.shape == (12, 128)


@pytest.mark.parametrize(
    ("chosen", "phase_a", "phase_b", "both", "whole"),
    [
        ({}, PAPER_A, PAPER_B + W_COND, W_COND, 7_228_565),
        ({"profile": "released"}, RELEASED_A, RELEASED_B, 0, 8_307_224),
        ({"no_condi": True}, PAPER_A - W_COND - 4 * 128 * 12 * 128, PAPER_B, 0, 6_423_701),
    ],
)
def test_the_whole_is_both_phases_and_what_they_share_counts_once(
    chosen: dict[str, Any], phase_a: int, phase_b: int, both: int, whole: int
) -> None:
    fuser = joint(**chosen)
    assert count(fuser.part_a()) == phase_a
    assert count(fuser.part_b()) == phase_b
    assert fuser.parameters() == phase_a + phase_b - both == whole


@pytest.mark.parametrize(
    ("chosen", "whole"),
    [
        ({}, PAPER_B + W_COND),
        ({"profile": "released"}, RELEASED_B + CONDITION),
        ({"no_condi": True}, PAPER_B),
        ({"no_condi": True, "profile": "released"}, RELEASED_B),
    ],
)
def test_the_head_alone_has_phase_b_and_a_condition(chosen: dict[str, Any], whole: int) -> None:
    assert count(stacked(**chosen)) == whole


def test_arrays_that_travel_are_the_weights_and_each_counts_once() -> None:
    for chosen in ({}, {"profile": "released"}):
        fuser = joint(**chosen)
        places = fuser._places()
        travelling = sum(place.tensor.numel() for place in places.values() if place.group != "buffer")
        assert travelling == fuser.parameters()


def test_channels_of_one_modality_share_a_pre_extractor_with_a_convolution_beside_it() -> None:
    inputs = Inputs({"flow": (250, 3), "lead": (250, 1)}, statics=0, bin_hours=1.0)
    with torch.device("meta"):
        network = CondiNetwork(inputs, 5, CondiHeadParams(), ["flow", "lead"])
    before = network.reader.encoder.before
    assert [count(each) for each in before] == [PRE + 2 * 32 + 3, PRE]
