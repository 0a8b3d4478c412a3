"""The losses: one error in three units, weightings as published, and what the hybrid loss teaches."""

import pytest
import torch
from closed_form import FLOAT, exact_noise, gaussian_model, generator, make_process
from hypothesis import given, settings
from hypothesis import strategies as st

from diffad.model import DiffusionModel
from diffad.objectives import (
    WEIGHTINGS,
    l_hybrid,
    l_simple,
    min_snr_weight,
    p2_weight,
    simple_weight,
    snr_plus_one_weight,
    truncated_snr_weight,
    v_loss,
    vlb_terms,
    weighted_loss,
    x0_loss,
)
from diffad.reverse import learned_log_variance
from diffad.schedules import SCHEDULES


class Scaled(torch.nn.Module):
    """A network with one weight; with two outputs the second is a constant variance fraction."""

    def __init__(self, weight=0.5, fraction=None):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(weight, dtype=FLOAT))
        self.fraction = None if fraction is None else torch.nn.Parameter(torch.tensor(fraction, dtype=FLOAT))

    def forward(self, x_t, t):
        mean = self.weight.to(x_t.dtype) * x_t
        if self.fraction is None:
            return mean
        return torch.cat([mean, (2 * self.fraction - 1).to(x_t.dtype).expand_as(x_t)], dim=1)


def batch(size=6, dimensions=3):
    x_0 = torch.randn(size, dimensions, generator=generator(1), dtype=FLOAT)
    return x_0, torch.randn(x_0.shape, generator=generator(2), dtype=FLOAT)


def test_l_simple_of_the_oracle_is_the_exact_minimum():
    """E||eps - E[eps | x_t]||^2 is the mean over dimensions of alpha_bar c / (alpha_bar c + 1 -
    alpha_bar).
    """
    process = make_process("cosine", 50)
    oracle, model = gaussian_model(process)
    noise = exact_noise(3)
    x_0 = oracle.mean + exact_noise(3) @ torch.diag(oracle.variances.sqrt()) @ oracle.directions.T
    loss = l_simple(model, x_0.repeat_interleave(6, 0), 20, noise.repeat(6, 1)).mean()
    signal = process.number("alpha_bar", 20) * oracle.variances
    expected = (signal / (signal + process.number("one_minus_alpha_bar", 20))).mean()
    torch.testing.assert_close(loss, expected)


@given(
    st.sampled_from(["eps", "x0", "v"]),
    st.sampled_from(sorted(set(SCHEDULES) - {"zero_terminal"})),
    st.integers(1, 100),
)
@settings(max_examples=60, deadline=None)
def test_three_losses_are_one_error_in_other_units(parameterisation, name, t):
    model = DiffusionModel(Scaled(), make_process(name, 100), parameterisation)
    x_0, noise = batch()
    snr = model.process.number("snr", t)
    error = x0_loss(model, x_0, t, noise)
    torch.testing.assert_close(l_simple(model, x_0, t, noise), snr * error, rtol=1e-7, atol=1e-12)
    torch.testing.assert_close(v_loss(model, x_0, t, noise), (1 + snr) * error, rtol=1e-7, atol=1e-12)


@pytest.mark.parametrize("parameterisation", ["eps", "x0", "v"])
@pytest.mark.parametrize("name", WEIGHTINGS)
def test_a_weighting_means_the_same_for_every_parameterisation(parameterisation, name):
    model = DiffusionModel(Scaled(), make_process("linear", 100), parameterisation)
    x_0, noise = batch()
    t = torch.tensor([1, 5, 20, 50, 80, 100])
    expected = WEIGHTINGS[name](model.process.schedule.snr[t]) * x0_loss(model, x_0, t, noise)
    torch.testing.assert_close(weighted_loss(model, x_0, t, noise, WEIGHTINGS[name]), expected)


def test_simple_weighting_is_l_simple_and_snr_plus_one_is_the_v_loss():
    model = DiffusionModel(Scaled(), make_process("linear", 100), "v")
    x_0, noise = batch()
    torch.testing.assert_close(
        weighted_loss(model, x_0, 30, noise, simple_weight), l_simple(model, x_0, 30, noise)
    )
    torch.testing.assert_close(
        weighted_loss(model, x_0, 30, noise, snr_plus_one_weight), v_loss(model, x_0, 30, noise)
    )


def test_weightings_are_the_published_ones():
    snr = torch.tensor([0.01, 1.0, 5.0, 400.0], dtype=FLOAT)
    torch.testing.assert_close(min_snr_weight(snr), torch.tensor([0.01, 1.0, 5.0, 5.0], dtype=FLOAT))
    # As weights of the eps error: min-SNR is min(SNR, 5) / SNR, P2 is 1 / (1 + SNR).
    torch.testing.assert_close(p2_weight(snr) / snr, 1 / (1 + snr))
    torch.testing.assert_close(truncated_snr_weight(snr), torch.tensor([1.0, 1.0, 5.0, 400.0], dtype=FLOAT))


def test_a_weighting_can_be_ones_own():
    model = DiffusionModel(Scaled(), make_process("linear", 100))
    x_0, noise = batch()
    own = weighted_loss(model, x_0, 30, noise, lambda snr: min_snr_weight(snr, ceiling=2.0))
    assert (own < weighted_loss(model, x_0, 30, noise, simple_weight)).all() == (
        model.process.number("snr", 30) > 2
    )


def test_v_loss_is_defined_in_pure_noise():
    model = DiffusionModel(Scaled(), make_process("zero_terminal", 20), "v")
    x_0, noise = batch()
    assert v_loss(model, x_0, 20, noise).isfinite().all()
    assert weighted_loss(model, x_0, 20, noise, truncated_snr_weight).isfinite().all()


def test_hybrid_loss_is_the_sum_of_its_parts():
    model = DiffusionModel(Scaled(fraction=0.3), make_process("linear", 100), learned_variance=True)
    x_0, noise = batch()
    t = torch.tensor([1, 2, 3, 50, 99, 100])
    bound = vlb_terms(model, x_0, t, noise, variance=learned_log_variance)
    expected = l_simple(model, x_0, t, noise) + 0.001 * 100 * bound / 3
    torch.testing.assert_close(l_hybrid(model, x_0, t, noise), expected)


def test_the_bound_teaches_the_variance_only():
    network = Scaled(fraction=0.3)
    model = DiffusionModel(network, make_process("linear", 100), learned_variance=True)
    x_0, noise = batch()
    l_hybrid(model, x_0, 40, noise).mean().backward()
    hybrid = network.weight.grad.clone()
    network.weight.grad = None
    l_simple(model, x_0, 40, noise).mean().backward()
    torch.testing.assert_close(hybrid, network.weight.grad)
    assert network.fraction.grad.abs() > 0


def test_learned_variance_finds_the_exact_one():
    """For data of variance 0.4 the best fraction is where the interpolated variance is the true one: gradient
    zero.
    """
    process = make_process("linear", 100)
    oracle, _ = gaussian_model(process, mean=(0.0,), variances=(0.4,))
    t, like = 60, torch.zeros(1, 1, dtype=FLOAT)
    low, high = (process.coefficient(name, t, like).log() for name in ("posterior_variance", "beta"))
    fraction = ((oracle.exact_log_variance(process, t, like, None) - low) / (high - low)).item()

    class WithFraction(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.fraction = torch.nn.Parameter(torch.tensor(fraction, dtype=FLOAT))

        def forward(self, x_t, t):
            return torch.cat([oracle(x_t, t), (2 * self.fraction - 1).expand_as(x_t)], dim=1)

    network = WithFraction()
    model = DiffusionModel(network, process, learned_variance=True)
    x_0 = (exact_noise(1) * 0.4**0.5).repeat_interleave(2, 0)
    l_hybrid(model, x_0, t, exact_noise(1).repeat(2, 1)).mean().backward()
    assert 0 < fraction < 1 and abs(network.fraction.grad) < 1e-10


def test_half_precision_loss_is_float32():
    model = DiffusionModel(Scaled(), make_process("linear", 100))
    x_0, noise = (part.to(torch.bfloat16) for part in batch())
    assert l_simple(model, x_0, 50, noise).dtype == torch.float32


def test_refuses_bad_arguments():
    model = DiffusionModel(Scaled(), make_process("linear", 100))
    x_0, noise = batch()
    with pytest.raises(ValueError, match="model must have learned_variance=True"):
        l_hybrid(model, x_0, 3, noise)
    for loss in (l_simple, x0_loss, v_loss):
        with pytest.raises(ValueError, match=r"t must lie in 1\.\.100, came 0"):
            loss(model, x_0, 0, noise)
        with pytest.raises(ValueError, match="noise must have the shape of x_0"):
            loss(model, x_0, 3, noise[:2])

    class Wide(torch.nn.Module):
        def forward(self, x_t, t):
            return torch.cat([x_t, x_t], dim=1)

    with pytest.raises(ValueError, match="must have the shape of"):
        l_simple(DiffusionModel(Wide(), make_process("linear", 100)), x_0, 3, noise)
