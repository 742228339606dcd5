"""Flex-MoE learns what its bank and its routers are for, and does not without them."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from bench.components import Context
from bench.metrics.scoring import score
from bench_fusers.flexmoe.fuser import FlexMoE, Network
from bench_fusers.flexmoe.plugin import FlexMoEParams
from bench_fusers.sparse_moe import Routing
from support.missing_toys import TASK, either, silent

CONTEXT = Context(seed=0)
QUICK: dict[str, Any] = {
    "width": 16, "heads": 2, "tokens": 4, "experts": 4, "top_k": 2, "dropout": 0.0,
    "batch_size": 64, "epochs": 12, "learning_rate": 5e-3,
}  # fmt: skip


def fitted(make: Any, **given: Any) -> FlexMoE:
    fuser = FlexMoE(FlexMoEParams(**QUICK, **given))
    fuser.fit(make(600, 0), make(200, 1), TASK, CONTEXT)
    return fuser


@pytest.mark.parametrize(("bank", "low", "high"), [("full", 0.95, 1.0), ("additive", 0.95, 1.0), ("zeros", 0.4, 0.6)])
def test_a_rule_that_turns_with_what_is_missing_is_learnt_with_a_bank_and_not_from_zeros(
    bank: str, low: float, high: float
) -> None:
    # Patches hold values alone; windows would tell an absent modality by its observed share, bank
    # or not.
    test = silent(400, 2)
    outputs = fitted(silent, tokeniser="patches", bank=bank).predict(test, CONTEXT)
    assert low <= score(TASK, test.targets["toy"], outputs).values["auroc"] <= high


def test_incomplete_records_find_the_expert_of_their_combination_if_they_are_led_and_not_otherwise() -> None:
    def share(target: str) -> float:
        fuser, test = fitted(either, target=target, router_weight=0.3), either(400, 2)
        module = fuser.module
        assert isinstance(module, Network)
        assert module.combinations is not None
        routings: list[Routing] = []
        gate = module.blocks[0].mixture.gate
        gate.register_forward_hook(lambda *made: routings.append(made[2][0]))
        fuser.predict(test, CONTEXT)
        available = [torch.from_numpy(series.available).float() for series in test.modalities.values()]
        number = module.combinations(torch.stack(available, dim=1))
        first = torch.cat([routing.logits for routing in routings]).argmax(dim=1).view(len(test), -1)
        alone = number > 0
        return (first[alone] == number[alone][:, None]).float().mean().item()

    assert share("index") > 0.9
    assert share("off") < 0.5
