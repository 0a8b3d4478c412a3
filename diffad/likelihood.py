"""The exact log-likelihood of a diffusion model, along the probability-flow ODE.

    eq-probability-flow      the ODE whose solutions have the same marginals q(x_t) as the noisy process
    eq-change-of-variables   log p(x_0) = log p(x_T) + the integral of the divergence
    eq-hutchinson            the divergence's estimate from random probes

The ODE is solved in the angle phi with cos(phi) = sqrt(alpha_bar), sin(phi) = sqrt(1 - alpha_bar). There it
reads dx / dphi = v: the velocity a v-network predicts is the very right-hand side, it stays bounded over the
whole way from data (phi = 0) to noise (phi = pi / 2), and it is 0 throughout for data that already are
N(0, I).

Sources: Song et al. 2021 (score SDE), section 4.3 and appendix D; Salimans & Ho 2022, appendix D (the angle);
Hutchinson 1990.
"""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffad.samplers import check_timesteps

if TYPE_CHECKING:
    from diffad.model import DiffusionModel

# (function, x) -> (function(x), divergence of function at x as (batch,)).
Divergence = Callable[[Callable[[Tensor], Tensor], Tensor], tuple[Tensor, Tensor]]


def exact_trace(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
    """The function's value and exact divergence: one backward pass for each dimension.

    Args:
        function: (batch, ...) -> (batch, ...), acting on each sample by itself.
        x: floats (batch, ...).
    """
    with torch.enable_grad():
        x = x.detach().requires_grad_()
        value = function(x)
        flat = value.flatten(1)
        divergence = torch.zeros(len(x), dtype=x.dtype, device=x.device)
        for i in range(flat.shape[1]):
            gradient = torch.autograd.grad(flat[:, i].sum(), x, retain_graph=True)[0]
            divergence += gradient.flatten(1)[:, i]
    return value.detach(), divergence


def hutchinson_trace(probes: Tensor) -> Divergence:
    """An unbiased divergence from random probes: one backward pass for each. Equation: eq-hutchinson.

    The same probes serve the whole path, so that the integrand stays smooth.

    Args:
        probes: floats (num_probes, batch, ...) with mean 0 and unit covariance, from `rademacher`.

    Source: Hutchinson 1990; Song et al. 2021, eq. 40.
    """

    def divergence(function: Callable[[Tensor], Tensor], x: Tensor) -> tuple[Tensor, Tensor]:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            value = function(x)
            total = torch.zeros(len(x), dtype=x.dtype, device=x.device)
            for probe in probes:
                gradient = torch.autograd.grad((value * probe).sum(), x, retain_graph=True)[0]
                total += (gradient * probe).flatten(1).sum(1)
        return value.detach(), total / len(probes)

    return divergence


def rademacher(num_probes: int, like: Tensor, generator: torch.Generator) -> Tensor:
    """Probes of -1 and 1 with equal chance, (num_probes, *like.shape): least variance of all."""
    if num_probes < 1:
        raise ValueError(f"num_probes must be at least 1, came {num_probes}")
    shape = (num_probes, *like.shape)
    bits = torch.randint(0, 2, shape, generator=generator, device=like.device)
    return (2 * bits - 1).to(like.dtype)


def ode_log_likelihood(
    model: "DiffusionModel", x_0: Tensor, divergence: Divergence, timesteps: Sequence[int] | None = None
) -> Tensor:
    """log p(x_0) of each sample in nats, by Heun's method along the ODE.

    Equations: eq-probability-flow, eq-change-of-variables.

    At t = 0 the velocity is taken as 0, its limit for every smooth density. For images that have grey levels,
    add uniform noise of one level first (dequantisation), or the density has no finite limit.

    A schedule leaves a little signal at t = T, and the prior N(0, I) is that of none. The rest of the way is
    a last half step with the network's answer at T, which leaves an error in proportion to alpha_bar_T
    instead of its root.

    Args:
        model: the diffusion model; two network evaluations and two divergences for each step.
        x_0: data, floats (batch, ...).
        divergence: `exact_trace`, or `hutchinson_trace(probes)`.
        timesteps: falling integers that end at 0, all of T..0 if None.

    Returns:
        nats (batch,). Source: Song et al. 2021, eq. 39.
    """
    process = model.process
    timesteps = list(range(process.num_steps, -1, -1)) if timesteps is None else timesteps
    check_timesteps(process, timesteps)
    rising = list(reversed(timesteps))
    angles = [
        math.atan2(process.number("sqrt_one_minus_alpha_bar", t), process.number("sqrt_alpha_bar", t))
        for t in rising
    ]

    def velocity_at(t):
        return lambda x: model.predict(x, t, "v")

    x, change = x_0, torch.zeros(len(x_0), dtype=x_0.dtype, device=x_0.device)
    velocity, spread = torch.zeros_like(x_0), torch.zeros_like(change)
    for i, t in enumerate(rising[1:]):
        step = angles[i + 1] - angles[i]
        guess_velocity, guess_spread = divergence(velocity_at(t), x + step * velocity)
        x = x + step / 2 * (velocity + guess_velocity)
        change = change + step / 2 * (spread + guess_spread)
        velocity, spread = divergence(velocity_at(t), x)
    # From t = T to pure noise no network was trained. There the clean estimate hardly moves, the velocity
    # ends at minus that estimate, and the divergence at 0.
    rest = math.pi / 2 - angles[-1]
    x0_hat = process.convert(velocity, x, rising[-1], "v", "x0")
    x = x + rest / 2 * (velocity - x0_hat)
    change = change + rest / 2 * spread
    log_prior = -0.5 * (x.square() + math.log(2 * math.pi)).flatten(1).sum(1)
    return log_prior + change
