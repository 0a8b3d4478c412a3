"""Solutions to the exercises of the chapter on what detection costs; their examples are run by the tests."""

import numpy as np


def local_exponent(numbers: float) -> float:
    """The slope on logarithmic axes of a constant plus a linear cost, where `numbers` is 1 if both are equal.

    >>> [round(local_exponent(numbers), 2) for numbers in (0.1, 1, 19)]
    [0.09, 0.5, 0.95]
    """
    # d log(c + a n) / d log n = a n / (c + a n), in units of n where a n = c.
    return numbers / (1 + numbers)


def growth_exponent(numbers: np.ndarray, costs: np.ndarray) -> float:
    """The exponent b of a power law cost = a n^b, by least squares in the logarithms of the larger half of the sizes.

    Args:
        numbers: sizes n in rising order, (k,), positive, k >= 3.
        costs: one for each, (k,), positive.

    Returns:
        The slope; of an odd number of sizes the one in the middle belongs to the larger half.
    """
    larger = slice(len(numbers) // 2, None)
    slope, _ = np.polyfit(np.log(numbers[larger]), np.log(costs[larger]), deg=1)
    return float(slope)


def images_to_break_even(
    rows: int, training: float = 150.0, evaluation: float = 0.003, distance: float = 3e-6
) -> float:
    """After how many scored images a network has cost less than comparing each with all rows. Costs in seconds.

    >>> [images_to_break_even(rows) for rows in (500, 1000)]  # an image costs the network as much, or more: never
    [inf, inf]
    >>> [round(images_to_break_even(rows)) for rows in (2000, 10_000, 100_000)]
    [50000, 5556, 505]
    >>> images_to_break_even(10_000, evaluation=10 * 0.003)  # ten evaluations an image
    inf
    """
    saved = rows * distance - evaluation  # by the network, on each image
    return training / saved if saved > 1e-12 else np.inf
