"""The manual's sections of MAESTRO and Flex-MoE tell every parameter, and what modes and presets decide."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bench.train_params import TorchFuserParams
from bench_fusers.flexmoe.plugin import FLEXMOE_PRESETS, FlexMoEParams
from bench_fusers.maestro.plugin import MAESTRO_MODES, MaestroParams

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "fusers.md").read_text(encoding="utf-8")
COMMON = {field.name for field in msgspec.structs.fields(TorchFuserParams)}


def section(name: str) -> str:
    return MANUAL.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


OWN = [
    (name, field.name)
    for name, params in (("MAESTRO", MaestroParams), ("Flex-MoE", FlexMoEParams))
    for field in msgspec.structs.fields(params)
    if field.name not in COMMON
]


@pytest.mark.parametrize(("name", "field"), OWN)
def test_every_parameter_of_its_own_stands_in_the_manual(name: str, field: str) -> None:
    assert re.search(rf"[`(]{field}[`=]", section(name)) or f"| {field} |" in section(name)


def test_every_mode_and_preset_stands_in_the_manual_with_what_it_decides() -> None:
    for mode, choice in MAESTRO_MODES.items():
        assert f"| `{mode}` | {choice.tokens} | {choice.scale} | {choice.absent} |" in section("MAESTRO")
    for preset, decided in FLEXMOE_PRESETS.items():
        assert f"| `{preset}` | {decided.residual} | {decided.tokeniser} |" in section("Flex-MoE")
