"""Solutions to the exercises of the chapter on the data; their examples are run by the tests."""

import numpy as np


def standardise(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Give each feature mean 0 and standard deviation 1, without a look at what is tested.

    Args:
        train: normal rows, (n, features), n >= 2.
        test: rows to be scored, (m, features).

    Returns:
        Both, standardised. A feature that is constant in `train` is only centred.
    """
    mean, spread = train.mean(axis=0), train.std(axis=0)
    spread = np.where(spread == 0, 1.0, spread)
    return (train - mean) / spread, (test - mean) / spread


def leaked_share(num_rows: int, num_drawn: int = 1000, seed: int = 0) -> float:
    """The share of tested rows with a copy in training, where rows are drawn with replacement before the split.

    >>> for n in (100, 500, 2000):  # simulated, and the formula 1 - exp(-drawn / 2n)
    ...     print(n, round(leaked_share(n), 1), round(1 - np.exp(-500 / n), 1))
    100 1.0 1.0
    500 0.6 0.6
    2000 0.2 0.2
    """
    rng = np.random.default_rng(seed)
    shares = []
    for _ in range(20):
        drawn = rng.integers(num_rows, size=num_drawn)
        train, tested = drawn[: num_drawn // 2], drawn[num_drawn // 2 :]
        shares.append(np.isin(tested, train).mean())
    return float(np.mean(shares))
