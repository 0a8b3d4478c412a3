"""Solutions to the exercises of the chapter on the number of steps; their examples are run by the tests."""

import numpy as np


def least_noise(num_steps: int) -> float:
    """The standard deviation, in grey levels, of the least noise that a network trained with so many steps has seen.

    Under the plain cosine schedule, alpha_bar = cos(pi t / 2T)^2; grey levels are 255 on the way from -1 to 1.

    >>> [round(least_noise(num_steps), 2) for num_steps in (20, 100, 1000, 4000)]
    [10.03, 2.0, 0.2, 0.05]
    """
    # x_1 over sqrt(alpha_bar_1) is the image plus noise of this standard deviation.
    return float(127.5 * np.tan(np.pi / (2 * num_steps)))


def psnr(images: np.ndarray, rebuilt: np.ndarray) -> np.ndarray:
    """The peak signal-to-noise ratio of each rebuilt image, in dB.

    Args:
        images, rebuilt: of equal shape, (n, ...), with values from -1 to 1, so that the largest difference is 2.

    Returns:
        (n,): 10 times the decimal logarithm of the square of the largest difference over the mean squared error.
    """
    squared = ((images - rebuilt) ** 2).reshape(len(images), -1)
    return 10 * np.log10(4 / squared.mean(axis=1))


def error_and_size(num_steps: int, seed: int = 0) -> tuple[float, float]:
    """Squared error and mean size of pixels -1 and 1, rebuilt from half noise by the exact denoiser in so many steps.

    >>> (error_1, size_1), (error_5, size_5), (error_50, size_50) = (error_and_size(steps) for steps in (1, 5, 50))
    >>> size_1 < size_5 < size_50 and size_50 > 0.95  # sharper: nearly every pixel is -1 or 1 again
    True
    >>> error_1 < min(error_5, error_50)  # and further off
    True
    >>> error_50 < 2 * error_1  # but not as far as a draw from what is possible
    True
    """
    rng = np.random.default_rng(seed)
    x_0 = rng.choice([-1.0, 1.0], 20_000)
    alpha_bar = np.cos(np.pi / 2 * np.linspace(0.5, 0, num_steps + 1)) ** 2
    x = np.sqrt(alpha_bar[0]) * x_0 + np.sqrt(1 - alpha_bar[0]) * rng.standard_normal(len(x_0))
    for now, then in zip(alpha_bar[:-1], alpha_bar[1:], strict=True):
        guess = np.tanh(np.sqrt(now) * x / (1 - now))  # E[x_0 | x_t]
        noise = (x - np.sqrt(now) * guess) / np.sqrt(1 - now)
        x = np.sqrt(then) * guess + np.sqrt(1 - then) * noise
    return float(((x - x_0) ** 2).mean()), float(np.abs(x).mean())
