"""Solutions to the exercises of the chapter on how detectors fail; their examples are run by the tests."""

import numpy as np


def conformal_p_values(normal_scores: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """How often a normal item scores so high, counted among held-out normals and the item itself.

    Args:
        normal_scores: of held-out normal items, (n,).
        scores: of the items in question, (m,). Higher = more anomalous.

    Returns:
        (m,), in [1 / (n + 1), 1].
    """
    as_high = (normal_scores[None, :] >= scores[:, None]).sum(axis=1)
    return (1 + as_high) / (1 + len(normal_scores))


def normals_until_an_alarm(false_positive_rate: float) -> int:
    """How many normal images it takes until a false alarm is more likely than none.

    >>> normals_until_an_alarm(0.05), normals_until_an_alarm(0.01)
    (14, 69)
    """
    return int(np.ceil(np.log(0.5) / np.log(1 - false_positive_rate)))


def flagged_by_overfitted_line(gap: float, num_held_out: int = 20_000, seed: int = 0) -> float:
    """The share of new normals that a 5 % line flags which was drawn on training images.

    Training images score lower than new normals by `gap` standard deviations, as the network has seen them.

    >>> [round(flagged_by_overfitted_line(gap), 2) for gap in (0.0, 0.5, 1.0)]
    [0.05, 0.13, 0.26]
    """
    rng = np.random.default_rng(seed)
    training = rng.standard_normal(num_held_out) - gap
    new = rng.standard_normal(num_held_out)
    return float((new > np.quantile(training, 0.95)).mean())
