"""Solutions to the exercises of the chapter on the forward process; their examples are run by the tests."""

import numpy as np


def first_noisy_step(beta: float) -> int:
    """The first t at which noise has the upper hand, SNR(t) < 1, where every step has the same beta.

    >>> first_noisy_step(0.02)
    35
    >>> first_noisy_step(0.01)
    69
    """
    # SNR < 1 means alpha_bar < 1/2, and alpha_bar is (1 - beta)^t.
    return int(np.floor(np.log(0.5) / np.log(1 - beta))) + 1


def sample_forward(x_0: np.ndarray, t: int, noise: np.ndarray, beta: np.ndarray) -> np.ndarray:
    """Draw x_t from q(x_t | x_0) in one go.

    Args:
        x_0: clean data, of any shape.
        t: the time, 0..T; x_0 itself at t = 0.
        noise: epsilon, standard normal, of x_0's shape.
        beta: beta_1, ..., beta_T, so `beta[0]` is that of the first step.

    Returns:
        x_t, of x_0's shape.
    """
    alpha_bar = np.prod(1 - beta[:t])
    return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


def variance_after(num_steps: int, beta: float, shrink: bool, seed: int = 0) -> float:
    """The variance of 20,000 values after many steps, from variance 1, with and without shrinking.

    >>> round(variance_after(300, 0.01, shrink=True), 1)
    1.0
    >>> round(variance_after(300, 0.01, shrink=False), 1)  # 1 + 300 * 0.01
    4.0
    """
    rng = np.random.default_rng(seed)
    x = rng.standard_normal(20_000)
    for _ in range(num_steps):
        kept = np.sqrt(1 - beta) if shrink else 1.0
        x = kept * x + np.sqrt(beta) * rng.standard_normal(len(x))
    return float(x.var())
