"""docs/imputers.md has every parameter of csdi, with its default."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from bench.train_params import TrainParams
from bench_imputers.diffusion.params import CsdiParams, DiffusionParams

TEXT = (Path(__file__).parents[2] / "docs" / "imputers.md").read_text(encoding="utf-8")
SECTION = TEXT[TEXT.index("## CSDI") : TEXT.index("## A quick one")]


def documented() -> dict[str, str]:
    """Parameter -> its default, as the tables of the section say."""
    found: dict[str, str] = {}
    for names, defaults in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([^|]*?) ?\|", SECTION, re.M):
        many = re.findall(r"`(\w+)`", names)
        values = [value.strip(" `") for value in defaults.split(",")]
        if len(many) == len(values):
            found |= dict(zip(many, values, strict=True))
    return found


def fields(struct: type[msgspec.Struct]) -> dict[str, object]:
    return {field.name: field.default for field in msgspec.structs.fields(struct)}


@pytest.mark.parametrize("name", sorted(fields(CsdiParams).keys() - fields(TrainParams).keys()))
def test_every_parameter_beside_those_of_training_is_in_the_manual_with_its_default(name: str) -> None:
    default = fields(CsdiParams)[name]
    if name in ("validation_records", "eta"):
        assert f"`{name}` = {default:g}" in SECTION  # type: ignore[str-format]
        return
    said = documented()[name]
    if isinstance(default, bool):
        assert said == str(default).lower()
    elif isinstance(default, tuple):
        assert (default, said) == ((), "")
    elif isinstance(default, str):
        assert said == default
    else:
        assert float(said) == default


def test_defaults_of_training_that_are_the_methods_own_are_in_the_manual() -> None:
    said, own = documented(), fields(CsdiParams)
    for name in ("epochs", "batch_size", "learning_rate"):
        assert float(said[name]) == own[name]
    assert said["schedule"] == own["schedule"]
    changed = {name for name, default in fields(TrainParams).items() if own[name] != default}
    assert changed == {"epochs", "batch_size", "learning_rate", "schedule", "weight_decay", "clip", "patience"} - {
        name for name in ("learning_rate",) if own[name] == fields(TrainParams)[name]
    }
    assert all(f"`{name}`" in SECTION for name in changed)


def test_every_diffusion_imputer_has_the_parameters_of_the_engine() -> None:
    assert (
        fields(DiffusionParams).keys()
        <= documented().keys() | {"eta", "validation_records"} | fields(TrainParams).keys()
    )
