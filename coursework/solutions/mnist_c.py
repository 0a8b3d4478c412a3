"""Solutions to the exercises of the chapter on MNIST-C; their examples are run by the tests."""

import numpy as np


def auroc(normal_scores: np.ndarray, anomaly_scores: np.ndarray) -> float:
    """The probability that a random anomaly scores above a random normal item; a tie counts one half.

    Args:
        normal_scores: (n,), n >= 1.
        anomaly_scores: (m,), m >= 1. Higher = more anomalous.
    """
    difference = anomaly_scores[:, None] - normal_scores[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def false_alarm_share(share_anomalous: float, false_positive_rate: float, true_positive_rate: float) -> float:
    """The share of alarms that are false.

    >>> round(false_alarm_share(0.5, 0.05, 0.9), 2)  # a test set of halves
    0.05
    >>> round(false_alarm_share(0.01, 0.05, 0.9), 2)  # the same detector where one item in a hundred is anomalous
    0.85
    """
    false = (1 - share_anomalous) * false_positive_rate
    true = share_anomalous * true_positive_rate
    return false / (false + true)


def one_and_two_sided(shift: float, seed: int = 0) -> tuple[float, float]:
    """AUROC in % of z and of |z| for anomalies whose z-scores are shifted by so much.

    >>> one, two = one_and_two_sided(+2.0)
    >>> one > 90 and 80 < two < one  # harder than normal: two-sided costs a little
    True
    >>> one, two = one_and_two_sided(-2.0)
    >>> one < 10 and two > 80  # easier than normal: one-sided is inverted
    True
    """
    rng = np.random.default_rng(seed)
    normal, anomalous = rng.standard_normal(2000), rng.standard_normal(2000) + shift
    return 100 * auroc(normal, anomalous), 100 * auroc(np.abs(normal), np.abs(anomalous))
