"""Faults found in published diffusion code, kept runnable beside the right function; nothing else uses them.

Each function is wrong on purpose, in the one way that its docstring names, and has the signature of the right
one. The chapter "Bugs in the wild" runs both and shows the damage; a test for each passes on the right
function and fails on the faulty one.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from diffad.process import ForwardProcess
from diffad.reverse import posterior_log_variance, reverse_step
from diffad.samplers import ddim, ddim_timesteps, draw_like

if TYPE_CHECKING:
    from diffad.model import DiffusionModel


def sample_off_by_one(process: ForwardProcess, x_0: Tensor, t: int, noise: Tensor) -> Tensor:
    """WRONG `ForwardProcess.sample`: reads alpha_bar at t - 1, as a 0-based table indexed with t = 1..T - 1
    shifts it.

    At t = 1 no noise is added at all, and at every other t the network is told a level that its input does
    not have.
    """
    signal = process.number("sqrt_alpha_bar", t - 1)
    spread = process.number("sqrt_one_minus_alpha_bar", t - 1)
    return signal * x_0 + spread * noise


@torch.no_grad()
def ancestral_with_last_noise(model: "DiffusionModel", x_start: Tensor, generator: torch.Generator) -> Tensor:
    """WRONG `diffad.samplers.ancestral`: draws noise in the last step too (t = 1), and leaves it on the
    sample.

    The variance beta_t, with which this fault was found, is not 0 at t = 1. Found in an annotated tutorial.
    """
    x = x_start
    for t in range(model.num_steps, 0, -1):
        mean, _, _ = reverse_step(model, x, t, posterior_log_variance)
        x = mean + model.process.number("sqrt_beta", t) * draw_like(x, generator)
    return x


def cross_entropy_of_softmax(logits: Tensor, target: Tensor) -> Tensor:
    """WRONG cross-entropy: a softmax before a loss that applies one itself. (batch, k), (batch,) -> mean
    loss.

    The second softmax sees numbers between 0 and 1, so the loss cannot fall below log(e + k - 1) - 1 and its
    gradient vanishes. Found in a published noise-level classifier.
    """
    return cross_entropy(logits.softmax(dim=1), target)


def lowest_loss_of_softmax(num_classes: int) -> float:
    """The floor of `cross_entropy_of_softmax`: its value for a certain and right answer, in nats.

    Equation: eq-softmax-floor.
    """
    return math.log(math.e + num_classes - 1) - 1


def tanh_log_likelihood(x: Tensor, mean: Tensor, log_variance: Tensor, num_levels: int = 256) -> Tensor:
    """WRONG `diffad.objectives.discretised_log_likelihood`: tanh in place of the CDF, and a floor of 1e-12.

    Equation: eq-tanh-cdf.

    The approximation of Page 1977 is good near the centre and bad in the tails; the floor then hides how bad
    by giving every unlikely value the same log(1e-12) = -27.6 nats. Found in the reference code and its
    descendants.
    """

    def approximate_cdf(z):
        return 0.5 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (z + 0.044715 * z**3)))

    half_bin, scale = 1 / (num_levels - 1), torch.exp(-0.5 * log_variance)
    upper, lower = (
        approximate_cdf((x + half_bin - mean) * scale),
        approximate_cdf((x - half_bin - mean) * scale),
    )
    first, last = x < -1 + half_bin, x > 1 - half_bin
    probability = torch.where(first, upper, torch.where(last, 1 - lower, upper - lower))
    return probability.clamp(min=1e-12).log()


@torch.no_grad()
def partial_diffusion_without_noise(
    model: "DiffusionModel",
    x_0: Tensor,
    start: int,
    num_steps: int,
    noise: Tensor,
    clamp: float | None = None,
) -> Tensor:
    """WRONG `diffad.samplers.partial_diffusion`: the reverse process starts at x_0 itself, the noising is
    left out.

    Found in a published benchmark's DDPM, where the line that adds noise is commented out.
    """
    return ddim(model, x_0, ddim_timesteps(start, num_steps), clamp=clamp)


@torch.no_grad()
def langevin_with_reversed_sign(
    model: "DiffusionModel", x: Tensor, t: int, step_size: float, num_steps: int, generator: torch.Generator
) -> Tensor:
    """WRONG `diffad.samplers.langevin`: the score is subtracted, as a survey prints it."""
    for _ in range(num_steps):
        x = x - step_size * model.predict(x, t, "score") + (2 * step_size) ** 0.5 * draw_like(x, generator)
    return x


class TableSendingProcess:
    """WRONG `ForwardProcess.sample`: keeps its tables as numpy arrays and sends both to the device at every
    call.

    The result is right, but every call waits for two copies. Found in the reference code and its descendants.
    """

    def __init__(self, process: ForwardProcess):
        schedule = process.schedule
        self.sqrt_alpha_bar: np.ndarray = schedule.alpha_bar.sqrt().numpy()
        self.sqrt_one_minus_alpha_bar: np.ndarray = schedule.one_minus_alpha_bar.sqrt().numpy()

    def sample(self, x_0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t of q(x_t | x_0); t int64 (batch,)."""
        return (
            self._extract(self.sqrt_alpha_bar, t, x_0) * x_0
            + self._extract(self.sqrt_one_minus_alpha_bar, t, x_0) * noise
        )

    def _extract(self, table: np.ndarray, t: Tensor, like: Tensor) -> Tensor:
        on_device = torch.from_numpy(table).to(device=t.device)
        return on_device[t].to(like.dtype).view(-1, *[1] * (like.ndim - 1))


EXHIBITS: dict[str, Callable] = {
    "off-by-one alpha_bar": sample_off_by_one,
    "noise at the last step": ancestral_with_last_noise,
    "softmax before cross-entropy": cross_entropy_of_softmax,
    "tanh for the CDF": tanh_log_likelihood,
    "reconstruction without noise": partial_diffusion_without_noise,
    "tables sent at every call": TableSendingProcess,
}
