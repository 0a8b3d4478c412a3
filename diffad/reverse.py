"""One step of the reverse process p(x_{t-1} | x_t): a Gaussian whose mean comes from the network.

    eq-reverse-step        mean: the posterior mean of q with the network's x0 in place of the unknown one
    eq-learned-variance    variance between the two extremes beta_t and the posterior variance

The objectives (which compare this step with q's) and the samplers (which draw from it) share these functions,
so that what is trained is what is sampled. A variance is a function `(process, t, like, fraction) -> log
variance`; pass one of the three here, or your own.

Sources: Ho et al. 2020, section 3.2; Nichol & Dhariwal 2021, section 3.1.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

from torch import Tensor

from diffad.process import ForwardProcess

if TYPE_CHECKING:
    from diffad.model import DiffusionModel

LogVariance = Callable[[ForwardProcess, int | Tensor, Tensor, Tensor | None], Tensor]


def beta_log_variance(
    process: ForwardProcess, t: int | Tensor, like: Tensor, fraction: Tensor | None
) -> Tensor:
    """log(beta_t): the right variance if the data were N(0, I). Ho et al. 2020, section 3.2."""
    return process.coefficient("beta", t, like).log()


def posterior_log_variance(
    process: ForwardProcess, t: int | Tensor, like: Tensor, fraction: Tensor | None
) -> Tensor:
    """Log of q's posterior variance: right if the data were one point. Ho et al. 2020, section 3.2.

    At t = 1 that variance is 0 and its logarithm useless; as in Nichol & Dhariwal 2021 the value at t = 2
    stands in.
    """
    return process.coefficient("posterior_log_variance_clipped", t, like)


def learned_log_variance(
    process: ForwardProcess, t: int | Tensor, like: Tensor, fraction: Tensor | None
) -> Tensor:
    """Between the two extremes, where the network says. Equation: eq-learned-variance.

    Args:
        fraction: floats in the shape of `like`; 0 is the posterior variance, 1 is beta_t.

    Raises:
        ValueError: if `fraction` is None: the model has no learned variance.

    Source: Nichol & Dhariwal 2021, eq. 15.
    """
    if fraction is None:
        raise ValueError("variance 'learned' needs a model with learned_variance=True, came one without")
    low, high = posterior_log_variance(process, t, like, None), beta_log_variance(process, t, like, None)
    return fraction * high + (1 - fraction) * low


def reverse_step(
    model: "DiffusionModel",
    x_t: Tensor,
    t: int | Tensor,
    variance: LogVariance = posterior_log_variance,
    clamp: float | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and log variance of p(x_{t-1} | x_t), and the x0 estimate behind them. Equation: eq-reverse-step.

    Args:
        model: predicts x0 from (x_t, t).
        x_t: floats (batch, ...).
        t: 1..T.
        variance: one of the functions of this module.
        clamp: bound on the x0 estimate's absolute value, 1 for images; None leaves it alone.

    Returns:
        mean (batch, ...), log variance broadcastable to it, x0 estimate (batch, ...). Source: Ho et al. 2020,
        eq. 7.
    """
    if model.learned_variance:
        x0_hat, fraction = model.predict_with_variance(x_t, t, "x0")
    else:
        x0_hat, fraction = model.predict(x_t, t, "x0"), None
    if clamp is not None:
        x0_hat = x0_hat.clamp(-clamp, clamp)
    mean, _ = model.process.posterior(x0_hat, x_t, t)
    return mean, variance(model.process, t, x_t, fraction), x0_hat
