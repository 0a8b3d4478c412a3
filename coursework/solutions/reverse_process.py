"""Solutions to the exercises of the chapter on the reverse process; their examples are run by the tests."""

import numpy as np


def gaussian_kl(
    mean_1: np.ndarray, variance_1: np.ndarray, mean_2: np.ndarray, variance_2: np.ndarray
) -> np.ndarray:
    """KL(N(mean_1, variance_1) || N(mean_2, variance_2)) in nats, for each element.

    Args:
        mean_1, variance_1: of the first Gaussian, the one over which the expectation is taken.
        mean_2, variance_2: of the second one; variances are positive.
    """
    ratio = variance_1 / variance_2
    return 0.5 * (ratio - 1 - np.log(ratio) + (mean_1 - mean_2) ** 2 / variance_2)


def noise_error(x_0_error: float, alpha_bar: float) -> float:
    """The squared error of the noise that goes with a squared error of x_0: SNR times it.

    >>> round(noise_error(0.01, alpha_bar=0.9), 6)  # little noise: a small error of x_0 is a large one of the noise
    0.09
    >>> round(noise_error(0.01, alpha_bar=0.1), 6)
    0.001111
    """
    # eps_hat - eps = sqrt(alpha_bar / (1 - alpha_bar)) (x_0 - x_hat), from the marginal solved for the noise.
    return alpha_bar / (1 - alpha_bar) * x_0_error


def variance_ratio(t: int, num_steps: int = 1000) -> float:
    """The posterior's variance over beta_t, under the linear schedule of Ho et al.: the two usual choices.

    >>> [round(variance_ratio(t), 2) for t in (1, 2, 10, 100, 1000)]
    [0.0, 0.45, 0.85, 0.98, 1.0]
    """
    beta = np.linspace(1e-4, 0.02, num_steps)
    alpha_bar = np.cumprod(1 - beta)
    before = alpha_bar[t - 2] if t > 1 else 1.0
    return float((1 - before) / (1 - alpha_bar[t - 1]))
