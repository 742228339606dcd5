"""Noise by counting: normal, independent across keys, and the same whatever else is in the
batch.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from bench_imputers.diffusion.noise import KeyedNoise, record_key


def grid(
    seed: int = 1, record: str = "a", draw: int = 0, word: int = 0, size: tuple[int, int] = (35, 48)
) -> np.ndarray:
    return KeyedNoise(seed, [record_key(record)], [draw], "cpu")(*size, word)[0].numpy()


def test_it_is_standard_normal() -> None:
    many = KeyedNoise(3, [record_key(str(i)) for i in range(200)], [0] * 200, "cpu")(35, 48, 7).flatten().double()
    assert float(many.mean()) == pytest.approx(0, abs=4 / len(many) ** 0.5)
    assert float(many.var()) == pytest.approx(1, abs=4 * (2 / len(many)) ** 0.5)
    assert float((many**3).mean()) == pytest.approx(0, abs=4 * (15 / len(many)) ** 0.5)
    assert float((many**4).mean()) == pytest.approx(3, abs=4 * (96 / len(many)) ** 0.5)
    assert stats.kstest(many.numpy(), "norm").pvalue > 0.001
    assert float(many.abs().max()) < 6.8


@pytest.mark.parametrize(
    "other", [{"seed": 2}, {"record": "b"}, {"draw": 1}, {"word": 1}, {"word": -1}, {"seed": 2**62}], ids=str
)
def test_another_seed_record_draw_or_step_gives_independent_numbers(other: dict[str, int]) -> None:
    one, two = grid().ravel(), grid(**other).ravel()  # type: ignore[arg-type]
    assert not np.isin(one, two).any()
    assert abs(np.corrcoef(one, two)[0, 1]) < 4 / len(one) ** 0.5
    assert abs(np.corrcoef(one**2, two**2)[0, 1]) < 4 / len(one) ** 0.5


def test_neighbours_in_a_grid_and_the_two_halves_of_a_pair_are_uncorrelated() -> None:
    flat = KeyedNoise(5, [record_key(str(i)) for i in range(50)], [0] * 50, "cpu")(35, 48).flatten(1).numpy()
    for lag in (1, 2, 48, 840):
        left, right = flat[:, :-lag].ravel(), flat[:, lag:].ravel()
        assert abs(np.corrcoef(left, right)[0, 1]) < 4 / len(left) ** 0.5
        assert abs(np.corrcoef(left**2, right**2)[0, 1]) < 4 / len(left) ** 0.5


def test_keys_that_differ_in_one_bit_share_nothing() -> None:
    keys = [0] + [1 << bit for bit in range(63)]
    units = KeyedNoise(0, keys, [0] * 64, "cpu")(1, 400)[:, 0].numpy()
    correlations = np.corrcoef(units)[np.triu_indices(64, 1)]
    assert stats.kstest(correlations * 400**0.5, "norm").pvalue > 0.001


def test_a_unit_gets_the_same_bits_alone_and_among_others() -> None:
    records, draws = [record_key(name) for name in "abc"], [2, 0, 5]
    together = KeyedNoise(9, records, draws, "cpu")(3, 5, 4)
    for place in range(3):
        alone = KeyedNoise(9, records[place : place + 1], draws[place : place + 1], "cpu")(3, 5, 4)
        assert torch.equal(alone[0], together[place])


def test_the_integers_are_those_of_splitmix64() -> None:
    from bench_imputers.diffusion.noise import _STEP, _mixed

    # The first outputs of the reference generator seeded with 1234567 (Vigna, splitmix64.c).
    state = torch.tensor([1234567]) + torch.arange(1, 4) * _STEP
    assert [int(number) % 2**64 for number in _mixed(state)] == [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
    ]


def test_an_odd_grid_is_filled() -> None:
    assert grid(size=(3, 5)).shape == (3, 5)
    assert np.isfinite(grid(size=(1, 1))).all()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_numbers_up_to_rounding() -> None:
    keys = [record_key(name) for name in "ab"]
    here, there = (KeyedNoise(1, keys, [0, 1], device)(35, 48, 3) for device in ("cpu", "cuda"))
    assert torch.allclose(here, there.cpu(), atol=1e-5)
