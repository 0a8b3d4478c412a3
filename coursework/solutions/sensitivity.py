"""Solutions to the exercises of the chapter on settings; their examples are run by the tests."""

import numpy as np


def total_share(results: np.ndarray, setting: int) -> float:
    """The share of the variance that a setting has a part in, from results on a full grid: an axis for each setting.

    >>> one, two = np.array([[-1.0], [1.0]]), np.array([[-1.0, 1.0]])
    >>> [round(total_share(one + 2 * two, setting), 2) for setting in (0, 1)]
    [0.2, 0.8]
    >>> [round(total_share(one * two, setting), 2) for setting in (0, 1)]
    [1.0, 1.0]
    """
    # What is left to vary once all the other settings are fixed, on average.
    return float(results.var(axis=setting).mean() / results.var())


def permutation_share(
    predict, settings: np.ndarray, results: np.ndarray, column: int, order: np.ndarray
) -> float:
    """Half of the rise of the squared error when one setting is shuffled, as a share of the variance.

    Args:
        predict: a function that takes settings, (n, columns), and returns predicted results, (n,).
        settings: of trainings that the prediction has not seen, (n, columns). They are left as they are.
        results: of these trainings, (n,).
        column: the setting that is shuffled.
        order: a permutation of 0..n - 1: row i gets the setting of row order[i].
    """
    shuffled = settings.copy()
    shuffled[:, column] = settings[order, column]
    before = np.mean((results - predict(settings)) ** 2)
    after = np.mean((results - predict(shuffled)) ** 2)
    return float((after - before) / (2 * results.var()))


def winner_falls_back(share_of_seeds: float, num_trainings: int = 32, seed: int = 0) -> float:
    """How much worse the best of so many trainings does with another seed, in standard deviations over the design.

    `share_of_seeds` is the share of that variance which another seed alone would make.

    >>> [round(winner_falls_back(share), 1) for share in (0.0, 0.1, 0.3, 1.0)]
    [0.0, 0.2, 0.6, 2.1]
    """
    rng = np.random.default_rng(seed)
    worth = np.sqrt(1 - share_of_seeds) * rng.standard_normal((20_000, num_trainings))
    luck = np.sqrt(share_of_seeds) * rng.standard_normal(worth.shape)
    winners = (worth + luck).argmax(axis=1)
    return float(luck[np.arange(len(luck)), winners].mean())
