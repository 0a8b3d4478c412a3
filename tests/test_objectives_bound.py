"""The variational bound against exact answers: closed-form KL, entropy of Gaussian data, sums over grey
levels.
"""

import math

import pytest
import torch
from closed_form import FLOAT, exact_noise, gaussian_model, generator, make_process
from diffusers import DDPMScheduler
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from torch.distributions import Normal, kl_divergence

from diffad.model import DiffusionModel
from diffad.objectives import (
    bits_per_dim,
    discretised_log_likelihood,
    estimate_variational_bound,
    gaussian_kl,
    gaussian_log_likelihood,
    prior_term,
    variational_bound,
    vlb_terms,
)
from diffad.reverse import posterior_log_variance, reverse_step
from diffad.schedules import SCHEDULES

finite = st.floats(-5, 5)


@given(finite, st.floats(-8, 4), finite, st.floats(-8, 4))
def test_kl_is_torchs(mean_1, log_variance_1, mean_2, log_variance_2):
    numbers = [torch.tensor(value, dtype=FLOAT) for value in (mean_1, log_variance_1, mean_2, log_variance_2)]
    first, second = Normal(numbers[0], (numbers[1] / 2).exp()), Normal(numbers[2], (numbers[3] / 2).exp())
    torch.testing.assert_close(gaussian_kl(*numbers), kl_divergence(first, second), rtol=1e-9, atol=1e-9)


def test_kl_of_nearly_equal_variances_keeps_its_digits():
    zero, tiny = torch.zeros(1, dtype=FLOAT), torch.full((1,), 1e-5, dtype=FLOAT)
    # d^2 / 4 to leading order; the difference of logarithms and ratios found in print leaves no digit here.
    torch.testing.assert_close(gaussian_kl(zero, tiny, zero, zero), tiny**2 / 4, rtol=1e-5, atol=0)


@given(st.floats(-1.2, 1.2), st.floats(-14, 2), st.sampled_from([2, 16, 256]))
@settings(deadline=None)
def test_probabilities_of_all_grey_levels_sum_to_one(mean, log_variance, num_levels):
    levels = torch.linspace(-1, 1, num_levels, dtype=FLOAT)
    log_likelihood = discretised_log_likelihood(
        levels, torch.tensor(mean, dtype=FLOAT), torch.tensor(log_variance, dtype=FLOAT), num_levels
    )
    assert log_likelihood.exp().sum().item() == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("level", [0, 1, 100, 254, 255])
@pytest.mark.parametrize("scale", [0.003, 0.05, 1.0])
def test_discretised_likelihood_is_scipys(level, scale):
    x, mean, half = 2 * level / 255 - 1, 0.1, 1 / 255
    ours = discretised_log_likelihood(
        torch.tensor(x, dtype=FLOAT), torch.tensor(mean), torch.tensor(2 * math.log(scale))
    )
    low = -math.inf if level == 0 else (x - half - mean) / scale
    high = math.inf if level == 255 else (x + half - mean) / scale
    # On the side where the CDF is small scipy keeps its digits too.
    probability = norm.cdf(high) - norm.cdf(low) if low + high < 0 else norm.sf(low) - norm.sf(high)
    if probability > 0:
        assert ours.item() == pytest.approx(math.log(probability), rel=1e-6)
    else:
        assert -1e5 < ours.item() < -700 and math.isfinite(ours.item())


def test_discretised_likelihood_has_gradients_everywhere():
    x = torch.linspace(-1, 1, 256)
    mean, log_variance = torch.zeros(256, requires_grad=True), torch.full((256,), -9.0, requires_grad=True)
    discretised_log_likelihood(x, mean, log_variance).sum().backward()
    assert mean.grad.isfinite().all() and log_variance.grad.isfinite().all()


@pytest.mark.parametrize("name", sorted(set(SCHEDULES) - {"zero_terminal"}))
def test_bound_of_the_oracle_is_exact(name):
    """Optimal mean and variance make each reverse step the true one, so for every x_0 the bound is -log
    q(x_0) plus the prior's mismatch, E[log q(x_T) / p(x_T)]. Averages over x_t are exact: each term is
    quadratic in the noise.
    """
    process = make_process(name, 50)
    oracle, model = gaussian_model(process)
    x_0 = oracle.sample(1, generator())
    noise = exact_noise(3)
    batch = x_0.expand(len(noise), 3)
    settings = {"variance": oracle.exact_log_variance, "likelihood": gaussian_log_likelihood}
    terms = torch.stack([vlb_terms(model, batch, t, noise, **settings).mean() for t in range(1, 51)])
    bound = terms.sum() + prior_term(process, x_0)

    x_end = process.sample(batch, 50, noise)
    mismatch = (oracle.log_prob(x_end, 50) - Normal(0.0, 1.0).log_prob(x_end).sum(1)).mean()
    expected = -oracle.log_prob(x_0) + mismatch
    assert bound.item() == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_bound_averages_to_entropy_plus_prior_gap(name):
    process = make_process(name, 100)
    oracle, model = gaussian_model(process)
    noise = exact_noise(3)
    x_0 = oracle.mean + exact_noise(3) @ torch.diag(oracle.variances.sqrt()) @ oracle.directions.T
    settings = {"variance": oracle.exact_log_variance, "likelihood": gaussian_log_likelihood}
    pairs_x, pairs_noise = x_0.repeat_interleave(len(noise), 0), noise.repeat(len(x_0), 1)
    total = sum(vlb_terms(model, pairs_x, t, pairs_noise, **settings).mean() for t in range(1, 101))
    total = total + prior_term(process, x_0).mean()
    assert total.item() == pytest.approx(oracle.entropy() + oracle.prior_gap(), rel=1e-6)


def test_denoising_terms_are_those_in_closed_form():
    process = make_process("linear", 60)
    oracle, model = gaussian_model(process)
    noise = exact_noise(3)
    x_0 = oracle.mean + exact_noise(3) @ torch.diag(oracle.variances.sqrt()) @ oracle.directions.T
    pairs_x, pairs_noise = x_0.repeat_interleave(len(noise), 0), noise.repeat(len(x_0), 1)
    ours = torch.stack([vlb_terms(model, pairs_x, t, pairs_noise).mean() for t in range(2, 61)])
    exact = oracle.optimal_terms(process.schedule.posterior_variance.log())
    torch.testing.assert_close(ours, exact, rtol=1e-6, atol=0)


def test_a_worse_denoiser_has_a_larger_bound():
    process = make_process("cosine", 30)
    oracle, best = gaussian_model(process)

    class Shrunk(torch.nn.Module):
        def forward(self, x_t, t):
            return 0.9 * oracle(x_t, t)

    x_0 = oracle.sample(500, generator())
    settings = {"likelihood": gaussian_log_likelihood}
    worse = variational_bound(DiffusionModel(Shrunk(), process), x_0, generator(1), **settings)
    assert (
        worse.denoising.mean() > variational_bound(best, x_0, generator(1), **settings).denoising.mean()
    ).all()


def test_terms_weigh_the_x0_error_by_half_the_drop_of_the_snr():
    """With the posterior variance, L_{t-1} is (SNR_{t-1} - SNR_t) / 2 times the x0 error. Kingma et al.

    2021.
    """
    process = make_process("linear", 40)
    oracle, model = gaussian_model(process)
    x_0 = oracle.sample(5, generator())
    noise = torch.randn(5, 3, generator=generator(1), dtype=FLOAT)
    x0_hat = oracle.x0(process.sample(x_0, 17, noise), 17)
    snr = process.schedule.snr
    expected = (snr[16] - snr[17]) / 2 * (x_0 - x0_hat).square().sum(1)
    torch.testing.assert_close(vlb_terms(model, x_0, 17, noise), expected, rtol=1e-9, atol=0)


def test_mixed_times_equal_one_time_each():
    process = make_process("cosine", 20)
    oracle, model = gaussian_model(process)
    x_0, noise = oracle.sample(20, generator()), torch.randn(20, 3, generator=generator(1), dtype=FLOAT)
    together = vlb_terms(model, x_0, torch.arange(1, 21), noise)
    each = torch.cat([vlb_terms(model, x_0[t - 1 : t], t, noise[t - 1 : t]) for t in range(1, 21)])
    torch.testing.assert_close(together, each)


@pytest.mark.parametrize("name", ["cosine", "linear", "vdm"])
def test_estimate_has_no_bias(name):
    """The mean of estimates from three levels a sample is the exact sum of all terms, within its standard
    error.
    """
    process = make_process(name, 200)
    oracle, model = gaussian_model(process)
    x_0 = oracle.sample(20_000, generator())
    estimate = estimate_variational_bound(
        model, x_0, generator(2), num_draws=3, likelihood=gaussian_log_likelihood
    )
    exact = oracle.optimal_terms(process.schedule.posterior_variance.log()).sum()
    standard_error = estimate.denoising.std() / len(x_0) ** 0.5
    assert (estimate.denoising.mean() - exact).abs() < 4 * standard_error
    assert standard_error < 0.02 * exact
    assert torch.equal(estimate.prior, prior_term(process, x_0))


def test_parts_sum_to_the_total_in_bits():
    process = make_process("linear", 10)
    oracle, model = gaussian_model(process)
    bound = variational_bound(model, oracle.sample(7, generator()), generator(1))
    bits = bound.in_bits_per_dim()
    assert bits["total"] == pytest.approx(bits["prior"] + bits["denoising"] + bits["reconstruction"])
    assert bits["total"] == pytest.approx(bound.total.mean().item() / 3 / math.log(2))
    assert bound.terms.shape == (7, 10)
    torch.testing.assert_close(bound.terms.sum(1) + bound.prior, bound.total)


def test_one_step_has_no_denoising_term():
    process = make_process("cosine", 1)
    oracle, model = gaussian_model(process)
    for bound in (variational_bound, estimate_variational_bound):
        result = bound(model, oracle.sample(3, generator()), generator(1))
        assert (result.denoising == 0).all() and result.total.isfinite().all()


def test_bits_per_dim_of_a_fair_coin():
    assert bits_per_dim(torch.tensor(8 * math.log(2)), 8).item() == pytest.approx(1)


def test_prior_term_is_the_kl():
    process, x_0 = make_process("linear", 10), torch.tensor([[0.3, -2.0]], dtype=FLOAT)
    mean, variance = process.marginal(x_0, 10)
    expected = kl_divergence(
        Normal(mean, variance.sqrt().expand_as(mean)), Normal(torch.zeros_like(mean), 1.0)
    ).sum(1)
    torch.testing.assert_close(prior_term(process, x_0), expected)


def test_reverse_mean_is_diffusers():
    """One reverse step's mean against DDPMScheduler.step, which at its t = 0 (our 1) adds no noise."""
    process = make_process("linear", 1000)
    oracle, model = gaussian_model(process)
    theirs = DDPMScheduler(1000, beta_schedule="linear", clip_sample=False)
    x = torch.randn(4, 3, generator=generator())
    for t in (1, 2, 700):
        output = theirs.step(oracle(x, t), t - 1, x, generator=generator(5))
        mean, log_variance, x0_hat = reverse_step(model, x, t)
        noise = torch.randn(x.shape, generator=generator(5)) if t > 1 else 0
        expected = mean + (0.5 * log_variance).exp() * noise
        torch.testing.assert_close(expected, output.prev_sample, rtol=1e-4, atol=2e-5)


def test_refuses_bad_arguments():
    process = make_process("linear", 10)
    oracle, model = gaussian_model(process)
    x_0 = oracle.sample(2, generator())
    with pytest.raises(ValueError, match="num_draws must be at least 1, came 0"):
        estimate_variational_bound(model, x_0, generator(), num_draws=0)
    with pytest.raises(ValueError, match=r"t must lie in 1\.\.10, came 11"):
        vlb_terms(model, x_0, 11, x_0)
    with pytest.raises(ValueError, match="noise must have the shape of x_0"):
        vlb_terms(model, x_0, 3, x_0[:1])
    with pytest.raises(TypeError, match="x_0 must be a floating-point tensor"):
        prior_term(process, torch.zeros(2, 3, dtype=torch.uint8))


def test_posterior_variance_stands_in_at_the_first_step():
    process = make_process("linear", 10)
    like = torch.zeros(1, 3, dtype=FLOAT)
    first, second = (posterior_log_variance(process, t, like, None) for t in (1, 2))
    assert torch.equal(first, second)
