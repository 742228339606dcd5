"""`benchmarks/fusers.py`: a row for every fuser and for the mixture of experts. How fast this
machine is, is no test.
"""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from bench.registry import discover
from benchmarks import fusers


@pytest.mark.slow
def test_every_fuser_has_a_row_with_its_time_and_size(capsys: pytest.CaptureFixture[str]) -> None:
    assert fusers.main(["--quick", "--json"]) == 0
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    for spec in discover().specs("fuser"):
        row = rows[f"{spec.name}: a prediction, per record"]
        assert row["wall"] is not None or row["note"]
        assert "torch" not in spec.tags or "MFLOP" in row["note"]
    published = rows["fusemoe, preset=paper, on a GPU: a prediction, per record"]
    assert published["goal"] == 1.72e-3
    assert published["wall"] is not None or published["note"] == "torch finds no GPU"


def test_the_ways_to_compute_all_experts_agree_with_the_sparse_one_in_results_and_gradients() -> None:
    mixture = fusers.Mixture(fusers.QUICK[0], "cpu")
    weights = [mixture.x, mixture.router.weight, *mixture.experts.parameters()]
    made = mixture.sparse()
    gradients = torch.autograd.grad(made.square().sum(), weights)
    for way in mixture.ways():
        dense = way()
        assert torch.allclose(dense, made, atol=1e-5)
        for ours, theirs in zip(gradients, torch.autograd.grad(dense.square().sum(), weights), strict=True):
            assert torch.allclose(ours, theirs, rtol=1e-3, atol=1e-4)


def test_the_mixture_has_rows_with_the_goal_of_three_times(capsys: pytest.CaptureFixture[str]) -> None:
    fusers.main(["--quick", "--json", "--only", "moe"])
    rows = json.loads(capsys.readouterr().out)
    pairs = [(peer, row) for peer, row in pairwise(rows) if row["what"].startswith("  sparse")]
    assert len(pairs) == 2
    for peer, row in pairs:
        assert row["goal"] == pytest.approx(peer["wall"] / 3)
    assert rows[-1]["ok"] is True


def test_each_fuser_with_two_front_ends_has_rows_for_both_with_their_ratio(capsys: pytest.CaptureFixture[str]) -> None:
    fusers.main(["--quick", "--json", "--only", "fronts"])
    rows = {row["what"]: row for row in json.loads(capsys.readouterr().out)}
    assert set(fusers.FRONTS) == {s.name for s in discover().specs("fuser") if "front" in s.params.__struct_fields__}
    for name in fusers.FRONTS:
        for what in ("a prediction", "forward and backward"):
            assert rows[f"{name}, front=grid: {what}, per record"]["cpu"] > 0
            assert "x the CPU time" in rows[f"{name}, front=utde: {what}, per record"]["note"]


def test_what_is_not_known_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fusers.main(["--only", "speed"])
    assert "--only knows moe" in capsys.readouterr().err
