"""Several trainings of each of several settings: what differs beyond what another seed would change.

Two things are drawn at random behind a difference of two settings: the test images, and the seed that a network was
trained from. Intervals over images alone are too narrow for a statement about settings. Here both count: images are drawn by
the bootstrap, the same for all networks, and the spread over seeds, pooled over all settings, widens the interval by
Student's t.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from diffad.ablations import Cell
from diffad.bootstrap import Interval, percentile_interval
from diffad.evaluation import GroupResults, evaluate_groups


@dataclass(frozen=True)
class Spread:
    """How far trainings of one setting lie apart, pooled over settings.

    Attributes:
        deviation: standard deviation between trainings, in the unit of the values.
        degrees: of freedom, the number of trainings less that of settings.
    """

    deviation: float
    degrees: int

    def half_width(self, share: float, confidence: float = 0.95) -> float:
        """Half of the interval of a quantity whose variance is `share` times that of one training."""
        return float(student.ppf((1 + confidence) / 2, self.degrees) * self.deviation * share**0.5)


def pooled_spread(values: Mapping[str, Sequence[float]]) -> Spread:
    """The spread between trainings around their setting's mean. values: {setting: one number a training}.

    Raises:
        ValueError: no setting was trained twice.
    """
    degrees = sum(len(each) - 1 for each in values.values())
    if degrees < 1:
        counts = {name: len(each) for name, each in values.items()}
        raise ValueError(f"values: got trainings {counts}, expected a setting with at least two")
    squares = sum(np.square(np.asarray(each, float) - np.mean(each)).sum() for each in values.values())
    return Spread(float((squares / degrees) ** 0.5), degrees)


def mean_intervals(values: Mapping[str, Sequence[float]], confidence: float = 0.95) -> dict[str, Interval]:
    """Each setting's mean over its trainings, with the interval that the pooled spread gives it."""
    spread = pooled_spread(values)
    found = {}
    for name, each in values.items():
        mean, half = float(np.mean(each)), spread.half_width(1 / len(each), confidence)
        found[name] = Interval(mean, mean - half, mean + half)
    return found


def difference_interval(
    values: Mapping[str, Sequence[float]], one: str, other: str, confidence: float = 0.95
) -> Interval:
    """Mean of `one` minus mean of `other`, with the interval that the pooled spread gives it."""
    difference = float(np.mean(values[one]) - np.mean(values[other]))
    share = 1 / len(values[one]) + 1 / len(values[other])
    half = pooled_spread(values).half_width(share, confidence)
    return Interval(difference, difference - half, difference + half)


def by_setting(names: Sequence[str]) -> dict[str, list[str]]:
    """Names of cells "SETTING-SEED" by setting: {"linear": ["linear-0", "linear-1"]}."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(name.rpartition("-")[0] or name, []).append(name)
    return found


def evaluate_trainings(cells: Mapping[str, Cell], method: str) -> GroupResults:
    """The AUROC of one method in every cell, on the same bootstrap draws; cells stand where methods usually do.

    Raises:
        ValueError: cells that tested other images than the first, or lack the method.
    """
    (first_name, first), *_ = cells.items()
    for name, cell in cells.items():
        same = (
            np.array_equal(cell.scores.labels, first.scores.labels)
            and np.array_equal(cell.scores.groups, first.scores.groups)
            and cell.record.data.split == first.record.data.split
        )
        if not same:
            raise ValueError(f"cells: {name!r} tested other images than {first_name!r}, expected the same")
        if method not in cell.scores.by_method:
            raise ValueError(f"method: got {method!r}, expected one that cell {name!r} has scores of")
    settings = first.record.evaluation
    return evaluate_groups(
        first.scores.labels,
        first.scores.groups,
        {name: cell.scores.by_method[method] for name, cell in cells.items()},
        ["auroc"],
        settings.num_resamples,
        settings.confidence,
        settings.seed,
        first.scores.units,
    )


@dataclass(frozen=True)
class TrainedSettings:
    """AUROC of several trainings of each setting, mean over the groups of anomalies.

    Attributes:
        results: of `evaluate_trainings`.
        settings: setting -> its cells.
    """

    results: GroupResults
    settings: dict[str, list[str]]

    @classmethod
    def of(cls, cells: Mapping[str, Cell], method: str) -> "TrainedSettings":
        """Evaluate `method` in cells named "SETTING-SEED"."""
        return cls(evaluate_trainings(cells, method), by_setting(list(cells)))

    def values(self) -> dict[str, list[float]]:
        """One AUROC a training, in [0, 1]."""
        means = self.results.estimates[0].mean(axis=1)  # (cells,)
        return {
            setting: [float(means[self.results.methods.index(name)]) for name in names]
            for setting, names in self.settings.items()
        }

    def interval(self, setting: str) -> Interval:
        """Mean over the setting's trainings; the interval covers other test images and other seeds."""
        weights = self._weights(setting)
        return self._both_sources(weights, 1 / len(self.settings[setting]))

    def difference(self, one: str, other: str) -> Interval:
        """`one` minus `other`, on the same images; the interval covers other test images and other seeds."""
        weights = self._weights(one) - self._weights(other)
        return self._both_sources(weights, 1 / len(self.settings[one]) + 1 / len(self.settings[other]))

    def _weights(self, setting: str) -> np.ndarray:
        chosen = self.settings[setting]
        return np.array([(name in chosen) / len(chosen) for name in self.results.methods])

    def _both_sources(self, weights: np.ndarray, share: float) -> Interval:
        """Bootstrap replicates of a weighted sum of cells, each moved by what other seeds would change."""
        estimate = float(weights @ self.results.estimates[0].mean(axis=1))
        replicates = weights @ self.results.replicates[0].mean(axis=1)  # (num_resamples,)
        spread = pooled_spread(self.values())
        # Quantiles of t in a fixed random order: draws without the noise of drawing.
        places = np.random.default_rng(0).permutation((np.arange(len(replicates)) + 0.5) / len(replicates))
        moved = replicates + student.ppf(places, spread.degrees) * spread.deviation * share**0.5
        return percentile_interval(estimate, moved, self.results.confidence)
