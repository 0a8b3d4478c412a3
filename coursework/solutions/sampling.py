"""Solutions to the exercises of the chapter on sampling; their examples are run by the tests."""

from collections.abc import Sequence

import numpy as np


def ddim_step(x_t: np.ndarray, noise: np.ndarray, t: int, s: int, alpha_bar: np.ndarray) -> np.ndarray:
    """One step of DDIM without fresh noise, from time t to time s.

    Args:
        x_t: the state at time t, of any shape.
        noise: the network's estimate of the noise in x_t, of its shape.
        t, s: times in 0..T; s < t on the way to an image, s > t on the way back to noise.
        alpha_bar: T + 1 entries; `alpha_bar[0]` is 1.

    Returns:
        The state at time s.
    """
    x_0 = (x_t - np.sqrt(1 - alpha_bar[t]) * noise) / np.sqrt(alpha_bar[t])
    return np.sqrt(alpha_bar[s]) * x_0 + np.sqrt(1 - alpha_bar[s]) * noise


def there_and_back(num_steps: int, spread: float = 0.5) -> float:
    """How far off a point is after DDIM all the way to noise and back, with the best denoiser of N(0, spread^2).

    >>> few, more, many = (there_and_back(steps) for steps in (5, 50, 500))
    >>> bool(few > 2 * more > 4 * many)
    True
    """
    times = np.linspace(0, 1000, num_steps + 1).astype(int)
    alpha_bar = np.cos(np.linspace(0, 0.98, 1001) * np.pi / 2) ** 2

    def noise(x: float, t: int) -> float:
        # E[eps | x_t] for Gaussian data.
        variance = alpha_bar[t] * spread**2 + 1 - alpha_bar[t]
        return np.sqrt(1 - alpha_bar[t]) * x / variance

    def walk(x: float, path: Sequence[int]) -> float:
        for t, s in zip(path[:-1], path[1:], strict=True):
            x = ddim_step(x, noise(x, t), t, s, alpha_bar)
        return x

    return abs(walk(walk(1.0, times), times[::-1]) - 1.0)


def evaluations(num_images: int, start: int, stride: int, draws: int = 1) -> int:
    """Network evaluations to reconstruct images from time `start`, `stride` steps at a time, with `draws` noises each.

    >>> evaluations(10_000, start=250, stride=1)  # step by step
    2500000
    >>> evaluations(10_000, start=250, stride=25)
    100000
    >>> evaluations(10_000, start=250, stride=250, draws=10)  # the same cost, spent on ten single looks
    100000
    """
    return num_images * draws * -(-start // stride)
