"""The variational lower bound on log p(x_0), term by term; everything in nats until `bits_per_dim`.

    eq-variational-bound   -log p(x_0) <= L_T + sum_t L_{t-1} + L_0        `variational_bound`
    eq-prior-term          L_T: how far q(x_T | x_0) is from pure noise     `prior_term`
    eq-denoising-term      L_{t-1}: KL of q's posterior from p's step       `step_term`, t > 1
    eq-reconstruction-term L_0: -log p(x_0 | x_1)                           `step_term`, t = 1
    eq-gaussian-kl         the KL divergence that all of them need          `gaussian_kl`
    eq-discretised         the likelihood of an 8-bit value                 `discretised_log_likelihood`

Sources: Ho et al. 2020, section 3 and appendix A; Nichol & Dhariwal 2021.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffad.objectives.times import low_discrepancy_uniform
from diffad.process import ForwardProcess, check_floating, check_same_shape, widen
from diffad.reverse import LogVariance, posterior_log_variance, reverse_step

if TYPE_CHECKING:
    from diffad.model import DiffusionModel

# How L_0 measures x_0: (x_0, mean, log variance) -> log likelihood of each element, in nats.
Likelihood = Callable[[Tensor, Tensor, Tensor], Tensor]


def gaussian_kl(mean_1: Tensor, log_variance_1: Tensor, mean_2: Tensor, log_variance_2: Tensor) -> Tensor:
    """KL(N(mean_1, variance_1) || N(mean_2, variance_2)) of each element, in nats. Equation: eq-gaussian-kl.

    All arguments broadcast. `expm1` keeps the digits where the variances nearly agree: there the KL is the
    small difference exp(d) - 1 - d. Source: Ho et al. 2020, eq. 8 (with equal variances); Kullback & Leibler
    1951.
    """
    difference = log_variance_1 - log_variance_2
    squared = (mean_1 - mean_2).square() * torch.exp(-log_variance_2)
    return 0.5 * (torch.expm1(difference) - difference + squared)


def gaussian_log_likelihood(x: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    """Log density of each element under N(mean, variance), in nats: L_0 for truly continuous data."""
    return -0.5 * (math.log(2 * math.pi) + log_variance + (x - mean).square() * torch.exp(-log_variance))


def discretised_log_likelihood(
    x: Tensor, mean: Tensor, log_variance: Tensor, num_levels: int = 256
) -> Tensor:
    """Log probability of each grey level under a Gaussian cut into bins, with the exact CDF. Equation:
    eq-discretised.

    The bins are as wide as the distance of two levels and centred on them; the outermost two reach to
    infinity, so the probabilities of all levels sum to 1. Computed from log CDFs, so a level far out in a
    tail keeps its digits instead of becoming log(0).

    Args:
        x: grey levels scaled to [-1, 1], floats (batch, ...).
        mean, log_variance: of the Gaussian, broadcastable to `x`.
        num_levels: 256 for 8-bit images.

    Returns:
        nats, in the broadcast shape. Source: Ho et al. 2020, eq. 13 (whose code has a tanh in place of the
        CDF).
    """
    half_bin = 1 / (num_levels - 1)
    scale = torch.exp(-0.5 * log_variance)
    lower, upper = (x - half_bin - mean) * scale, (x + half_bin - mean) * scale
    # P(lower < z < upper) = P(-upper < z < -lower): take the side on which the CDF is small and exact.
    flip = lower > 0
    log_cdf_low = torch.special.log_ndtr(torch.where(flip, -upper, lower))
    log_cdf_high = torch.special.log_ndtr(torch.where(flip, -lower, upper))
    share = -torch.expm1(log_cdf_low - log_cdf_high)  # 1 - CDF(low) / CDF(high)
    inside = log_cdf_high + share.clamp(min=torch.finfo(share.dtype).tiny).log()
    first, last = x < -1 + half_bin, x > 1 - half_bin
    log_likelihood = torch.where(last, torch.special.log_ndtr(-lower), inside)
    return torch.where(first, torch.special.log_ndtr(upper), log_likelihood)


def prior_term(process: ForwardProcess, x_0: Tensor) -> Tensor:
    """L_T = KL(q(x_T | x_0) || N(0, I)) of each sample, in nats (batch,): nothing in it can be trained.

    Equation: eq-prior-term. Source: Ho et al. 2020, eq. 5.
    """
    check_floating(x_0=x_0)
    x_0 = widen(x_0)
    mean = process.number("sqrt_alpha_bar", process.num_steps) * x_0
    log_variance = torch.full_like(x_0, math.log(process.number("one_minus_alpha_bar", process.num_steps)))
    zero = torch.zeros((), dtype=x_0.dtype, device=x_0.device)
    return gaussian_kl(mean, log_variance, zero, zero).flatten(1).sum(1)


def step_term(
    process: ForwardProcess,
    x_0: Tensor,
    x_t: Tensor,
    t: int | Tensor,
    x0_hat: Tensor,
    log_variance: Tensor,
    likelihood: Likelihood = discretised_log_likelihood,
) -> Tensor:
    """The bound's term of one reverse step, in nats (batch,): L_{t-1} where t > 1 and L_0 where t = 1.

    Equations: eq-denoising-term, eq-denoising-as-error, eq-reconstruction-term.

    Args:
        x_0, x_t: clean data and its noisy version, floats (batch, ...).
        t: 1..T.
        x0_hat: the network's estimate of x_0.
        log_variance: of p(x_{t-1} | x_t), broadcastable to `x_t`.
        likelihood: how L_0 measures x_0; `gaussian_log_likelihood` for continuous data.

    Source: Ho et al. 2020, eq. 5.
    """
    check_same_shape(x_0=x_0, x_t=x_t, x0_hat=x0_hat)
    x_0, x0_hat = widen(x_0), widen(x0_hat)
    # q's and p's means share their x_t part, and a KL is blind to a common shift: compare only what differs.
    weight = process.coefficient("posterior_x0", t, x_0)
    posterior_log = process.coefficient("posterior_log_variance_clipped", t, x_0)
    denoising = gaussian_kl(weight * (x_0 - x0_hat), posterior_log, torch.zeros_like(x_0), log_variance)
    # At t = 1 the mean of p(x_0 | x_1) is x0_hat itself.
    reconstruction = -likelihood(x_0, x0_hat, log_variance)
    is_first = process.coefficient("posterior_variance", t, x_0) == 0
    return torch.where(is_first, reconstruction, denoising).flatten(1).sum(1)


def vlb_terms(
    model: "DiffusionModel",
    x_0: Tensor,
    t: int | Tensor,
    noise: Tensor,
    variance: LogVariance = posterior_log_variance,
    likelihood: Likelihood = discretised_log_likelihood,
    clamp: float | None = None,
) -> Tensor:
    """The bound's term at t for one draw of x_t, in nats (batch,): L_{t-1}, or L_0 where t = 1.

    Equations: eq-denoising-term, eq-reconstruction-term.

    Args:
        model: the diffusion model.
        x_0: clean data, floats (batch, ...); grey levels in [-1, 1] for the discretised likelihood.
        t: 1..T, int or (batch,).
        noise: standard normal draws in the shape of `x_0`.
        variance: of the reverse step, a function of `diffad.reverse`.
        likelihood: how L_0 measures x_0.
        clamp: bound on the x0 estimate, 1 for images, None for none.
    """
    x_t = model.process.sample(x_0, t, noise)
    _, log_variance, x0_hat = reverse_step(model, x_t, t, variance, clamp)
    return step_term(model.process, x_0, x_t, t, x0_hat, log_variance, likelihood)


@dataclass(frozen=True)
class VariationalBound:
    """The bound's three parts for each sample, in nats. Equation: eq-variational-bound.

    Attributes:
        prior: L_T, (batch,).
        denoising: the sum of L_1 .. L_{T-1}, (batch,).
        reconstruction: L_0, (batch,).
        num_dimensions: of one sample.
        terms: L_0 .. L_{T-1} as columns t = 1..T, (batch, T); None where the sum was estimated from a few t.
    """

    prior: Tensor
    denoising: Tensor
    reconstruction: Tensor
    num_dimensions: int
    terms: Tensor | None = None

    @property
    def total(self) -> Tensor:
        """The whole bound on -log p(x_0), nats (batch,)."""
        return self.prior + self.denoising + self.reconstruction

    def in_bits_per_dim(self) -> dict[str, float]:
        """Mean over samples of the total and its three parts, in bits per dimension."""
        parts = {name: getattr(self, name) for name in ("total", "prior", "denoising", "reconstruction")}
        size = self.num_dimensions
        return {name: bits_per_dim(part.double().mean(), size).item() for name, part in parts.items()}


def bits_per_dim(nats: Tensor, num_dimensions: int) -> Tensor:
    """Nats of a whole sample as bits per dimension. Equation: eq-bits-per-dim."""
    return nats / (num_dimensions * math.log(2))


@torch.no_grad()
def variational_bound(
    model: "DiffusionModel", x_0: Tensor, generator: torch.Generator, **settings
) -> VariationalBound:
    """Every term of the bound, T network evaluations, one draw of noise for each. Equation:
    eq-variational-bound.

    Args:
        model: the diffusion model.
        x_0: clean data, floats (batch, ...).
        generator: of the noise, on the device of `x_0`.
        settings: variance, likelihood and clamp of `vlb_terms`.

    Source: Ho et al. 2020, eq. 5.
    """
    terms = []
    for t in range(1, model.num_steps + 1):
        noise = torch.randn(x_0.shape, generator=generator, device=x_0.device, dtype=x_0.dtype)
        terms.append(vlb_terms(model, x_0, t, noise, **settings))
    terms = torch.stack(terms, dim=1)  # (batch, T)
    prior = prior_term(model.process, x_0)
    return VariationalBound(prior, terms[:, 1:].sum(1), terms[:, 0], x_0[0].numel(), terms)


@torch.no_grad()
def estimate_variational_bound(
    model: "DiffusionModel", x_0: Tensor, generator: torch.Generator, num_draws: int = 20, **settings
) -> VariationalBound:
    """The bound without bias from a few noise levels a sample: `num_draws` + 1 network evaluations, not T.

    L_T and L_0 are computed for every sample, the T - 1 denoising terms are estimated from `num_draws` of
    them. Each t is drawn in proportion to what its term would be for N(0, I) data,
    (SNR_{t-1} - SNR_t) / (1 + SNR_t), and divided by its probability: most of the bound lies in few steps, and
    uniform draws would mostly miss them. A sample's own figure is noisy, the mean over a data set is not.

    Equation: eq-variational-bound. Importance sampling as in eq-importance-times.

    Args:
        num_draws: at least 1. Other arguments as in `variational_bound`.
    """
    if num_draws < 1:
        raise ValueError(f"num_draws must be at least 1, came {num_draws}")

    def draw_noise():
        return torch.randn(x_0.shape, generator=generator, device=x_0.device, dtype=x_0.dtype)

    reconstruction = vlb_terms(model, x_0, 1, draw_noise(), **settings)
    denoising = torch.zeros_like(reconstruction)
    if model.num_steps > 1:
        snr = model.process.schedule.snr
        expected = (snr[1:-1] - snr[2:]) / (1 + snr[2:])  # of t = 2..T
        probability = (expected / expected.sum()).to(x_0.device)
        edges = probability.cumsum(0)
        for _ in range(num_draws):
            index = torch.searchsorted(edges, low_discrepancy_uniform(len(x_0), generator), right=True)
            index = index.clamp(max=len(edges) - 1)
            term = vlb_terms(model, x_0, index + 2, draw_noise(), **settings)
            denoising += (term / (num_draws * probability[index])).to(term.dtype)
    return VariationalBound(prior_term(model.process, x_0), denoising, reconstruction, x_0[0].numel())
