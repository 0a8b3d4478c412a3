"""How much of a result's variance each setting accounts for, from a design of runs and a forest fitted to them.

    total share   (error of the forest with the setting shuffled - error without) / (2 variance)      eq. 1

For a forest that predicts perfectly this is Sobol's total index: the share of the variance that would be gone if the setting
were known, its interactions included. All errors are on runs that the forest was not fitted on: each replicate draws runs
with replacement, and those left out are the test. Percentiles over replicates make the interval, which therefore
covers that other runs might have been made. A made-up setting of random numbers, new in every replicate, shows what
chance alone looks like.

Sources: Breiman 2001 (random forests, permutation), Homma & Saltelli 1996 (the total index), Hutter et al. 2014
(importance of hyper-parameters).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from diffad.bootstrap import Interval, percentile_interval

MADE_UP = "random numbers (control)"
TOLD, WITH_CAUTION, NOTHING = "told", "with caution", "nothing"


@dataclass(frozen=True)
class Importance:
    """Total share of each setting, and how well the forest predicts runs that it has not seen.

    Attributes:
        shares: setting -> interval; `MADE_UP` is the setting of random numbers.
        r_squared: of the predictions of left-out runs; 1 is perfect, 0 no better than their mean.
    """

    shares: dict[str, Interval]
    r_squared: Interval

    def ranked(self) -> list[str]:
        """Settings by their share, the largest first."""
        return sorted(self.shares, key=lambda name: -self.shares[name].estimate)

    def strongest(self) -> str:
        """The setting with the largest share, the control left out."""
        return next(name for name in self.ranked() if name != MADE_UP)

    def trust(self) -> str:
        """How far the shares may be believed, by what the forest explains of runs that it has not seen.

        NOTHING where that is less than the largest share alone: what cannot be predicted cannot be attributed.
        WITH_CAUTION where its interval reaches down to 0, so that it may be nothing. TOLD otherwise.
        """
        if self.r_squared.estimate < self.shares[self.strongest()].estimate:
            return NOTHING
        return TOLD if self.r_squared.low > 0 else WITH_CAUTION


def total_shares(
    features: pd.DataFrame,
    response: Sequence[float],
    runs: Sequence | None = None,
    tested: Sequence[bool] | None = None,
    num_replicates: int = 200,
    num_shuffles: int = 5,
    confidence: float = 0.95,
    seed: int = 0,
) -> Importance:
    """Fit forests to a design and say what each column of `features` accounts for.

    Args:
        features: numbers, a row an observation and a column a setting; a setting without an order has a column
            "SETTING=VALUE" of 0 and 1 for each value, and these are shuffled together.
        response: (n,) finite numbers.
        runs: (n,), which run each row comes from; rows of one run are drawn together. Each row its own if None.
        tested: (n,), rows on which errors may be measured, those of the design; others are always fitted on. All if None.
        num_replicates: bootstrap replicates, each with a forest of its own.
        num_shuffles: of each setting in each replicate.
        confidence: of the intervals.
        seed: of all draws.

    Raises:
        ValueError: fewer than eight runs that may be tested, shapes that do not fit, or a response that is constant
            or not finite.
    """
    response = np.asarray(response, float)
    runs = np.arange(len(response)) if runs is None else np.asarray(runs)
    tested = np.ones(len(response), bool) if tested is None else np.asarray(tested, bool)
    _check(features, response, runs, tested)
    generator = np.random.default_rng(seed)
    candidates, variance = np.unique(runs[tested]), response[tested].var()
    shares, fits = [], []
    for _ in range(num_replicates):
        drawn = generator.choice(candidates, len(candidates))
        left_out = tested & ~np.isin(runs, drawn)
        fitted = np.concatenate([np.flatnonzero(~tested), *(np.flatnonzero(runs == run) for run in drawn)])
        x = features.assign(**{MADE_UP: generator.normal(size=len(features))})
        forest = RandomForestRegressor(60, min_samples_leaf=2, random_state=int(generator.integers(2**31)))
        forest.fit(x.to_numpy()[fitted], response[fitted])
        columns = list(setting_columns(x.columns).values())
        share, fit = _shares_on(
            forest, x.to_numpy()[left_out], response[left_out], columns, variance, num_shuffles, generator
        )
        shares.append(share)
        fits.append(fit)
    table, fits = np.array(shares), np.array(fits)  # (replicates, settings), (replicates,)
    names = list(setting_columns([*features.columns, MADE_UP]))
    intervals = {
        name: percentile_interval(column.mean(), column, confidence)
        for name, column in zip(names, table.T, strict=True)
    }
    return Importance(intervals, percentile_interval(fits.mean(), fits, confidence))


def setting_columns(names: Sequence[str]) -> dict[str, list[int]]:
    """Setting -> its columns: a column of its own name, or several "SETTING=VALUE" of a setting without an order."""
    found: dict[str, list[int]] = {}
    for number, name in enumerate(names):
        found.setdefault(name.split("=")[0], []).append(number)
    return found


def _shares_on(
    forest,
    x: np.ndarray,
    y: np.ndarray,
    columns: Sequence[list[int]],
    variance: float,
    num_shuffles: int,
    generator,
) -> tuple[np.ndarray, float]:
    """Equation 1 for each setting of x (n, columns), and R squared, on rows that the forest has not seen.

    variance: of the response over the whole design, as that of a few left-out rows is uncertain itself.
    """
    count, width, number = len(x), x.shape[1], len(columns)
    error = np.square(forest.predict(x) - y).mean()
    shuffled = np.repeat(x[None, None], num_shuffles, 0).repeat(number, 1)  # (shuffles, settings, n, columns)
    for shuffle in range(num_shuffles):
        for setting, its in enumerate(columns):
            shuffled[shuffle, setting][:, its] = x[generator.permutation(count)][:, its]
    predicted = forest.predict(shuffled.reshape(-1, width)).reshape(num_shuffles, number, count)
    errors = np.square(predicted - y).mean(axis=(0, 2))
    return (errors - error) / (2 * variance), float(1 - error / variance)


def _check(features: pd.DataFrame, response: np.ndarray, runs: np.ndarray, tested: np.ndarray) -> None:
    lengths = {len(features), len(response), len(runs), len(tested)}
    if len(lengths) > 1:
        raise ValueError(
            f"features, response, runs, tested: got lengths {sorted(lengths)}, expected one length"
        )
    if MADE_UP in features.columns:
        raise ValueError(f"features: got a column {MADE_UP!r}, which names the setting of random numbers")
    if not np.isfinite(response).all() or response[tested].min() == response[tested].max():
        raise ValueError(
            "response: got numbers that are not finite or all the same, expected finite ones that differ"
        )
    if (count := len(np.unique(runs[tested]))) < 8:
        raise ValueError(f"runs: got {count} that may be tested, expected at least 8")
