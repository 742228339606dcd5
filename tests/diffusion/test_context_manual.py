"""The manual's tables of `trace` and `condi` are those of the code."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
import torch

from bench_imputers.diffusion.condi_params import CONDI_PROFILES, CondiChoice, CondiParams
from bench_imputers.diffusion.denoiser import Shape
from bench_imputers.diffusion.params import CsdiSizes
from bench_imputers.diffusion.trace import Trace
from bench_imputers.diffusion.trace_params import TRACE_PRESETS, TraceChoice, TraceParams

CLINICAL = Shape(30, 48, {"vitals": 30}, {"notes": 768, "cxr": 1024, "ecg": 256}, tuple(map(float, range(48))))

MANUAL = (Path(__file__).resolve().parents[2] / "docs" / "imputers.md").read_text()


def part(section: str) -> str:
    return re.split(rf"^## {section}$", MANUAL, flags=re.MULTILINE)[1].split("\n## ")[0]


def rows(section: str, head: str) -> list[list[str]]:
    """The cells of the table of a section whose first column has that name, without its header."""
    table = next(block for block in part(section).split("\n\n") if block.startswith(f"| {head} |"))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def shown(value: object) -> str:
    return f"`{value}`" if isinstance(value, str) and value != "–" else str(value).lower()


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
    head, *columns = header(section, "`preset`" if section == "TRACE" else "`profile`")
    decided = {row[0]: row[1:] for row in rows(section, head)}
    assert decided.keys() == {f"`{name}`" for name in choices}
    for name, choice in choices.items():
        values = {"context of" if field == "context" else f"`{field}`": value for field, value in fields(choice)}
        expected = [", ".join(shown(values.pop(part)) for part in c.split(", ")) for c in columns]
        assert decided[f"`{name}`"][: len(expected)] == expected
        assert not values


def header(section: str, head: str) -> list[str]:
    """The columns of a table that say what a preset decides."""
    line = next(line for line in part(section).splitlines() if line.startswith(f"| {head} |"))
    return [cell for cell in (cell.strip() for cell in line.strip("|").split("|")) if cell not in ("", "weights")]


def fields(choice: msgspec.Struct) -> list[tuple[str, object]]:
    """What a preset decides; no experts are shown as a dash."""
    decided = msgspec.structs.asdict(choice)
    none = not decided["experts"] and "expert_width" in decided
    return [(name, "–" if none and name.startswith("expert") else value) for name, value in decided.items()]


def test_the_numbers_of_weights_in_the_manual_are_those_of_the_networks() -> None:
    for row in rows("TRACE", "`preset`"):
        with torch.device("meta"):
            made = Trace(TraceParams(preset=row[0].strip("`"))).build(CLINICAL)  # type: ignore[arg-type]
        assert row[6].startswith(f"{sum(weight.numel() for weight in made.parameters()):,};")


def test_every_variant_stands_in_the_manual() -> None:
    variants = {"full", "unconditional", "uni", "fixed-weight", "no-moe"}
    assert variants == {row[0].strip("`") for row in rows("TRACE", "`variant`")}
    assert all(TraceParams(variant=name) for name in variants)  # type: ignore[arg-type]
