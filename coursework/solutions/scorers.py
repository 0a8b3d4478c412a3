"""Solutions to the exercises of the chapter from denoiser to detector; their examples are run by the tests."""

import numpy as np


def two_sided_score(normal_errors: np.ndarray, errors: np.ndarray) -> np.ndarray:
    """The largest |z| over noise levels of the logarithm of the errors.

    Args:
        normal_errors: errors of held-out normal images, (n, levels), positive, n >= 2.
        errors: errors of the images to be scored, (m, levels), positive.

    Returns:
        (m,), higher = more anomalous. The standard deviation is that of a sample (ddof=1).
    """
    logs = np.log(normal_errors)
    z = (np.log(errors) - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)
    return np.abs(z).max(axis=1)


def fewest_held_out(false_positive_rate: float) -> int:
    """How many held-out normals it takes before the smallest p-value, 1 / (n + 1), is within the rate.

    >>> fewest_held_out(0.05), fewest_held_out(0.01), fewest_held_out(0.001)
    (19, 99, 999)
    """
    return int(np.ceil(1 / false_positive_rate - 1e-9)) - 1


def spread_of_difference(shared: bool, num_trials: int = 2000, seed: int = 0) -> float:
    """How much the difference of two images' errors varies over noises, with shared and with separate noise.

    The "network" is the best denoiser of N(0, 1), and the two images are nearly the same.

    >>> spread_of_difference(shared=True) < spread_of_difference(shared=False) / 10
    True
    """
    rng = np.random.default_rng(seed)
    alpha_bar, one = 0.5, rng.standard_normal(64)
    two = one + 0.05 * rng.standard_normal(64)

    def error(x_0: np.ndarray, noise: np.ndarray) -> float:
        x_t = np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise
        return np.mean((x_0 - np.sqrt(alpha_bar) * x_t) ** 2)

    differences = []
    for _ in range(num_trials):
        noise = rng.standard_normal(64)
        other = noise if shared else rng.standard_normal(64)
        differences.append(error(one, noise) - error(two, other))
    return float(np.std(differences))
