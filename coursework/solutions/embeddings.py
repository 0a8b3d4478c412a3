"""Solutions to the exercises of the chapter on embeddings and tables; their examples are run by the tests."""

import numpy as np


def widening(correlation: float, embeddings: int = 2) -> float:
    """How much wider an interval is than for as many unrelated files, where files of the same images go together.

    >>> [round(widening(correlation), 2) for correlation in (0.0, 0.5, 1.0)]
    [1.0, 1.22, 1.41]
    >>> round(widening(1.0, embeddings=5), 2)  # five times the same file: the square root of five
    2.24
    """
    # The variance of a mean of m values of variance 1 and this correlation is (1 + (m - 1) correlation) / m.
    return float(np.sqrt(1 + (embeddings - 1) * correlation))


def tally(differences: np.ndarray, quantile: float) -> tuple[int, int, int]:
    """On how many files one method wins, ties and loses against another.

    Args:
        differences: of their AUROCs, (files, splits), at least two splits; above 0 where the first one is better.
        quantile: of Student's distribution: a file's interval is its mean plus or minus the quantile times the
            standard error of the mean.

    Returns:
        Files whose interval lies above 0, holds 0, lies below 0.
    """
    mean = differences.mean(axis=1)
    reach = quantile * differences.std(axis=1, ddof=1) / np.sqrt(differences.shape[1])
    won, lost = int((mean - reach > 0).sum()), int((mean + reach < 0).sum())
    return won, len(differences) - won - lost, lost


def optimism_of_the_best(num_variants: int, correlation: float, seed: int = 0) -> float:
    """How far the best of equally good variants lies above their common worth, on the test set that picked it.

    In standard deviations of one variant's result; `correlation` is that of two variants' results.

    >>> [round(optimism_of_the_best(number, 0.0), 1) for number in (1, 10, 250)]
    [0.0, 1.5, 2.8]
    >>> round(optimism_of_the_best(250, 0.9), 1)  # variants that are nearly the same leave less to choose from
    0.9
    """
    rng = np.random.default_rng(seed)
    shared, own = rng.standard_normal((4000, 1)), rng.standard_normal((4000, num_variants))
    results = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    return abs(float(results.max(axis=1).mean()))
