"""Parameters that exclude each other are refused where a command is understood, before anything
runs.
"""

from __future__ import annotations

import re
from typing import Any

import pytest

from bench.config.layers import read
from bench.config.request import request
from bench.config.toml_lines import line_of
from bench.discovery.parameters import parameters
from bench.errors import UsageError
from bench.registry import discover
from bench_imputers.diffusion.params import HUBER, CsdiParams, DiffusionParams

CSDI = ("csdi", "csdi-quick", "trace", "condi")


def refusal(name: str, **params: Any) -> str:
    with pytest.raises(UsageError) as caught:
        discover().get("imputer", name).parameters(params)
    return str(caught.value)


@pytest.mark.parametrize("name", [*CSDI, "sssd"])
def test_a_draw_takes_no_more_steps_than_there_are(name: str) -> None:
    told = "solver_steps=80 is more than diffusion_steps=50"
    assert told in refusal(name, solver_steps=80, diffusion_steps=50)
    assert discover().get("imputer", name).parameters({"solver_steps": 50, "diffusion_steps": 50})


@pytest.mark.parametrize("name", [*CSDI, "sssd"])
@pytest.mark.parametrize("first", [0.3, 0.4])
def test_the_noise_grows(name: str, first: float) -> None:
    assert f"beta_first={first:g} is not below beta_last=0.3" in refusal(name, beta_first=first, beta_last=0.3)


@pytest.mark.parametrize(("name", "params"), [("trace", {"preset": "trace-code"}), ("condi", {"profile": "released"})])
def test_what_a_preset_leaves_open_is_judged_as_the_preset_has_it(name: str, params: dict[str, Any]) -> None:
    assert "beta_first=0.05 is not below beta_last=0.02" in refusal(name, beta_first=0.05, **params)
    spec = discover().get("imputer", name)
    assert spec.parameters({"beta_first": 0.05})
    assert spec.parameters({"beta_first": 0.05, "beta_last": 0.1, **params})


@pytest.mark.parametrize("name", CSDI)
@pytest.mark.parametrize(
    ("params", "told"),
    [
        ({"channels": 10, "heads": 4}, "channels=10 is no multiple of heads=4"),
        ({"time_width": 7}, "time_width=7 is odd"),
    ],
)
def test_widths_that_do_not_fit_together_are_refused(name: str, params: dict[str, Any], told: str) -> None:
    assert told in refusal(name, **params)


def test_a_step_embedding_of_pairs_is_even_and_the_head_of_csdi_quick_is_none() -> None:
    assert "step_width=9 is odd" in refusal("csdi", step_width=9)
    assert discover().get("imputer", "csdi-quick").parameters({"step_width": 9})


def test_no_more_experts_weigh_than_there_are() -> None:
    assert "top_k=4 of experts=3; give a number up to 3" in refusal("condi", top_k=4)
    assert "top_k=3 of experts=2" in refusal("condi", top_k=3, experts=2, profile="released")
    assert discover().get("imputer", "condi").parameters({"top_k": 4, "profile": "released"})


def test_the_refusal_says_of_each_value_where_it_was_written() -> None:
    tree, path = read("physionet48")
    channels = tree["profiles"]["demo"]["imputer"]["csdi"]["channels"]
    line = line_of(path.read_text(encoding="utf-8"), "profiles.demo.imputer.csdi.channels")
    with pytest.raises(UsageError) as caught:
        request(["suite=physionet48", "imputer=csdi", "imputer.csdi.heads=3"], discover())
    written = f"(channels={channels} from physionet48.toml, line {line}; heads=3 from the command line)"
    assert str(caught.value).startswith(f'"imputer.csdi" is not accepted {written}: channels={channels} is no multiple')


def test_one_value_of_a_sweep_that_cannot_work_is_refused() -> None:
    words = ["suite=physionet48", "imputer=csdi", "imputer.csdi.diffusion_steps=50", "imputer.csdi.solver_steps=10,80"]
    with pytest.raises(UsageError, match=r"\(diffusion_steps=50, solver_steps=80 from the command line\)"):
        request(words, discover())


def test_parameters_made_in_python_are_refused_too() -> None:
    with pytest.raises(ValueError, match="solver_steps=80 is more than"):
        CsdiParams(solver_steps=80)


def test_the_description_of_the_loss_says_where_it_turns() -> None:
    loss = next(each for each in parameters(DiffusionParams) if each.name == "loss")
    said = re.search(r"huber, squared up to ([\d.]+) standard deviations", loss.description)
    assert said
    assert float(said[1]) == HUBER
