"""Solutions to the exercises of the chapter on CIFAR-10; their examples are run by the tests."""

from math import comb

import numpy as np


def corrected_for_complexity(
    normal_errors: np.ndarray, normal_bits: np.ndarray, errors: np.ndarray, bits: np.ndarray
) -> np.ndarray:
    """How much larger the errors are than normal images of the same complexity have them.

    Args:
        normal_errors, normal_bits: of held-out normal images, (n,): errors, and bits that a compressor needs.
        errors, bits: of the images to be scored, (m,).

    Returns:
        (m,): the error less that of a straight line, fitted by least squares to the held-out normals.
    """
    slope, intercept = np.polyfit(normal_bits, normal_errors, deg=1)
    return errors - (intercept + slope * bits)


def sign_test(wins: int, tasks: int) -> float:
    """How often a fair coin gives so many wins or so many losses, or more: the two-sided p-value.

    >>> round(sign_test(8, 10), 2)  # eight of ten is not yet beyond chance
    0.11
    >>> round(sign_test(9, 10), 2)
    0.02
    """
    most = max(wins, tasks - wins)
    tail = sum(comb(tasks, k) for k in range(most, tasks + 1)) / 2**tasks
    return min(1.0, 2 * tail)
