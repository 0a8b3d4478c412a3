"""The oracles against other routes to the same truth: torch.distributions, autograd, quadrature, sampling."""

import pytest
import torch
from closed_form import FLOAT, correlated_oracle, gaussian_model, generator, make_process, mixture_oracle
from torch.distributions import MultivariateNormal

from diffad.oracle import GaussianMixtureOracle, GaussianOracle

PROCESS = make_process("linear", 100, beta_end=0.2)
ORACLES = {"gaussian": correlated_oracle(PROCESS), "mixture": mixture_oracle(PROCESS)}


def points(oracle, t):
    x_0 = oracle.sample(20, generator(1))
    return PROCESS.sample(x_0, t, torch.randn(x_0.shape, generator=generator(2), dtype=FLOAT))


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("t", [1, 30, 100])
def test_score_is_the_gradient_of_log_prob(name, t):
    oracle = ORACLES[name]
    x = points(oracle, t).requires_grad_()
    gradient = torch.autograd.grad(oracle.log_prob(x, t).sum(), x)[0]
    torch.testing.assert_close(oracle.score(x, t), gradient)


@pytest.mark.parametrize("name", ORACLES)
def test_eps_x0_and_score_agree(name):
    oracle, t = ORACLES[name], 40
    x = points(oracle, t)
    torch.testing.assert_close(PROCESS.convert(oracle(x, t), x, t, "eps", "x0"), oracle.x0(x, t))
    torch.testing.assert_close(PROCESS.convert(oracle(x, t), x, t, "eps", "score"), oracle.score(x, t))


@pytest.mark.parametrize("name", ORACLES)
def test_a_tensor_of_times_equals_one_time_each(name):
    oracle, t = ORACLES[name], torch.arange(1, 21) * 5
    x = points(oracle, 50)
    each = torch.cat([oracle(x[i : i + 1], int(level)) for i, level in enumerate(t)])
    torch.testing.assert_close(oracle(x, t), each)
    torch.testing.assert_close(oracle.log_prob(x, t)[3:4], oracle.log_prob(x[3:4], 20))


def test_gaussian_density_is_torchs():
    oracle, t = ORACLES["gaussian"], 60
    covariance = oracle.directions @ torch.diag(oracle.variances) @ oracle.directions.T
    signal, noise = PROCESS.number("alpha_bar", t), PROCESS.number("one_minus_alpha_bar", t)
    noisy = MultivariateNormal(
        signal**0.5 * oracle.mean, signal * covariance + noise * torch.eye(4, dtype=FLOAT)
    )
    x = points(oracle, t)
    torch.testing.assert_close(oracle.log_prob(x, t), noisy.log_prob(x))
    clean = MultivariateNormal(oracle.mean, covariance)
    torch.testing.assert_close(oracle.log_prob(x), clean.log_prob(x))
    assert oracle.entropy() == pytest.approx(clean.entropy().item())


def test_mixture_density_is_torchs():
    oracle = ORACLES["mixture"]
    x = points(oracle, 5)
    torch.testing.assert_close(oracle.log_prob(x), oracle.data_distribution().log_prob(x))


def test_mixture_x0_is_the_posterior_mean():
    """E[x_0 | x_t] by brute force: a sum over a grid of x_0 weighted with Bayes' rule."""
    oracle, t = ORACLES["mixture"], 25
    axis = torch.linspace(-3, 3, 301, dtype=FLOAT)
    grid = torch.cartesian_prod(axis, axis)
    x_t = points(oracle, t)[:3]
    mean, variance = PROCESS.marginal(grid, t)
    for x in x_t:
        log_weight = oracle.data_distribution().log_prob(grid) - 0.5 * ((x - mean).square() / variance).sum(1)
        expected = log_weight.softmax(0) @ grid
        torch.testing.assert_close(oracle.x0(x[None], t)[0], expected, rtol=1e-6, atol=1e-6)


def test_responsibilities_name_the_component():
    oracle = ORACLES["mixture"]
    assert oracle.responsibilities(oracle.means).argmax(1).tolist() == [0, 1, 2]
    torch.testing.assert_close(
        oracle.responsibilities(points(oracle, 9), 9).sum(1), torch.ones(20, dtype=FLOAT)
    )


@pytest.mark.parametrize("name", ORACLES)
def test_no_denoiser_beats_the_oracle(name):
    """Moving the prediction in any direction raises the mean squared error: the oracle is the minimum."""
    oracle, t = ORACLES[name], 30
    x_0 = oracle.sample(100_000, generator(3))
    noise = torch.randn(x_0.shape, generator=generator(4), dtype=FLOAT)
    x_t = PROCESS.sample(x_0, t, noise)
    eps = oracle(x_t, t)
    best = (eps - noise).square().mean()
    for other in (0.97 * eps, 1.03 * eps, eps + 0.05, eps - 0.05 * x_t):
        assert (other - noise).square().mean() > best


@pytest.mark.parametrize("name", ORACLES)
def test_samples_have_the_moments(name):
    oracle = ORACLES[name]
    x = oracle.sample(200_000, generator(5))
    if name == "gaussian":
        mean, variance = oracle.mean, (oracle.directions.square() @ oracle.variances)
    else:
        distribution = oracle.data_distribution()
        mean, variance = distribution.mean, distribution.variance
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=0.01)
    torch.testing.assert_close(x.var(0), variance, rtol=0.02, atol=0)


def test_keeps_shape_and_dtype():
    oracle = GaussianOracle(PROCESS, torch.zeros(1, 2, 2), torch.eye(4))
    x = torch.randn(3, 1, 2, 2)
    assert oracle(x, 5).shape == x.shape and oracle(x, 5).dtype == torch.float32
    # N(0, I) data stay N(0, I): the score is -x at every level.
    torch.testing.assert_close(oracle.score(x, 50), -x)
    assert oracle.prior_gap() == pytest.approx(0, abs=1e-12)


def test_exact_variance_is_that_of_bayes():
    """For a Gaussian, Var(x_{t-1} | x_t) from the joint covariance of two neighbouring levels."""
    oracle, _ = gaussian_model(PROCESS)
    t, variances = 30, oracle.variances
    before = PROCESS.number("alpha_bar", t - 1) * variances + PROCESS.number("one_minus_alpha_bar", t - 1)
    after = PROCESS.number("alpha_bar", t) * variances + PROCESS.number("one_minus_alpha_bar", t)
    expected = before - PROCESS.number("alpha", t) * before**2 / after
    log_variance = oracle.exact_log_variance(PROCESS, t, torch.zeros(1, 3, dtype=FLOAT), None)
    torch.testing.assert_close(log_variance.exp().flatten().sort()[0], expected.sort()[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: GaussianOracle(PROCESS, torch.zeros(2), torch.eye(3)),
            r"covariance must have shape \(2, 2\), came \(3, 3\)",
        ),
        (
            lambda: GaussianOracle(PROCESS, torch.zeros(2), -torch.eye(2)),
            "covariance must be symmetric and positive",
        ),
        (
            lambda: GaussianOracle(PROCESS, torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]])),
            "symmetric",
        ),
        (
            lambda: GaussianMixtureOracle(PROCESS, torch.ones(2), torch.zeros(3, 2), torch.ones(1)),
            r"weights must have shape \(3,\)",
        ),
        (
            lambda: GaussianMixtureOracle(PROCESS, torch.tensor([1.0, -1]), torch.zeros(2, 2), torch.ones(1)),
            "weights and variances must be positive",
        ),
        (
            lambda: ORACLES["gaussian"].exact_log_variance(PROCESS, 3, torch.zeros(1, 4), None),
            "covariance must be diagonal",
        ),
        (lambda: ORACLES["gaussian"].log_prob(torch.zeros(1, 4), 101), r"t must lie in 0\.\.100, came 101"),
    ],
)
def test_refuses_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
