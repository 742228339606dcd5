"""What a fuser tells after its training, which must change nothing of it."""

from __future__ import annotations

from typing import Any

import torch

from bench.components import Context
from bench.torch_fuser import TorchFuser
from bench_fusers.sparse_moe import EXPERTS
from support.fuser_cohorts import BINARY, cohort, parts


def told_of_experts(fuser: TorchFuser[Any], silent: TorchFuser[Any]) -> tuple[str, list[float]]:
    """The first note of `fuser` on its experts: the name, and the evenness of each layer, from 0 to
    1.

    silent: the same fuser, trained by `TorchFuser.fit`, which tells nothing: weights, predictions
    and torch's global generator must be as after it.
    """
    train, valid, test = parts(cohort(60))
    told: list[tuple[str, tuple[Any, ...]]] = []
    before = torch.get_rng_state()
    fuser.fit(train, valid, BINARY, Context(notes=told))
    assert torch.equal(torch.get_rng_state(), before)
    TorchFuser.fit(silent, train, valid, BINARY, Context())
    assert fuser.module is not None
    assert silent.module is not None
    state = silent.module.state_dict()
    assert all(torch.equal(tensor, state[key]) for key, tensor in fuser.module.state_dict().items())
    assert (fuser.predict(test, Context()) == silent.predict(test, Context())).all()
    name, shares = next(note for note in told if note[0] in EXPERTS)
    assert all(0 <= share <= 1 for share in shares)
    return name, list(shares)
