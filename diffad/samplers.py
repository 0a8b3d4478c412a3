"""The reverse process: from noise, or from a partly noised image, back to data.

    eq-ancestral            `ancestral`: draw every p(x_{t-1} | x_t)
    eq-ddim                 `ddim`: skip levels; eta = 0 is deterministic, eta = 1 is ancestral
    eq-partial-diffusion    `partial_diffusion`: noise up to a level, denoise back: a detector's reconstruction
    eq-inversion            `invert`: DDIM backwards, from data to the noise that would have made them
    eq-langevin             `langevin`: walk along the score within one noise level

A sampler needs a `diffad.model.DiffusionModel` and never asks what its network predicts. The generators
`*_trajectory` give every intermediate state; the plain functions run them to the end. All of them finish at
t = 0, where alpha_bar is exactly 1 and no noise is left to add.

Sources: Ho et al. 2020; Song, Meng & Ermon 2021 (DDIM); Lu et al. 2022 (DPM-Solver++); Song & Ermon
2019 (Langevin).
"""

from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

import torch
from diffusers import DPMSolverMultistepScheduler
from torch import Tensor

from diffad.process import ForwardProcess, widen
from diffad.reverse import LogVariance, posterior_log_variance, reverse_step

if TYPE_CHECKING:
    from diffad.model import DiffusionModel


class State(NamedTuple):
    """Where a sampler stands: the sample at time t, and the estimate of the clean data that led there."""

    t: int
    x: Tensor
    x0_hat: Tensor


def ddim_timesteps(start: int, num_steps: int) -> list[int]:
    """The times that a sampler visits: `num_steps` + 1 integers from `start` down to 0, as evenly spaced as
    integers can be.

    Args:
        start: first time, at least 1.
        num_steps: network evaluations, 1..start.
    """
    if not 1 <= num_steps <= start:
        raise ValueError(f"num_steps must lie in 1..start = {start}, came {num_steps}")
    return [(start * (num_steps - i) + num_steps // 2) // num_steps for i in range(num_steps + 1)]


def ddim_trajectory(
    model: "DiffusionModel",
    x_start: Tensor,
    timesteps: Sequence[int],
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    clamp: float | None = None,
) -> Iterator[State]:
    """The states of `ddim` after each network evaluation; same arguments."""
    check_timesteps(model.process, timesteps)
    check_eta(eta, generator)
    x = x_start
    for t, t_next in zip(timesteps[:-1], timesteps[1:], strict=True):
        x0_hat = predict_x0(model, x, t, clamp)
        noise = draw_like(x, generator) if eta > 0 and t_next > 0 else None
        x = ddim_step(model.process, x, x0_hat, t, t_next, eta, noise)
        yield State(t_next, x, x0_hat)


def ddim_step(
    process: ForwardProcess,
    x_t: Tensor,
    x0_hat: Tensor,
    t: int,
    t_next: int,
    eta: float = 0.0,
    noise: Tensor | None = None,
) -> Tensor:
    """One DDIM step from t to t_next < t, given the clean-data estimate. Equation: eq-ddim.

    Args:
        x_t, x0_hat: floats (batch, ...).
        noise: standard normal draws, needed where eta > 0 and t_next > 0.

    Returns:
        x at t_next; at t_next = 0 that is `x0_hat` itself. Source: Song, Meng & Ermon 2021, eqs. 12 and 16.
    """
    if t_next == 0:
        return x0_hat
    next_variance = process.number("one_minus_alpha_bar", t_next)
    # eta^2 times the posterior variance of the long step from t to t_next
    long_beta = process.long_step_variance(t_next, t)
    added = eta**2 * next_variance / process.number("one_minus_alpha_bar", t) * long_beta
    direction = max(next_variance - added, 0.0) ** 0.5
    x = process.number("sqrt_alpha_bar", t_next) * widen(x0_hat)
    # The noise estimate has no name of its own here, so that its memory is free again before the sum.
    x = x + direction * widen(process.convert(x0_hat, x_t, t, "x0", "eps"))
    if eta > 0:
        x = x + added**0.5 * widen(noise)
    return x.to(x_t.dtype)


@torch.no_grad()
def ddim(
    model: "DiffusionModel",
    x_start: Tensor,
    timesteps: Sequence[int],
    eta: float = 0.0,
    generator: torch.Generator | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Denoise along the given times. Equation: eq-ddim.

    Args:
        model: the diffusion model.
        x_start: sample at timesteps[0], floats (batch, ...).
        timesteps: falling integers that end at 0, from `ddim_timesteps`; one network evaluation for each but
            the last.
        eta: 0 is deterministic, 1 adds as much noise as ancestral sampling.
        generator: of the noise, on the device of `x_start`; needed if eta > 0.
        clamp: bound on the clean-data estimate, 1 for images, None for none.

    Returns:
        x_0 in the shape of `x_start`. Source: Song, Meng & Ermon 2021, eq. 12.

    Raises:
        ValueError: timesteps that do not fall to 0 or leave 0..T, negative eta, eta > 0 without a generator.
    """
    return last(ddim_trajectory(model, x_start, timesteps, eta, generator, clamp)).x


@torch.no_grad()
def partial_diffusion(
    model: "DiffusionModel",
    x_0: Tensor,
    start: int,
    num_steps: int,
    noise: Tensor,
    clamp: float | None = None,
) -> Tensor:
    """Reconstruct: noise x_0 up to `start`, then denoise in `num_steps` DDIM steps. Equation:
    eq-partial-diffusion.

    Args:
        x_0: data to reconstruct, floats (batch, ...).
        start: noise level, 1..T.
        num_steps: network evaluations, 1..start; 1 is the one-step estimate of x_0.
        noise: standard normal draws in the shape of `x_0`.
        clamp: as in `ddim`.

    Returns:
        the reconstruction, in the shape of `x_0`. Source: Wyatt et al. 2022 (AnoDDPM), with DDIM
        steps.
    """
    x_start = model.process.sample(x_0, start, noise)
    return ddim(model, x_start, ddim_timesteps(start, num_steps), clamp=clamp)


def ancestral_trajectory(
    model: "DiffusionModel",
    x_start: Tensor,
    generator: torch.Generator,
    start: int | None = None,
    variance: LogVariance = posterior_log_variance,
    clamp: float | None = None,
) -> Iterator[State]:
    """The states of `ancestral` after each step; same arguments."""
    start = check_start(model.process, start)
    x = x_start
    for t in range(start, 0, -1):
        x, log_variance, x0_hat = reverse_step(model, x, t, variance, clamp)
        if t > 1:  # the last step returns the mean: x_0 is data, and noise on it would stay
            x = x + (0.5 * log_variance).exp().to(x.dtype) * draw_like(x, generator)
        yield State(t - 1, x, x0_hat)


@torch.no_grad()
def ancestral(
    model: "DiffusionModel",
    x_start: Tensor,
    generator: torch.Generator,
    start: int | None = None,
    variance: LogVariance = posterior_log_variance,
    clamp: float | None = None,
) -> Tensor:
    """Draw x_{t-1} from p(x_{t-1} | x_t) for t = start..1; the last step adds no noise. Equation:
    eq-ancestral.

    Args:
        model: the diffusion model.
        x_start: sample at t = start, floats (batch, ...); standard normal draws if start is T.
        generator: of the noise, on the device of `x_start`.
        start: 1..T, T if None.
        variance: `posterior_log_variance`, `beta_log_variance` or `learned_log_variance` of `diffad.reverse`.
        clamp: as in `ddim`.

    Returns:
        x_0 in the shape of `x_start`. Source: Ho et al. 2020, algorithm 2.
    """
    return last(ancestral_trajectory(model, x_start, generator, start, variance, clamp)).x


@torch.no_grad()
def dpm_solver(
    model: "DiffusionModel",
    x_start: Tensor,
    num_steps: int,
    start: int | None = None,
    clamp: float | None = None,
) -> Tensor:
    """Denoise with DPM-Solver++ (second order, deterministic) by diffusers' scheduler, from the same network.

    Args:
        model: the diffusion model.
        x_start: sample at t = start, floats (batch, ...).
        num_steps: network evaluations, 1..start.
        start: 1..T, T if None.
        clamp: as in `ddim`.

    Returns:
        x_0 in the shape of `x_start`. Source: Lu et al. 2022, algorithm 2.
    """
    schedule, start = model.process.schedule, check_start(model.process, start)
    scheduler = DPMSolverMultistepScheduler(
        num_train_timesteps=model.num_steps,
        trained_betas=schedule.beta[1:].tolist(),
        prediction_type="sample",
        final_sigmas_type="zero",
        rescale_betas_zero_snr=bool(schedule.alpha_bar[-1] == 0),  # changes nothing but a logarithm of 0
    )
    # diffusers counts noise levels from 0, so its t is ours less 1.
    scheduler.set_timesteps(timesteps=[t - 1 for t in ddim_timesteps(start, num_steps)[:-1]])
    x = x_start
    for index in scheduler.timesteps:
        x0_hat = predict_x0(model, x, int(index) + 1, clamp)
        x = scheduler.step(x0_hat, index, x).prev_sample
    return x


@torch.no_grad()
def invert(model: "DiffusionModel", x_0: Tensor, timesteps: Sequence[int], refinements: int = 3) -> Tensor:
    """The noisy x from which `ddim` along the same times returns to x_0. Equation: eq-inversion.

    Each step solves for the x_t whose DDIM step gives the x below. The plain rule evaluates the network once,
    at the lower state as if it stood at t; each refinement repeats that with the x_t just found.

    Args:
        model: the diffusion model.
        x_0: data, floats (batch, ...).
        timesteps: falling integers that end at 0, as for `ddim`.
        refinements: further network evaluations a step, 0 or more.

    Returns:
        x at timesteps[0]. Source: Song, Meng & Ermon 2021, section 4.3; refinement as in Pan et al. 2023
        (AIDI).
    """
    process = model.process
    check_timesteps(process, timesteps)
    if refinements < 0:
        raise ValueError(f"refinements must be at least 0, came {refinements}")
    x = x_0
    rising = list(reversed(timesteps))
    for t_low, t in zip(rising[:-1], rising[1:], strict=True):
        keep = process.number("sqrt_alpha_bar", t) / process.number("sqrt_alpha_bar", t_low)
        spread_low = process.number("sqrt_one_minus_alpha_bar", t_low)
        add = process.number("sqrt_one_minus_alpha_bar", t) - keep * spread_low
        x_t = x
        for _ in range(1 + refinements):
            x_t = keep * x + add * model.predict(x_t, t, "eps")
        x = x_t
    return x


@torch.no_grad()
def langevin(
    model: "DiffusionModel", x: Tensor, t: int, step_size: float, num_steps: int, generator: torch.Generator
) -> Tensor:
    """Walk x + step_size * score + sqrt(2 step_size) z, whose long-run distribution is q(x_t). Equation:
    eq-langevin.

    The score is ADDED: it points towards higher density.

    Args:
        x: starting points, floats (batch, ...).
        t: the noise level whose score is followed, 1..T.
        step_size: positive; far below the smallest variance of q(x_t).
        num_steps: steps, at least 1.
        generator: of the noise, on the device of `x`.

    Returns:
        the points reached. Source: Song & Ermon 2019, eq. 4, with their epsilon / 2 as `step_size`.
    """
    if step_size <= 0 or num_steps < 1:
        raise ValueError(
            f"step_size must be positive and num_steps at least 1, came {step_size} and {num_steps}"
        )
    for _ in range(num_steps):
        x = x + step_size * model.predict(x, t, "score") + (2 * step_size) ** 0.5 * draw_like(x, generator)
    return x


def predict_x0(model: "DiffusionModel", x_t: Tensor, t: int, clamp: float | None) -> Tensor:
    """The clean-data estimate, held within [-clamp, clamp] unless that is None."""
    x0_hat = model.predict(x_t, t, "x0")
    return x0_hat if clamp is None else x0_hat.clamp(-clamp, clamp)


def draw_like(x: Tensor, generator: torch.Generator) -> Tensor:
    """Standard normal draws in the shape, dtype and device of x."""
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def last(states: Iterator[State]) -> State:
    """The final state of a trajectory."""
    return deque(states, maxlen=1)[0]


def check_start(process: ForwardProcess, start: int | None) -> int:
    """The time to start from: T if None, else refused outside 1..T."""
    if start is None:
        return process.num_steps
    if not 1 <= start <= process.num_steps:
        raise ValueError(f"start must lie in 1..{process.num_steps}, came {start}")
    return start


def check_timesteps(process: ForwardProcess, timesteps: Sequence[int]) -> None:
    """Refuse times that do not fall strictly from at most T to exactly 0."""
    falling = all(a > b for a, b in zip(timesteps[:-1], timesteps[1:], strict=True))
    if len(timesteps) < 2 or not falling or timesteps[-1] != 0 or timesteps[0] > process.num_steps:
        shown = list(timesteps) if len(timesteps) <= 6 else [*timesteps[:3], "...", *timesteps[-2:]]
        raise ValueError(f"timesteps must fall strictly from at most {process.num_steps} to 0, came {shown}")


def check_eta(eta: float, generator: torch.Generator | None) -> None:
    """Refuse an eta below 0, and one above 0 without a generator."""
    if eta < 0:
        raise ValueError(f"eta must be at least 0, came {eta}")
    if eta > 0 and generator is None:
        raise ValueError("generator must be given when eta > 0, came None")
