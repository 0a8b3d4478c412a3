"""Several trainings of each of several settings: what differs beyond what another seed would change.

Two things are drawn at random behind a difference of two settings: the test images, and the seed that a network was
trained from. Intervals over images alone are too narrow for a statement about settings. Here both count: images are drawn by
the bootstrap, the same for all networks, and the spread over seeds, pooled over all settings, widens the interval by
Student's t. Where every setting was trained once, nothing is known of seeds and intervals cover images alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from scipy.stats import norm as normal
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


def spread_between(values: Mapping[str, Sequence[float]]) -> Spread | None:
    """`pooled_spread`, or None where every setting was trained once and nothing is known of other seeds."""
    return pooled_spread(values) if any(len(each) > 1 for each in values.values()) else None


def coverage(settings: Mapping[str, Sequence]) -> str:
    """What the intervals of these trainings cover, as half a sentence. settings: setting -> its trainings."""
    if any(len(each) > 1 for each in settings.values()):
        return "intervals cover other images and other trainings"
    return "intervals cover other images; each was trained once, so what another seed would change is not in them"


@dataclass(frozen=True)
class TrainedQuantity:
    """A number that every held-out image has under every training, such as the error of its reconstruction.

    Attributes:
        images: setting -> (trainings, images); all models were asked about the same images. One column where only means
            over the images are known.
        errors: setting -> standard error, over images, of its mean; needed only for such means.
    """

    images: dict[str, np.ndarray]
    errors: dict[str, float] = field(default_factory=dict)

    def values(self) -> dict[str, list[float]]:
        """One mean over images a training."""
        return {name: each.mean(axis=1).tolist() for name, each in self.images.items()}

    def interval(self, setting: str, confidence: float = 0.95) -> Interval:
        """Mean of a setting; the interval covers other images and, where some setting was trained twice, other seeds."""
        found = self.images[setting]
        return self._interval(found.mean(axis=0), [setting], 1 / len(found), confidence)

    def difference(self, one: str, other: str, confidence: float = 0.95) -> Interval:
        """`one` minus `other`, image by image; the interval covers what that of `interval` does."""
        a, b = self.images[one], self.images[other]
        share = 1 / len(a) + 1 / len(b)
        return self._interval(a.mean(axis=0) - b.mean(axis=0), [one, other], share, confidence)

    def _interval(
        self, row: np.ndarray, settings: Sequence[str], share: float, confidence: float
    ) -> Interval:
        place, count = (1 + confidence) / 2, len(row)
        if count > 1:
            over_images = student.ppf(place, count - 1) * row.std(ddof=1) / count**0.5
        else:
            over_images = normal.ppf(place) * np.hypot.reduce([self.errors[name] for name in settings])
        spread = spread_between(self.values())
        over_seeds = spread.half_width(share, confidence) if spread else 0.0
        half = float(np.hypot(over_images, over_seeds))
        return Interval(float(row.mean()), float(row.mean()) - half, float(row.mean()) + half)


def joint_confidence(count: int, confidence: float = 0.95) -> float:
    """Of each of `count` intervals, so that all of them hold at once as often as `confidence` says (Bonferroni)."""
    return 1 - (1 - confidence) / count


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

    def difference(self, one: str, other: str, confidence: float | None = None) -> Interval:
        """`one` minus `other`, on the same images; the interval covers other test images and other seeds.

        confidence: that of the records if None.
        """
        weights = self._weights(one) - self._weights(other)
        share = 1 / len(self.settings[one]) + 1 / len(self.settings[other])
        return self._both_sources(weights, share, confidence)

    def _weights(self, setting: str) -> np.ndarray:
        chosen = self.settings[setting]
        return np.array([(name in chosen) / len(chosen) for name in self.results.methods])

    def _both_sources(self, weights: np.ndarray, share: float, confidence: float | None = None) -> Interval:
        """Bootstrap replicates of a weighted sum of cells, each moved by what other seeds would change."""
        estimate = float(weights @ self.results.estimates[0].mean(axis=1))
        replicates = weights @ self.results.replicates[0].mean(axis=1)  # (num_resamples,)
        if spread := spread_between(self.values()):
            # Quantiles of t in a fixed random order: draws without the noise of drawing.
            places = np.random.default_rng(0).permutation(
                (np.arange(len(replicates)) + 0.5) / len(replicates)
            )
            replicates = replicates + student.ppf(places, spread.degrees) * spread.deviation * share**0.5
        return percentile_interval(estimate, replicates, confidence or self.results.confidence)
