"""What a training visit hides."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bench_imputers.diffusion.targets import by_ratio, historical, masking, mix, random


def observed(records: int = 6, rate: float = 0.4, seed: int = 0) -> torch.Tensor:
    return (torch.rand(records, 5, 8, generator=torch.Generator().manual_seed(seed)) < rate).float()


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("name", ["random", "historical", "mix", "ratio"])
@given(st.integers(1, 5), st.floats(0, 1), st.integers(0, 99))
def test_only_observed_entries_are_shown_and_the_rest_of_them_are_targets(
    name: str, records: int, rate: float, seed: int
) -> None:
    seen = observed(records, rate, seed)
    left = masking(name, 0.3)(seen)
    assert left.shape == seen.shape
    assert set(left.unique().tolist()) <= {0.0, 1.0}
    assert (left <= seen).all()


@given(st.floats(0, 1), st.integers(0, 20))
def test_the_number_hidden_is_the_share_of_the_observed_rounded_half_to_even(share: float, count: int) -> None:
    seen = torch.zeros(1, 4, 5)
    seen.view(-1)[:count] = 1
    hidden = seen - by_ratio(seen, torch.tensor([share]))
    assert int(hidden.sum()) == int(torch.round(torch.tensor(share) * count))


def test_half_an_entry_is_rounded_to_the_even_side() -> None:
    seen = torch.zeros(2, 1, 5)
    seen[0, 0, :5], seen[1, 0, :3] = 1, 1
    hidden = seen - by_ratio(seen, torch.tensor([0.5, 0.5]))
    assert hidden.sum(dim=(1, 2)).tolist() == [2, 2]


def test_the_random_mask_hides_a_share_that_is_itself_uniform() -> None:
    seen = torch.ones(4000, 10, 10)
    shares = 1 - random(seen).mean(dim=(1, 2))
    assert float(shares.mean()) == pytest.approx(0.5, abs=0.02)
    assert float(shares.var()) == pytest.approx(1 / 12, abs=0.005)


def test_every_observed_entry_is_equally_likely_to_be_hidden() -> None:
    seen = observed(1).expand(3000, -1, -1)
    often = (seen - random(seen)).mean(dim=0)[seen[0] > 0]
    assert float(often.min()) > 0.44
    assert float(often.max()) < 0.56


def test_the_historical_mask_is_that_of_the_record_before_and_the_first_takes_the_last() -> None:
    seen = observed(3)
    left = historical(seen)
    assert torch.equal(left[1], seen[1] * seen[0])
    assert torch.equal(left[0], seen[0] * seen[2])


def test_a_batch_of_one_record_still_has_targets_under_the_historical_mask() -> None:
    seen = torch.ones(1, 20, 20)
    assert 0 < float(historical(seen).sum()) < 400


def test_mix_takes_either_mask_by_a_fair_coin() -> None:
    seen = torch.ones(2000, 3, 3)
    whole = mix(seen).flatten(1).all(dim=1)  # the historical mask hides nothing where all is observed
    assert float(whole.float().mean()) == pytest.approx(0.5 + 0.5 / 18, abs=0.05)


def test_the_mask_of_a_fixed_share_hides_that_share() -> None:
    hidden = 1 - masking("ratio", 0.25)(torch.ones(7, 4, 5))
    assert hidden.sum(dim=(1, 2)).tolist() == [5.0] * 7
