"""The ODE likelihood against exact densities, and the estimators of its divergence against each other."""

import pytest
import torch
from closed_form import FLOAT, correlated_oracle, generator, make_process, mixture_oracle

from diffad.likelihood import exact_trace, hutchinson_trace, ode_log_likelihood, rademacher
from diffad.model import DiffusionModel
from diffad.oracle import GaussianOracle
from diffad.samplers import ddim_timesteps


@pytest.mark.parametrize("name", ["linear", "cosine", "sigmoid", "log_linear", "zero_terminal"])
def test_likelihood_of_a_gaussian_is_exact(name):
    """Within 1e-3 nats a dimension for every sample, for each schedule that all but ends in noise."""
    process = make_process(name, 1000)
    oracle = correlated_oracle(process)
    x_0 = oracle.sample(16, generator())
    model = DiffusionModel(VelocityOf(oracle, process), process, "v")
    error = ode_log_likelihood(model, x_0, exact_trace) - oracle.log_prob(x_0)
    assert error.abs().max() / 4 < 1e-3


class VelocityOf(torch.nn.Module):
    def __init__(self, oracle, process):
        super().__init__()
        self.oracle, self.process = oracle, process

    def forward(self, x_t, t):
        return self.process.convert(self.oracle.x0(x_t, t), x_t, t, "x0", "v")


@pytest.mark.parametrize("name", ["scaled_linear", "vdm"])
def test_what_a_schedule_leaves_bounds_the_error(name):
    """Signal left at T costs at most about its share, not its root, for data far from the prior too."""
    process = make_process(name, 1000)
    oracle = GaussianOracle(process, torch.tensor([1.0, -0.5]), torch.diag(torch.tensor([0.3, 0.9])))
    x_0 = oracle.sample(16, generator())
    error = ode_log_likelihood(DiffusionModel(oracle, process), x_0, exact_trace) - oracle.log_prob(x_0)
    assert error.abs().max() / 2 < 2 * process.number("alpha_bar", 1000) < 0.02


def test_likelihood_of_a_mixture_is_near_exact():
    process = make_process("cosine", 1000)
    oracle = mixture_oracle(process)
    x_0 = oracle.sample(16, generator())
    likelihood = ode_log_likelihood(DiffusionModel(oracle, process), x_0, exact_trace)
    assert (likelihood - oracle.log_prob(x_0)).abs().max() / 2 < 1e-2


def test_standard_normal_data_need_no_steps_to_speak_of():
    process = make_process("cosine", 100)
    oracle = GaussianOracle(process, torch.zeros(3), torch.eye(3))
    x_0 = oracle.sample(4, generator())
    model = DiffusionModel(oracle, process)
    likelihood = ode_log_likelihood(model, x_0, exact_trace, ddim_timesteps(100, 2))
    torch.testing.assert_close(likelihood, oracle.log_prob(x_0), rtol=0, atol=1e-5)


def test_fewer_steps_err_more():
    process = make_process("cosine", 1000)
    oracle = correlated_oracle(process)
    model, x_0 = DiffusionModel(oracle, process), oracle.sample(8, generator())
    errors = [
        (ode_log_likelihood(model, x_0, exact_trace, ddim_timesteps(1000, n)) - oracle.log_prob(x_0))
        .abs()
        .max()
        for n in (25, 100, 400)
    ]
    assert errors[0] > 4 * errors[1] > 16 * errors[2]


def cubic(x):
    return x**3 + x.sum(1, keepdim=True)


def test_exact_trace_is_the_divergence():
    x = torch.randn(5, 4, generator=generator(), dtype=FLOAT)
    value, divergence = exact_trace(cubic, x)
    torch.testing.assert_close(value, cubic(x))
    torch.testing.assert_close(divergence, (3 * x**2 + 1).sum(1))
    jacobian = torch.autograd.functional.jacobian(cubic, x[:1])[0, :, 0]
    torch.testing.assert_close(divergence[0], jacobian.trace())


def test_hutchinson_is_unbiased():
    x = torch.randn(1, 4, generator=generator(), dtype=FLOAT).expand(20_000, 4)
    value, divergence = hutchinson_trace(rademacher(1, x, generator(1)))(cubic, x)
    torch.testing.assert_close(value, cubic(x))
    exact = exact_trace(cubic, x[:1])[1]
    standard_error = divergence.std() / len(divergence) ** 0.5
    assert (divergence.mean() - exact).abs() < 4 * standard_error


def test_hutchinson_is_exact_where_dimensions_do_not_mix():
    """Probes of -1 and 1 square to 1, so a diagonal Jacobian leaves no randomness."""
    x = torch.randn(5, 4, generator=generator(), dtype=FLOAT)
    _, divergence = hutchinson_trace(rademacher(1, x, generator(1)))(torch.sin, x)
    torch.testing.assert_close(divergence, torch.cos(x).sum(1))


def test_hutchinson_likelihood_agrees_with_the_exact_one():
    process = make_process("cosine", 200)
    oracle = correlated_oracle(process)
    model, x_0 = DiffusionModel(oracle, process), oracle.sample(1, generator()).expand(2000, 4)
    estimate = ode_log_likelihood(
        model, x_0, hutchinson_trace(rademacher(4, x_0, generator(1))), ddim_timesteps(200, 50)
    )
    exact = ode_log_likelihood(model, x_0[:1], exact_trace, ddim_timesteps(200, 50))
    assert (estimate.mean() - exact).abs() < 4 * estimate.std() / 2000**0.5


def test_images_and_parameters_keep_their_gradients_to_themselves():
    process = make_process("cosine", 20)
    oracle = GaussianOracle(process, torch.zeros(1, 2, 2), 0.3 * torch.eye(4))
    x_0 = oracle.sample(3, generator()).float()
    likelihood = ode_log_likelihood(DiffusionModel(oracle, process), x_0, exact_trace)
    assert likelihood.shape == (3,) and likelihood.dtype == torch.float32 and not likelihood.requires_grad


def test_refuses_bad_arguments():
    process = make_process("cosine", 20)
    oracle = correlated_oracle(process)
    model, x_0 = DiffusionModel(oracle, process), oracle.sample(2, generator())
    with pytest.raises(ValueError, match="timesteps must fall strictly from at most 20 to 0"):
        ode_log_likelihood(model, x_0, exact_trace, [30, 0])
    with pytest.raises(ValueError, match="num_probes must be at least 1, came 0"):
        rademacher(0, x_0, generator())
