"""Training losses: the squared error of a prediction, and how the noise levels are weighted.

    eq-l-simple      `l_simple`, the error of the predicted noise
    eq-x0-loss       `x0_loss`, the error of the predicted clean data
    eq-v-loss        `v_loss`, the error of the predicted velocity
    eq-weighted      `weighted_loss`, any of these with a weight that is a function of the SNR
    eq-l-hybrid      `l_hybrid`, L_simple plus a little of the bound, which teaches the variance

The three errors are the same error in other units, ||eps||^2 = SNR ||x0||^2 and ||v||^2 = (1 + SNR) ||x0||^2
(eq-loss-units), so a weighting is written once, as the weight of the x0 error, and applied to whatever the
network predicts.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffad.objectives.bound import Likelihood, discretised_log_likelihood, step_term
from diffad.process import check_same_shape, widen
from diffad.reverse import learned_log_variance

if TYPE_CHECKING:
    from diffad.model import DiffusionModel
    from diffad.networks.conditioning import Condition


def l_simple(
    model: "DiffusionModel",
    x_0: Tensor,
    t: int | Tensor,
    noise: Tensor,
    condition: "Condition | None" = None,
) -> Tensor:
    """Mean squared error of the predicted noise. Equation: eq-l-simple.

    Args:
        model: the diffusion model; whatever its network predicts is turned into noise.
        x_0: clean data, floats (batch, ...).
        t: 1..T, int or (batch,).
        noise: standard normal draws in the shape of `x_0`.
        condition: what the network is told of each sample, if it takes conditions.

    Returns:
        loss of each sample (batch,), the mean over its dimensions. Source: Ho et al. 2020, eq. 14.
    """
    x_t = model.process.sample(x_0, t, noise)
    told = {} if condition is None else {"condition": condition}
    return mean_squared_error(model.predict(x_t, t, "eps", **told), noise)


def x0_loss(model: "DiffusionModel", x_0: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the predicted clean data, (batch,). Equation: eq-x0-loss.

    Arguments as in `l_simple`.
    """
    x_t = model.process.sample(x_0, t, noise)
    return mean_squared_error(model.predict(x_t, t, "x0"), x_0)


def v_loss(model: "DiffusionModel", x_0: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
    """Mean squared error of the predicted velocity v = sqrt(alpha_bar) eps - sqrt(1 - alpha_bar) x_0,
    (batch,).

    Equation: eq-v-loss. Arguments as in `l_simple`. Source: Salimans & Ho 2022, section 4.
    """
    x_t = model.process.sample(x_0, t, noise)
    return mean_squared_error(model.predict(x_t, t, "v"), velocity(model, x_0, t, noise))


def velocity(model: "DiffusionModel", x_0: Tensor, t: int | Tensor, noise: Tensor) -> Tensor:
    """v = sqrt(alpha_bar_t) noise - sqrt(1 - alpha_bar_t) x_0, like `x_0`. Salimans & Ho 2022, section 4."""
    signal = model.process.coefficient("sqrt_alpha_bar", t, x_0)
    spread = model.process.coefficient("sqrt_one_minus_alpha_bar", t, x_0)
    return (signal * widen(noise) - spread * widen(x_0)).to(x_0.dtype)


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """Mean squared difference over all but the first dimension; (batch, ...) -> (batch,), float32 or more."""
    check_same_shape(target=target, prediction=prediction)
    return (widen(prediction) - widen(target)).square().flatten(1).mean(1)


def simple_weight(snr: Tensor) -> Tensor:
    """L_simple: every eps error counts the same, so an x0 error counts SNR. Ho et al. 2020, section 3.4."""
    return snr


def snr_plus_one_weight(snr: Tensor) -> Tensor:
    """Every v error counts the same, so an x0 error counts 1 + SNR. Salimans & Ho 2022, section 4."""
    return 1 + snr


def min_snr_weight(snr: Tensor, ceiling: float = 5.0) -> Tensor:
    """min(SNR, ceiling): nearly clean levels no longer drown the others. Hang et al. 2023."""
    return snr.clamp(max=ceiling)


def p2_weight(snr: Tensor, offset: float = 1.0, power: float = 1.0) -> Tensor:
    """SNR / (offset + SNR)^power: less weight on imperceptible detail. Choi et al. 2022."""
    return snr / (offset + snr) ** power


def truncated_snr_weight(snr: Tensor) -> Tensor:
    """max(SNR, 1): an x0 error counts at least 1, even in pure noise. Salimans & Ho 2022, section 4."""
    return snr.clamp(min=1)


WEIGHTINGS: dict[str, Callable[[Tensor], Tensor]] = {
    "simple": simple_weight,
    "snr_plus_one": snr_plus_one_weight,
    "min_snr": min_snr_weight,
    "p2": p2_weight,
    "truncated_snr": truncated_snr_weight,
}


def weighted_loss(
    model: "DiffusionModel",
    x_0: Tensor,
    t: int | Tensor,
    noise: Tensor,
    weighting: Callable[[Tensor], Tensor],
) -> Tensor:
    """Squared error of what the network predicts, times weighting(SNR_t) in the units of an x0 error.

    Equations: eq-weighted, eq-loss-units. Measured on the network's own prediction, so that no weight is the
    product of a huge and a tiny number.

    Args:
        weighting: weight of the x0 error as a function of the SNR, a value of `WEIGHTINGS` or your own.

    Returns:
        loss of each sample (batch,). Other arguments as in `l_simple`.
    """
    process = model.process
    x_t = process.sample(x_0, t, noise)
    target = TARGETS[model.parameterisation](model, x_0, t, noise)
    error = mean_squared_error(model.predict(x_t, t, model.parameterisation), target)
    snr = process.coefficient("snr", t, x_0).flatten()
    return error * weighting(snr) / ERROR_UNITS[model.parameterisation](snr)


TARGETS: dict[str, Callable[..., Tensor]] = {
    "x0": lambda model, x_0, t, noise: x_0,
    "eps": lambda model, x_0, t, noise: noise,
    "v": velocity,
}

# How large a squared error is in each unit when the squared x0 error is 1.
ERROR_UNITS: dict[str, Callable[[Tensor], Tensor]] = {
    "x0": torch.ones_like,
    "eps": lambda snr: snr,
    "v": lambda snr: 1 + snr,
}


def l_hybrid(
    model: "DiffusionModel",
    x_0: Tensor,
    t: int | Tensor,
    noise: Tensor,
    bound_share: float = 0.001,
    likelihood: Likelihood = discretised_log_likelihood,
) -> Tensor:
    """L_simple plus `bound_share` times the bound in nats per dimension, which trains the learned variance.

    The bound's gradient is stopped at the mean, so that it teaches the variance only. One term, drawn at t,
    times T stands for the sum of all terms. Equation: eq-l-hybrid.

    Args:
        model: a model with learned variance.
        bound_share: lambda of the paper.
        likelihood: how L_0 measures x_0, see `diffad.objectives.bound`.

    Returns:
        loss of each sample (batch,). Source: Nichol & Dhariwal 2021, eq. 16 and section 3.1.

    Raises:
        ValueError: if the model has no learned variance.
    """
    if not model.learned_variance:
        raise ValueError("model must have learned_variance=True for the hybrid loss, came one without")
    process = model.process
    x_t = process.sample(x_0, t, noise)
    prediction, fraction = model.predict_with_variance(x_t, t, "eps")
    x0_hat = process.convert(prediction.detach(), x_t, t, "eps", "x0")
    log_variance = learned_log_variance(process, t, x_t, fraction)
    bound = step_term(process, x_0, x_t, t, x0_hat, log_variance, likelihood) / x_0[0].numel()
    return mean_squared_error(prediction, noise) + bound_share * process.num_steps * bound
