"""The manual's tables of `trace` and `condi` are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bench_imputers.diffusion.params import CsdiSizes
from bench_imputers.diffusion.params_context import (
    CONDI_PROFILES,
    TRACE_PRESETS,
    CondiChoice,
    CondiParams,
    TraceChoice,
    TraceParams,
)

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "imputers.md").read_text()


def rows(section: str, head: str) -> list[list[str]]:
    """The cells of the table of a section whose first column has that name, without its header."""
    text = re.split(rf"^## {section}$", MANUAL, flags=re.MULTILINE)[1].split("\n## ")[0]
    table = next(block for block in text.split("\n\n") if block.startswith(f"| {head} |"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def shown(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) else str(value).lower()


@pytest.mark.parametrize(
    ("section", "struct", "choice"), [("TRACE", TraceParams, TraceChoice), ("CondI", CondiParams, CondiChoice)]
)
def test_every_parameter_of_its_own_stands_in_the_manual_with_its_default(
    section: str, struct: type[msgspec.Struct], choice: type[msgspec.Struct]
) -> None:
    decided = choice.__struct_fields__
    listed = {}
    for first, default, *_ in rows(section, "parameter"):
        names = re.findall(r"`(\w+)`", first)
        values = default.split(", ")
        listed |= dict(zip(names, values if len(values) == len(names) else [default] * len(names), strict=True))
    inherited = {field.name: field.default for field in msgspec.structs.fields(CsdiSizes)}
    for field in msgspec.structs.fields(struct):
        if field.name in decided:
            assert field.default is None
            assert listed[field.name].startswith("as the "), field.name
        elif field.name not in inherited or field.name in listed:
            assert listed[field.name] == shown(field.default), field.name


@pytest.mark.parametrize(("section", "choices"), [("TRACE", TRACE_PRESETS), ("CondI", CONDI_PROFILES)])
def test_every_preset_stands_in_the_manual_with_what_it_decides(
    section: str, choices: dict[str, msgspec.Struct]
) -> None:
    decided = {row[0]: row[1:] for row in rows(section, "`preset`" if section == "TRACE" else "`profile`")}
    for name, choice in choices.items():
        *before, beta_last = [shown(value) for value in msgspec.structs.astuple(choice)]
        expected = [*before[:-1], f"{before[-1]}, {beta_last}"]
        assert decided[f"`{name}`"][: len(expected)] == expected


def test_every_variant_stands_in_the_manual() -> None:
    variants = {"full", "unconditional", "uni", "fixed-weight", "no-moe"}
    assert variants == {row[0].strip("`") for row in rows("TRACE", "`variant`")}
    assert all(TraceParams(variant=name) for name in variants)  # type: ignore[arg-type]
