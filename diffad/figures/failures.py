"""Figures of how detectors fail: false alarms, missed anomalies, and time.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter, NullLocator

from diffad.bootstrap import Interval
from diffad.figures.results import method_look
from diffad.figures.style import OKABE_ITO, method_title

BEFORE, AFTER = OKABE_ITO["vermilion"], OKABE_ITO["blue"]


def false_alarms(scores: Mapping[str, np.ndarray], thresholds: Mapping[str, float]) -> Figure:
    """Scores of several groups of normal items, one below the other, and two places to draw the line.

    scores: {group: (n,)}, positive; the share of each group above each line stands at its right. thresholds: {name:
    value}, at most two, the mended one last.
    """
    if not scores or not 1 <= len(thresholds) <= 2:
        raise ValueError(
            f"false_alarms needs a group of scores and one or two thresholds, got {len(scores)} and {len(thresholds)}"
        )
    figure = Figure(figsize=(7, 0.85 * len(scores) + 1.1), layout="constrained")
    axes = figure.subplots(len(scores), 1, sharex=True, squeeze=False)[:, 0]
    values = np.log(np.concatenate(list(scores.values())))
    edges = np.exp(np.linspace(values.min(), values.max(), 41))
    looks = dict(zip(thresholds, ((BEFORE, "--"), (AFTER, "-"))[-len(thresholds) :], strict=True))
    for axis, (group, some) in zip(axes, scores.items(), strict=True):
        axis.hist(some, edges, color="0.75", edgecolor="white", linewidth=0.3)
        for place, (name, value) in enumerate(thresholds.items()):
            colour, dash = looks[name]
            axis.axvline(value, color=colour, linestyle=dash, label=name)
            share = f"{100 * np.mean(some > value):.1f} %"
            axis.text(1.01, 0.55 - 0.4 * place, share, color=colour, transform=axis.transAxes, fontsize=9)
        axis.set_ylabel(group, rotation=0, ha="right", va="center")
        axis.set(xscale="log", yticks=[])
        axis.spines["left"].set_visible(False)
    axes[0].text(1.01, 0.98, "flagged", transform=axes[0].transAxes, fontsize=9)
    axes[-1].set_xlabel("score (logarithmic)")
    _plain_numbers(axes[-1].xaxis)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper left", ncols=2, frameon=False)
    return figure


def _plain_numbers(axis: Axis) -> None:
    """Ticks 1, 2, 5, 10, ... of a logarithmic axis, without powers of ten."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def two_readings(
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]], thresholds: Mapping[str, float], anomaly: str
) -> Figure:
    """The same anomalies read in two ways: where they lie beside normal items, and what the line catches.

    scores: {reading: (scores of normal items, scores of anomalies)}, positive. thresholds: {reading: value}. anomaly:
    its name for the legend.
    """
    figure = Figure(figsize=(8, 2.8), layout="constrained")
    axes = figure.subplots(1, len(scores), squeeze=False)[0]
    for axis, (reading, (normal, anomalous)) in zip(axes, scores.items(), strict=True):
        values = np.log(np.concatenate([normal, anomalous]))
        edges = np.exp(np.linspace(values.min(), values.max(), 33))
        axis.hist(normal, edges, density=True, color="0.75", label="clean")
        axis.hist(
            anomalous,
            edges,
            density=True,
            histtype="step",
            color=OKABE_ITO["blue"],
            linewidth=1.6,
            label=anomaly,
        )
        axis.axvline(thresholds[reading], color=BEFORE, linestyle="--", label="threshold")
        caught = 100 * np.mean(anomalous > thresholds[reading])
        axis.set_title(f"{reading}: {caught:.0f} % found")
        axis.set(xscale="log", xlabel="score (logarithmic)", yticks=[])
        _plain_numbers(axis.xaxis)
        axis.spines["left"].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def missed_shares(groups: Sequence[str], before: Sequence[float], after: Sequence[float]) -> Figure:
    """Share of each kind of anomaly that is missed, before (ring) and after (dot) a knob was turned.

    before, after: in [0, 1], one a group; sorted here by `before`, most missed on top.
    """
    if not len(groups) == len(before) == len(after) > 0:
        raise ValueError(
            f"missed_shares needs as many shares as groups, got {len(groups)}, {len(before)} and {len(after)}"
        )
    order = np.argsort(before, kind="stable")
    figure = Figure(figsize=(7, 0.24 * len(groups) + 1.1), layout="constrained")
    axis = figure.subplots()
    for place, index in enumerate(order):
        ends = 100 * before[index], 100 * after[index]
        axis.plot(ends, (place, place), color="0.75", linewidth=1.2, zorder=1)
        axis.plot(
            ends[0], place, "o", mfc="white", mec=BEFORE, markersize=6, label="before" if not place else None
        )
        axis.plot(ends[1], place, "o", color=AFTER, markersize=5, label="after" if not place else None)
    axis.set_yticks(range(len(groups)), [str(groups[index]).replace("_", " ") for index in order])
    axis.tick_params(axis="y", length=0)
    axis.set(xlabel="missed, in %", xlim=(-2, 102))
    axis.grid(axis="x", color="0.92")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return figure


def cost_and_quality(families: Mapping[str, Mapping[int, Interval]]) -> Figure:
    """AUROC with its interval against the network evaluations an item (logarithmic), a line a family of scores.

    families: {method: {evaluations: AUROC in [0, 1]}}; a method's colour and marker are those of every page.
    """
    if not families or not all(families.values()):
        raise ValueError(f"cost_and_quality needs a point in each family, got {dict(families)}")
    figure = Figure(figsize=(6.5, 3.3), layout="constrained")
    axis = figure.subplots()
    for method, points in families.items():
        look, costs = method_look(method), sorted(points)
        values = [points[cost] for cost in costs]
        estimates, lows, highs = 100 * np.array([[each.estimate, each.low, each.high] for each in values]).T
        axis.errorbar(
            costs,
            estimates,
            yerr=np.maximum([estimates - lows, highs - estimates], 0),
            fmt=look.marker + ":",
            color=look.colour,
            markersize=6,
            label=method_title(method),
        )
    ticks = sorted({cost for points in families.values() for cost in points})
    axis.set(xscale="log", xlabel="network evaluations an image", ylabel="AUROC in %")
    axis.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.grid(axis="y", color="0.92")
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, frameon=False)
    return figure
