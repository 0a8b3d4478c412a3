"""Figures of the embeddings track: every method on every data set, means by track, and paired differences.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from diffad.bootstrap import Interval
from diffad.figures.heatmaps import auroc_heatmap
from diffad.figures.style import OKABE_ITO

FAMILY_LOOKS = {
    "diffusion": (OKABE_ITO["blue"], "D"),
    "network": (OKABE_ITO["vermilion"], "s"),
    "classical": ("0.35", "o"),
}


def method_means(
    means: Mapping[str, Mapping[str, Interval]], families: Mapping[str, str], label: str = "mean AUROC in %"
) -> Figure:
    """A panel a track, a row a method, best on average at the top; bars are the intervals given.

    means: {track's title: {method's title: Interval in [0, 1]}}, the same methods in each.
    families: {method's title: a key of FAMILY_LOOKS}.
    """
    methods = {method for by_method in means.values() for method in by_method}
    if any(set(by_method) != methods for by_method in means.values()):
        raise ValueError("means: got tracks with other methods, expected the same in each")
    order = sorted(methods, key=lambda method: -np.mean([each[method].estimate for each in means.values()]))
    figure, axes = _interval_panels(means, order, families, 2.1 * len(means) + 1.6)
    for axis, by_method in zip(axes, means.values(), strict=True):
        best = max(each.estimate for each in by_method.values())
        axis.axvline(100 * best, color="0.6", linewidth=0.8, linestyle=":", zorder=0)
    figure.supxlabel(label, fontsize=10)
    return figure


def aurocs_heatmap(table: pd.DataFrame, families: Mapping[str, str]) -> Figure:
    """AUROC in % of every method (columns, best mean left) on every data set (rows, easiest at the top).

    table: index of data sets' titles, columns of methods' titles, in [0, 1]. families: {title: family}; names of
    diffusion methods are set in bold. Below 50 a score is inverted.
    """
    shown = 100 * table
    shown = shown[shown.mean().sort_values(ascending=False, kind="stable").index]
    shown = shown.loc[shown.mean(axis=1).sort_values(ascending=False, kind="stable").index]
    figure = Figure(figsize=(0.44 * shown.shape[1] + 2.0, 0.21 * shown.shape[0] + 1.5), layout="constrained")
    axis = figure.subplots()
    auroc_heatmap(axis, shown, size=7, linewidths=0.4, cbar=False)
    axis.set(xlabel="", ylabel="")
    axis.xaxis.tick_top()
    axis.tick_params(axis="both", length=0, labelsize=8)
    axis.set_xticks(axis.get_xticks(), axis.get_xticklabels(), rotation=60, ha="left", rotation_mode="anchor")
    axis.tick_params(axis="y", rotation=0)
    for text in axis.get_xticklabels():
        text.set_fontweight("bold" if families[text.get_text()] == "diffusion" else "normal")
    return figure


def paired_differences(
    rows: Mapping[str, Mapping[str, Interval]], subject: str, families: Mapping[str, str]
) -> Figure:
    """`subject` minus each other method, in points of AUROC, with intervals: a panel a part, a row a method.

    rows: {part's title: {method's title: Interval in [-1, 1]}}, the same methods in each. Right of 0 the subject is better.
    """
    order = list(next(iter(rows.values())))
    figure, axes = _interval_panels(rows, order, families, 8)
    for axis in axes:
        axis.axvline(0, color="0.4", linewidth=0.8, zorder=0)
    figure.supxlabel(f"{subject} minus the method, points of AUROC", fontsize=10)
    return figure


def _interval_panels(
    panels: Mapping[str, Mapping[str, Interval]], order: list[str], families: Mapping[str, str], width: float
) -> tuple[Figure, list]:
    """A panel a key with an interval a row, in %, rows in `order`; the figure and its axes."""
    figure = Figure(figsize=(width, 0.24 * len(order) + 1.3), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, by_method) in zip(axes, panels.items(), strict=True):
        for place, method in enumerate(order):
            value = by_method[method]
            colour, marker = FAMILY_LOOKS[families[method]]
            axis.plot([100 * value.low, 100 * value.high], [place, place], color=colour, linewidth=1.4)
            axis.plot(100 * value.estimate, place, marker, color=colour, markersize=5)
        axis.set_title(title, fontsize=9)
        axis.grid(axis="y", color="0.93")
        axis.set_axisbelow(True)
    axes[0].set_yticks(range(len(order)), order)
    axes[0].set_ylim(len(order) - 0.4, -0.6)
    shown = [families[method] for method in order]
    figure.legend(handles=_family_handles(shown), loc="outside upper center", ncols=3)
    return figure, list(axes)


def _family_handles(families: Iterable[str]) -> list[Line2D]:
    return [
        Line2D([], [], color=colour, marker=marker, linewidth=1.4, label=family)
        for family, (colour, marker) in FAMILY_LOOKS.items()
        if family in set(families)
    ]
