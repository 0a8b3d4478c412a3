"""Medians over rounds, and how cost grows: the exponent b of cost = a n^b.

The exponent is the slope of a least-squares line through the logarithms of every measurement at the larger half of
the sizes, because at small sizes calls cost more than what they compute. Its 95 % interval is Student's, from the
scatter around the line: it covers the noise of the clock and any bend in that half, not what lies beyond it.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy import stats

from diffad.efficiency.settings import NETWORK_METHODS, EfficiencySettings, Measurement

Quantity = Literal["seconds", "bytes"]
CONFIDENCE = 0.95
FEWEST_SIZES = 3


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Summary(_Model):
    """Median, lowest and highest of the rounds at one size.

    Of "seconds": a baseline's whole training, a network's training for `images_seen` images, or scoring one image;
    processor time on a CPU, wall time on a GPU. Of "bytes": the peak of the phase, on a GPU of its own memory.
    """

    method: str
    axis: str
    phase: str
    quantity: Quantity
    size: int
    median: float
    low: float
    high: float
    rounds: int


class Growth(_Model):
    """cost = scale * n ** exponent, with the exponent's interval, fitted at `sizes`.

    n is the count of numbers an image holds (side squared times channels) on the axis of pixels, and the number of
    rows on that of rows.
    """

    method: str
    axis: str
    phase: str
    quantity: Quantity
    scale: float
    exponent: float
    low: float
    high: float
    sizes: tuple[int, ...]

    def cost(self, numbers: np.ndarray) -> np.ndarray:
        """The fitted cost at n = `numbers`, any shape."""
        return self.scale * np.asarray(numbers, dtype=float) ** self.exponent


def numbers_at(axis: str, sizes: Sequence[int], channels: int) -> np.ndarray:
    """n of the growth law at each size of an axis, float64 (sizes,)."""
    sizes = np.asarray(sizes, dtype=float)
    return channels * sizes**2 if axis == "pixels" else sizes


def cost_of(measurement: Measurement, quantity: Quantity, settings: EfficiencySettings) -> float | None:
    """What one measurement says of a quantity, in a `Summary`'s units; None where it was stopped or not told."""
    if measurement.stopped is not None:
        return None
    if quantity == "bytes":
        peak = measurement.device_bytes if settings.device == "cuda" else measurement.peak_bytes
        return None if peak is None else float(peak)
    seconds = measurement.cpu_seconds if settings.device == "cpu" else measurement.wall_seconds
    if measurement.phase == "scoring":
        return seconds / measurement.images
    if measurement.method in NETWORK_METHODS:
        return seconds / measurement.images * settings.images_seen
    return seconds


def _grouped(
    measurements: Iterable[Measurement], settings: EfficiencySettings
) -> dict[tuple, dict[int, list[float]]]:
    """(method, axis, phase, quantity) -> size -> the rounds' costs; what was stopped is left out."""
    groups: dict[tuple, dict[int, list[float]]] = {}
    for each in measurements:
        for quantity in ("seconds", "bytes"):
            cost = cost_of(each, quantity, settings)
            if cost is not None:
                key = (each.method, each.axis, each.phase, quantity)
                groups.setdefault(key, {}).setdefault(each.size, []).append(cost)
    return groups


def summaries(measurements: Iterable[Measurement], settings: EfficiencySettings) -> tuple[Summary, ...]:
    """A `Summary` for every method, axis, phase, quantity and size that was measured."""
    return tuple(
        Summary(
            **dict(zip(("method", "axis", "phase", "quantity"), key, strict=True)),
            size=size,
            median=float(np.median(costs)),
            low=min(costs),
            high=max(costs),
            rounds=len(costs),
        )
        for key, by_size in _grouped(measurements, settings).items()
        for size, costs in sorted(by_size.items())
    )


def growths(measurements: Iterable[Measurement], settings: EfficiencySettings) -> tuple[Growth, ...]:
    """A `Growth` wherever at least three sizes were measured.

    A network's memory is left out: its batch is cut to a number of pixels, so what grows is chosen, not found.
    """
    found = []
    for key, by_size in _grouped(measurements, settings).items():
        sizes = larger_half(sorted(by_size))
        chosen = key[3] == "bytes" and key[0] in NETWORK_METHODS
        if len(sizes) < FEWEST_SIZES or chosen or min(min(by_size[size]) for size in sizes) <= 0:
            continue
        numbers = numbers_at(key[1], sizes, settings.channels)
        costs = [by_size[size] for size in sizes]
        repeated = np.repeat(numbers, [len(each) for each in costs])
        scale, exponent, low, high = fit_exponent(repeated, np.concatenate(costs))
        about = dict(zip(("method", "axis", "phase", "quantity"), key, strict=True))
        found.append(Growth(**about, scale=scale, exponent=exponent, low=low, high=high, sizes=tuple(sizes)))
    return tuple(found)


def larger_half(sizes: Sequence[int]) -> list[int]:
    """The larger half of rising sizes, rounded up, but three where there are three."""
    return list(sizes[-max(FEWEST_SIZES, math.ceil(len(sizes) / 2)) :])


def fit_exponent(numbers: np.ndarray, costs: np.ndarray) -> tuple[float, float, float, float]:
    """Least squares of log cost on log n: scale a, exponent b, and the ends of b's 95 % interval.

    Args:
        numbers, costs: (k,), positive, k >= 3, with at least two different numbers.

    Raises:
        ValueError: fewer, or one that is not positive.
    """
    numbers, costs = np.asarray(numbers, dtype=float), np.asarray(costs, dtype=float)
    if len(numbers) < 3 or len(numbers) != len(costs) or len(np.unique(numbers)) < 2:
        raise ValueError(
            f"numbers: got {len(numbers)} with {len(costs)} costs, expected as many, at least three, at two places"
        )
    if min(numbers.min(), costs.min()) <= 0:
        raise ValueError("costs: got one of 0 or less, expected positive numbers: their logarithm is taken")
    line = stats.linregress(np.log(numbers), np.log(costs))
    margin = stats.t.ppf((1 + CONFIDENCE) / 2, len(numbers) - 2) * line.stderr
    return (
        float(np.exp(line.intercept)),
        float(line.slope),
        float(line.slope - margin),
        float(line.slope + margin),
    )
