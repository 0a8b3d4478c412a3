"""Solutions to the exercises of the chapter on claims; their examples are run by the tests."""

import numpy as np


def chance_of_a_false_finding(num_findings: int) -> float:
    """How often at least one of so many independent 95 % intervals lies above 0 although all differences are 0.

    >>> [round(chance_of_a_false_finding(number), 2) for number in (1, 10, 28)]
    [0.03, 0.22, 0.51]
    """
    # An interval misses zero in one case of twenty, half of the time on this side.
    return 1 - 0.975**num_findings


def verdict(lows: np.ndarray, highs: np.ndarray, universal: bool) -> str:
    """What all findings say of a claim together.

    Args:
        lows, highs: ends of the findings' intervals, (n,), n >= 1. A finding supports the claim where its interval
            lies above 0, contradicts it where it lies below, and is undecided where it holds 0.
        universal: whether the claim is about every data set, so that one contradiction refutes it.

    Returns:
        "holds" where every finding supports it; "does not hold" where none supports it and at least one contradicts
        it, or where one contradicts a universal claim; "not testable here" where all are undecided; "holds in part"
        otherwise.
    """
    supports, contradicts = lows > 0, highs < 0
    if supports.all():
        return "holds"
    if contradicts.any() and (universal or not supports.any()):
        return "does not hold"
    return "holds in part" if supports.any() else "not testable here"


def held_although_true(num_data_sets: int, seed: int = 0) -> float:
    """How often a claim gets the verdict "holds" that is true of every data set, by two standard errors each.

    >>> [round(held_although_true(number), 1) for number in (1, 4, 10)]
    [0.5, 0.1, 0.0]
    """
    rng = np.random.default_rng(seed)
    estimates = 2 + rng.standard_normal((2000, num_data_sets))
    verdicts = [verdict(each - 1.96, each + 1.96, universal=True) for each in estimates]
    return float(np.mean([each == "holds" for each in verdicts]))
