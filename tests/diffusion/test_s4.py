"""The S4 layer against what it is defined by: the state space, stepped, multiplied out, and in
its published form.
"""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from bench_imputers.diffusion.s4 import S4, Keep, Recomputed, convolve, krylov, legs, spectrum
from support import nplr

DOUBLE = torch.float64
DELTAS = torch.tensor([0.001, 0.0047, 0.02, 0.1], dtype=DOUBLE)
laws = settings(max_examples=25, deadline=None)


@pytest.fixture(autouse=True)
def _seed() -> None:
    torch.manual_seed(0)


def discrete(delta: float, states: int = 64) -> tuple[torch.Tensor, torch.Tensor]:
    """Ab and Bb by the definition of the bilinear rule."""
    a, b = legs(states)
    unit = torch.eye(states, dtype=DOUBLE)
    left = unit - delta / 2 * a
    return torch.linalg.solve(left, unit + delta / 2 * a), torch.linalg.solve(left, delta * b)


def toeplitz(causal: torch.Tensor, anticausal: torch.Tensor) -> torch.Tensor:
    """The matrix [length, length] of the two-sided convolution, entry by entry."""
    length = len(causal)
    rows = [
        [causal[here - there] if there <= here else anticausal[there - here - 1] for there in range(length)]
        for here in range(length)
    ]
    return torch.stack([torch.stack(row) for row in rows])


def layer(length: int = 20, features: int = 6, keep: Keep = "stored") -> S4:
    return S4(features, length, 64, keep)


# The state space


def test_legs_is_the_matrix_and_vector_of_the_specification():
    a, b = legs(64)
    for i, j in ((0, 0), (1, 0), (5, 5), (5, 2), (2, 5), (63, 62)):
        expected = -math.sqrt((2 * i + 1) * (2 * j + 1)) if i > j else -(i + 1) if i == j else 0
        assert a[i, j].item() == pytest.approx(expected)
        assert b[i].item() == pytest.approx(math.sqrt(2 * i + 1))


@pytest.mark.parametrize("length", [1, 2, 48, 100])
def test_the_krylov_matrix_holds_the_powers_of_the_discretised_matrix(length: int) -> None:
    made = krylov(DELTAS, length)
    for delta, columns in zip(DELTAS.tolist(), made, strict=True):
        ab, state = discrete(delta)
        for column in columns.T:
            torch.testing.assert_close(column, state, rtol=0, atol=1e-13)
            state = ab @ state


def test_a_longer_series_needs_more_columns_and_nothing_else():
    torch.testing.assert_close(krylov(DELTAS, 100)[..., :48], krylov(DELTAS, 48), rtol=0, atol=0)


def test_the_krylov_matrix_lies_as_a_batched_product_wants_it():
    assert krylov(DELTAS, 48).is_contiguous()


def test_halving_the_step_and_doubling_the_length_gives_nearly_the_same_continuous_kernel():
    c = torch.randn(64, dtype=DOUBLE) * torch.exp(-0.3 * torch.arange(64, dtype=DOUBLE))
    coarse, fine = (c @ krylov(torch.tensor([d], dtype=DOUBLE), n)[0] / d for d, n in ((0.004, 100), (0.002, 200)))
    between = (fine[::2] + fine[1::2]) / 2
    assert (between - coarse).abs().max() < 0.01 * coarse.abs().max()
    finer = c @ krylov(torch.tensor([0.001], dtype=DOUBLE), 400)[0] / 0.001
    closer = (finer[::2] + finer[1::2]) / 2
    assert (closer - fine).abs().max() < (between - coarse).abs().max() / 2


# The convolution


@given(
    length=st.sampled_from([1, 2, 3, 17, 48, 100]), delta=st.floats(math.log(0.001), math.log(0.1)), seed=st.integers(0)
)
@laws
def test_fft_toeplitz_and_stepping_agree_in_double_precision(length: int, delta: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed % 2**63)
    width = torch.tensor([math.exp(delta)], dtype=DOUBLE)
    c = torch.randn(2, 64, dtype=DOUBLE, generator=generator)
    inputs = torch.randn(length, dtype=DOUBLE, generator=generator)
    causal, anticausal = c @ krylov(width, length)[0]

    ab, bb = discrete(width.item())
    stepped = torch.zeros(length, dtype=DOUBLE)
    state = torch.zeros(64, dtype=DOUBLE)
    for here in range(length):
        state = ab @ state + bb * inputs[here]
        stepped[here] = c[0] @ state
    state = torch.zeros(64, dtype=DOUBLE)
    for here in reversed(range(length)):
        stepped[here] += c[1] @ state
        state = ab @ state + bb * inputs[here]

    by_fft = convolve(inputs, spectrum(causal, anticausal))
    torch.testing.assert_close(by_fft, toeplitz(causal, anticausal) @ inputs, rtol=0, atol=1e-10)
    torch.testing.assert_close(by_fft, stepped, rtol=0, atol=1e-10)


@pytest.mark.parametrize("place", [0, 1, 7, 18, 19])
def test_an_impulse_is_answered_by_the_kernels_shifted_the_anticausal_one_from_the_bin_before(place: int) -> None:
    causal, anticausal = torch.randn(2, 20, dtype=DOUBLE)
    impulse = torch.zeros(20, dtype=DOUBLE)
    impulse[place] = 1
    answer = convolve(impulse, spectrum(causal, anticausal))
    torch.testing.assert_close(answer[place:], causal[: 20 - place], rtol=0, atol=1e-12)
    torch.testing.assert_close(answer[:place].flip(0), anticausal[:place], rtol=0, atol=1e-12)


def test_reversing_time_swaps_the_kernels_but_for_the_weight_of_the_present():
    """The present belongs to the causal kernel, so the swapped ones are shifted by a bin: k' =
    (k+[0], k-), k-' = k+[1:].
    """
    causal, anticausal, inputs = torch.randn(3, 20, dtype=DOUBLE)
    forwards = convolve(inputs, spectrum(causal, anticausal))
    swapped = torch.cat([causal[:1], anticausal[:-1]]), torch.cat([causal[1:], torch.zeros(1, dtype=DOUBLE)])
    backwards = convolve(inputs.flip(0), spectrum(*swapped))
    torch.testing.assert_close(backwards.flip(0), forwards, rtol=0, atol=1e-12)
    assert not torch.allclose(convolve(inputs.flip(0), spectrum(anticausal, causal)).flip(0), forwards)


# The published form


def test_the_matrix_plus_its_low_rank_part_is_normal_with_real_parts_of_minus_a_half():
    a, _ = legs(64)
    p = torch.sqrt(torch.arange(64, dtype=DOUBLE) + 0.5)
    normal = a + torch.outer(p, p)
    values = torch.linalg.eigvals(normal)
    torch.testing.assert_close(values.real, torch.full_like(values.real, -0.5), rtol=0, atol=1e-10)
    basis = nplr.modes(64)
    every = torch.cat([basis.vectors, basis.vectors.conj()], 1)
    pairs = torch.cat([basis.values, basis.values.conj()])
    assert basis.values.shape == (32,)
    assert torch.linalg.norm(every.conj().T @ every - torch.eye(64)) < 1e-11
    assert torch.linalg.norm(normal - every @ torch.diag(pairs) @ every.conj().T) < 1e-10


@pytest.mark.parametrize("length", [48, 99, 100])
def test_the_kernel_equals_the_normal_plus_low_rank_formula_with_its_conjugates(length: int) -> None:
    c = torch.randn(len(DELTAS), 2, 64, dtype=DOUBLE)
    basis = nplr.modes(64)
    parameter = nplr.stored(c, DELTAS, length, basis)
    published = nplr.kernel(parameter, DELTAS, length, basis)
    ours = c @ krylov(DELTAS, length)
    torch.testing.assert_close(ours, published, rtol=0, atol=1e-9 * published.abs().max().item())


@pytest.mark.parametrize("length", [48, 100])
def test_the_float32_kernel_of_the_layer_is_within_1e_5_of_the_full_conjugate_pair_form(length: int) -> None:
    made = layer(length, features=256)
    both = torch.stack(made.kernels(), 1).detach()
    basis = nplr.modes(64)
    parameter = nplr.stored(made.c.detach().transpose(0, 1), made.delta, length, basis)
    published = nplr.kernel(parameter, made.delta.double(), length, basis)
    assert (both - published).abs().max() <= 1e-5 * published.abs().max()
    single = nplr.kernel(parameter.to(torch.complex64), made.delta, length, basis)
    assert (both - single).abs().max() <= 1e-5 * published.abs().max()


def test_leaving_the_conjugates_out_gives_another_kernel():
    """What the published fallback does: neither rounding nor a factor."""
    delta = torch.exp(torch.empty(64, dtype=DOUBLE).uniform_(math.log(0.001), math.log(0.1)))
    basis = nplr.modes(64)
    parameter = nplr.stored(torch.randn(64, 2, 64, dtype=DOUBLE), delta, 100, basis)
    right, half = (nplr.kernel(parameter, delta, 100, basis, conjugates=whole) for whole in (True, False))
    correlation = torch.corrcoef(torch.stack([right.flatten(), half.flatten()]))[0, 1]
    assert 0.6 < correlation < 0.9
    assert (right - half).abs().max() > 0.3 * right.abs().max()


def test_the_published_complex_start_is_a_standard_normal_start_of_the_real_parameter():
    """c = 2 Re(c_half V*) has unit covariance when c_half is complex normal of variance 1: Re(V
    V*) over the half is I / 2.
    """
    vectors = nplr.modes(64).vectors
    covariance = 2 * (vectors @ vectors.conj().T).real
    torch.testing.assert_close(covariance, torch.eye(64, dtype=DOUBLE), rtol=0, atol=1e-12)


# The layer


@pytest.mark.parametrize("length", [1, 2, 20])
def test_the_layer_is_the_formula_of_the_specification(length: int) -> None:
    made = layer(length).double()
    inputs = torch.randn(3, length, 6, dtype=DOUBLE)
    mixed = torch.zeros_like(inputs)
    for feature in range(6):
        kernels = made.c[:, feature] @ krylov(made.delta[feature : feature + 1], length)[0]
        matrix = toeplitz(*kernels)
        mixed[..., feature] = inputs[..., feature] @ matrix.T + made.d[feature] * inputs[..., feature]
    mixed = functional.gelu(mixed) @ made.mix.weight.T + made.mix.bias
    summed = mixed + inputs
    spread = (summed - summed.mean(-1, keepdim=True)) / torch.sqrt(summed.var(-1, unbiased=False, keepdim=True) + 1e-5)
    expected = spread * made.norm.weight + made.norm.bias
    torch.testing.assert_close(made(inputs), expected, rtol=0, atol=1e-10)


def test_the_gradient_reaches_c_d_w_b_and_the_norm_only():
    made = layer()
    made(torch.randn(3, 20, 6)).square().sum().backward()
    reached = {name: parameter.grad.abs().max().item() for name, parameter in made.named_parameters()}
    assert reached.keys() == {"c", "d", "mix.weight", "mix.bias", "norm.weight", "norm.bias"}
    assert all(size > 0 for size in reached.values())
    assert not made.delta.requires_grad


def test_a_layer_of_512_features_has_329_728_parameters():
    assert sum(parameter.numel() for parameter in S4(512, 100).parameters()) == 329_728


def test_starting_values_are_those_of_the_specification():
    made = layer(4, features=4096)
    logs = made.delta.log()
    low, high = math.log(0.001), math.log(0.1)
    assert low <= logs.min() < low + 0.02
    assert high - 0.02 < logs.max() <= high + 1e-6
    torch.testing.assert_close(logs.mean().item(), (low + high) / 2, rtol=0, atol=0.1)
    for normal in (made.c, made.d):
        assert abs(normal.mean().item()) < 0.08
        assert abs(normal.std().item() - 1) < 0.05
    bound = 1 / math.sqrt(4096)
    assert made.mix.weight.abs().max() <= bound < made.mix.weight.abs().max() * 1.01
    assert (made.norm.weight == 1).all()
    assert (made.norm.bias == 0).all()


@pytest.mark.parametrize("length", [1, 30])
def test_recomputing_the_krylov_matrix_changes_neither_output_nor_gradient(length: int) -> None:
    stored, recomputed = layer(length, 70), layer(length, 70, "recomputed")
    recomputed.load_state_dict(stored.state_dict())
    inputs = torch.randn(2, length, 70)
    outputs = [made(inputs) for made in (stored, recomputed)]
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=1e-6)
    for output in outputs:
        output.square().mul(torch.linspace(0, 1, 70)).sum().backward()
    torch.testing.assert_close(stored.c.grad, recomputed.c.grad, rtol=1e-4, atol=1e-6)


def test_the_recomputed_kernel_passes_the_numerical_gradient_check():
    c = torch.randn(3, 2, 4, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(lambda c: Recomputed.apply(c, DELTAS[:3], 5), (c,))


def test_tabulating_changes_nothing_and_training_forgets_it():
    made = layer().eval()
    inputs = torch.randn(3, 20, 6)
    with torch.no_grad():
        before = made(inputs)
        made.sampling()
        assert torch.equal(made(inputs), before)
        made.train()
        made.c.mul_(2)
        assert not torch.allclose(made(inputs), before)


def test_a_loaded_state_brings_its_own_step_widths():
    one, two = layer().eval(), layer().eval()
    inputs = torch.randn(3, 20, 6)
    with torch.no_grad():
        two.sampling()
        assert not torch.allclose(one(inputs), two(inputs))
        two.load_state_dict(one.state_dict())
        assert torch.equal(one(inputs), two(inputs))


def test_the_state_holds_the_step_widths_and_not_the_matrix_that_follows_from_them():
    made = layer()
    made(torch.randn(1, 20, 6))
    assert made.state_dict().keys() - dict(made.named_parameters()).keys() == {"delta"}
