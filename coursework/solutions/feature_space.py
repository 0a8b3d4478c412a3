"""Solutions to the exercises of the chapter on feature space; their examples are run by the tests."""

import numpy as np


def mahalanobis_squared(train: np.ndarray, rows: np.ndarray, shrinkage: float) -> np.ndarray:
    """Squared Mahalanobis distances from the mean of the training rows.

    Args:
        train: normal rows, (n, features).
        rows: to be scored, (m, features).
        shrinkage: in [0, 1]: the covariance is (1 - shrinkage) S + shrinkage * mean(diag(S)) * I, with S the
            covariance of `train` with denominator n.

    Returns:
        (m,).
    """
    mean = train.mean(axis=0)
    covariance = np.atleast_2d(np.cov(train, rowvar=False, ddof=0))
    target = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    shrunk = (1 - shrinkage) * covariance + shrinkage * target
    centred = rows - mean
    return np.einsum("ij,ij->i", centred, np.linalg.solve(shrunk, centred.T).T)


def survives_rotation(prepare: str, seed: int = 0) -> bool:
    """Whether distances from the mean are the same after the features are rotated, in a space of that name.

    >>> [survives_rotation(space) for space in ("raw", "standardised", "whitened")]
    [True, False, True]
    """
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((200, 4)) @ np.diag([4.0, 2.0, 1.0, 0.5]) @ rng.standard_normal((4, 4))
    rotation = np.linalg.qr(rng.standard_normal((4, 4)))[0]

    def distances(x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(axis=0)
        if prepare == "standardised":
            centred = centred / x.std(axis=0)
        if prepare == "whitened":
            return mahalanobis_squared(x, x, shrinkage=0.0)
        return (centred**2).sum(axis=1)

    return bool(np.allclose(distances(rows), distances(rows @ rotation)))
