"""Figures of scorers side by side: what each finds for its cost, what it finds inverted, where it looks.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullLocator

from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults
from diffad.figures.results import show_image
from diffad.figures.style import OKABE_ITO

# A family's colour, and a marker for where colour is missing.
FAMILIES = {
    "reconstruction": (OKABE_ITO["vermilion"], "o"),
    "density": (OKABE_ITO["green"], "s"),
    "score": (OKABE_ITO["blue"], "D"),
}
SPREAD, WIDEST = 0.07, 0.34  # decades between neighbours of equal cost, and over all of them
TICKS_APART = 0.14  # decades
WITHOUT_NETWORK = 0.4  # where a cost of 0 stands on the logarithmic axis
BARS = (
    (OKABE_ITO["vermilion"], ""),
    (OKABE_ITO["sky"], "////"),
    (OKABE_ITO["orange"], "...."),
    (OKABE_ITO["blue"], ""),
    (OKABE_ITO["green"], "xxxx"),
)


def cost_and_accuracy(overview: pd.DataFrame) -> Figure:
    """Mean AUROC with its interval against network evaluations an image (logarithmic), a numbered point a scorer.

    overview: as `diffad.comparison_tables.scorer_overview` gives it; numbers are its rows from 1. Scorers of equal
    cost stand side by side in one grey band, the better one left. What asks no network stands at the left edge.
    """
    figure = Figure(figsize=(8.6, 4.8), layout="constrained")
    axis = figure.subplots()
    costs = np.maximum(overview["nfe"].to_numpy(float), WITHOUT_NETWORK)
    places = _side_by_side(costs)
    for number, cost in enumerate(np.unique(costs)):
        some = places[costs == cost]
        axis.axvspan(some.min() / 1.07, some.max() * 1.07, color=("0.96", "0.92")[number % 2], linewidth=0)
    for family, (colour, marker) in FAMILIES.items():
        rows = np.flatnonzero(overview["family"] == family)
        some = 100 * overview.iloc[rows][["estimate", "low", "high"]].to_numpy(float).T
        if len(rows):
            axis.errorbar(
                places[rows],
                some[0],
                yerr=np.maximum([some[0] - some[1], some[2] - some[0]], 0),
                fmt=marker,
                color=colour,
                markersize=10.5,
                elinewidth=1,
                label=family,
            )
    for number, (place, height) in enumerate(zip(places, 100 * overview["estimate"], strict=True), start=1):
        axis.text(
            place, height, number, color="white", fontsize=7, weight="bold", ha="center", va="center_baseline"
        )
    axis.set(xscale="log", xlabel="network evaluations an image (NFE)", ylabel="mean AUROC in %")
    ticks = _apart(np.unique(costs))
    axis.xaxis.set_major_locator(FixedLocator(ticks))
    axis.set_xticklabels(["none" if tick == WITHOUT_NETWORK else f"{tick:,.0f}" for tick in ticks])
    axis.xaxis.set_minor_locator(NullLocator())
    axis.axhline(50, color="0.5", linewidth=0.8, linestyle=":")
    axis.grid(axis="y", color="0.9")
    axis.set_axisbelow(True)
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3, markerscale=0.8)
    return figure


def _side_by_side(costs: np.ndarray) -> np.ndarray:
    """Equal costs moved apart evenly around their value, in the order in which they come."""
    places = np.log10(costs)
    for cost in np.unique(costs):
        rows = np.flatnonzero(costs == cost)
        step = min(SPREAD, WIDEST / max(len(rows) - 1, 1))
        places[rows] += step * (np.arange(len(rows)) - (len(rows) - 1) / 2)
    return 10**places


def _apart(costs: np.ndarray) -> list[float]:
    """Those of the rising costs whose labels do not touch the one before."""
    kept = [costs[0]]
    for cost in costs[1:]:
        if np.log10(cost / kept[-1]) >= TICKS_APART:
            kept.append(cost)
    return kept


def departures_from_chance(results: GroupResults, groups: Sequence[str]) -> Figure:
    """Bars from chance to each method's AUROC: to the left where it is inverted, to the right where it works.

    results: of at most five methods, drawn in their order. groups: from top to bottom; `MEAN_OVER_GROUPS` may be one.
    """
    methods = results.methods
    if not groups or len(methods) > len(BARS):
        raise ValueError(
            f"departures_from_chance: got {len(groups)} groups and {len(methods)} methods, "
            f"expected 1 or more and at most {len(BARS)}"
        )
    figure = Figure(figsize=(7.5, (0.17 * len(methods) + 0.16) * len(groups) + 1.3), layout="constrained")
    axis = figure.subplots()
    thickness = 0.8 / len(methods)
    for number, (method, (colour, hatch)) in enumerate(zip(methods, BARS, strict=False)):
        values = [results.interval(results.metrics[0], method, group) for group in groups]
        estimates, lows, highs = 100 * np.array([[each.estimate, each.low, each.high] for each in values]).T
        heights = np.arange(len(groups)) + (number - (len(methods) - 1) / 2) * thickness
        axis.barh(
            heights,
            estimates - 50,
            thickness,
            left=50,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.4,
            xerr=np.maximum([estimates - lows, highs - estimates], 0),
            error_kw={"elinewidth": 0.8, "ecolor": "0.25"},
            label=method,
        )
    axis.axvline(50, color="0.2", linewidth=1)
    axis.set_yticks(range(len(groups)), [group.replace("_", " ") for group in groups])
    for label, group in zip(axis.get_yticklabels(), groups, strict=True):
        label.set_fontweight("bold" if group == MEAN_OVER_GROUPS else "normal")
    axis.tick_params(axis="y", length=0)
    axis.set(
        xlim=(0, 100), ylim=(len(groups) - 0.4, -0.6), xlabel="AUROC in %: left of 50 the score is inverted"
    )
    figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=min(3, len(methods)))
    return figure


def error_map_rows(
    images: np.ndarray, maps_by_scorer: Mapping[str, np.ndarray], names: Sequence[str]
) -> Figure:
    """Images on top, and below them what each scorer finds wrong where; a scorer a row, on a scale of its own.

    images: uint8 (n, height, width, 1 or 3). maps_by_scorer: {name: (n, height, width)}. names: n short titles.
    """
    count = len(images)
    if any(len(maps) != count for maps in maps_by_scorer.values()) or len(names) != count or not count:
        raise ValueError(f"images: got {count}, expected as many maps of every scorer, and as many names")
    figure = Figure(
        figsize=(0.88 * count + 1.6, 0.95 * (1 + len(maps_by_scorer)) + 0.4), layout="constrained"
    )
    axes = figure.subplots(1 + len(maps_by_scorer), count, squeeze=False)
    for column in range(count):
        show_image(axes[0, column], images[column])
        axes[0, column].set_title(str(names[column]).replace("_", "\n"), fontsize=8)
    for row, (name, maps) in enumerate(maps_by_scorer.items(), start=1):
        largest = float(np.quantile(maps, 0.995)) or 1.0  # a few pixels would darken all
        for column in range(count):
            axes[row, column].imshow(maps[column], cmap="magma", vmin=0, vmax=largest)
        axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center")
    axes[0, 0].set_ylabel("input", rotation=0, ha="right", va="center")
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.spines[:].set(visible=True, color="0.7", linewidth=0.5)  # white must not melt into the page
    return figure


def calibration(
    p_values: Mapping[str, np.ndarray],
    stated: np.ndarray,
    observed: Mapping[str, np.ndarray],
    band: np.ndarray,
) -> Figure:
    """Left: p-values of fresh normals against the uniform law. Right: false-positive rates, stated and observed.

    Args:
        p_values: {score: (n,)} of normals that neither trained nor calibrated anything.
        stated: rates in (0, 1), (k,), rising.
        observed: {way of drawing the line: (k,)} shares of those normals that were flagged.
        band: (2, k), between which a share of a rate that is kept lies in 95 of 100 draws of normals.
    """
    figure = Figure(figsize=(8, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, values), (colour, dash) in zip(p_values.items(), _lines(), strict=False):
        ranked = np.sort(values)
        left.step(
            ranked,
            np.arange(1, len(ranked) + 1) / len(ranked),
            where="post",
            color=colour,
            linestyle=dash,
            label=name,
        )
    left.plot((0, 1), (0, 1), color="0.5", linewidth=0.8, linestyle=":")
    left.set(
        xlabel="p-value", ylabel="share of fresh normals below it", xlim=(0, 1), ylim=(0, 1), box_aspect=1
    )
    right.fill_between(100 * stated, *(100 * band), color="0.9", label="what chance allows")
    right.plot(100 * stated, 100 * stated, color="0.5", linewidth=0.8, linestyle=":")
    for (name, shares), (colour, dash) in zip(observed.items(), _lines(), strict=False):
        right.plot(100 * stated, 100 * shares, color=colour, linestyle=dash, label=name)
    right.set(xlabel="false-positive rate stated, %", ylabel="normals flagged, %", box_aspect=1)
    right.set(xlim=(0, 100 * stated[-1]), ylim=(0, None))
    for axis in (left, right):
        axis.legend(fontsize=8, loc="upper left")
    return figure


def _lines():
    return zip(
        (OKABE_ITO["blue"], OKABE_ITO["vermilion"], OKABE_ITO["green"]), ("-", "--", "-."), strict=True
    )
