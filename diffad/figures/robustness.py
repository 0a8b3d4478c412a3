"""Figures of robustness: rates against strength, what an attack changed, and which scores it reaches.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffad.figures.heatmaps import auroc_heatmap
from diffad.figures.results import method_look, show_image
from diffad.figures.style import method_title

DODGE = 0.42  # share of the distance of two strengths over which the methods' marks are spread
COLUMNS = ("panel", "strength", "method", "estimate", "low", "high")


def strength_curves(
    table: pd.DataFrame,
    label: str = "AUROC in %",
    reference: float = 0.5,
    axis_labels: Sequence[str] | None = None,
    control: str | None = None,
) -> Figure:
    """A rate with its interval against the strength, a panel a kind of change, a line a method.

    Args:
        table: columns panel, strength (shown as it is, in the order of the rows), method, estimate, low, high in [0, 1].
        label: of the vertical axis.
        reference: a dotted line, such as chance.
        axis_labels: of the horizontal axes, one a panel; none if not given.
        control: name of a method that is drawn grey and dashed: what chance alone does.

    Raises:
        ValueError: a column is missing, or axis labels do not match the panels.
    """
    panels = list(dict.fromkeys(table["panel"])) if "panel" in table else []
    if missing := [name for name in COLUMNS if name not in table]:
        raise ValueError(f"table: got columns {list(table)}, expected also {', '.join(missing)}")
    if axis_labels is not None and len(axis_labels) != len(panels):
        raise ValueError(
            f"axis_labels: got {len(axis_labels)}, expected one for each of {len(panels)} panels"
        )
    figure = Figure(figsize=(max(5.2, 2.75 * len(panels)), 3.7), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, panel in zip(axes, panels, strict=True):
        _draw_panel(axis, table[table["panel"] == panel], control)
        axis.axhline(100 * reference, color="0.5", linewidth=0.8, linestyle=":")
        axis.set_title(panel)
    for axis, text in zip(axes, axis_labels or [], strict=False):
        axis.set_xlabel(text)
    axes[0].set(ylabel=label, ylim=(-3, 103))
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _draw_panel(axis, rows: pd.DataFrame, control: str | None) -> None:
    strengths, methods = list(dict.fromkeys(rows["strength"])), list(dict.fromkeys(rows["method"]))
    for number, method in enumerate(methods):
        one = rows[rows["method"] == method].set_index("strength").loc[strengths]
        shift = DODGE * (number / max(len(methods) - 1, 1) - 0.5)
        look, grey = method_look(method), method == control
        estimate, low, high = (100 * one[name].to_numpy() for name in ("estimate", "low", "high"))
        axis.errorbar(
            np.arange(len(strengths)) + shift,
            estimate,
            yerr=np.maximum([estimate - low, high - estimate], 0),
            color="0.55" if grey else look.colour,
            linestyle="--" if grey else look.dash,
            marker="x" if grey else look.marker,
            markersize=4,
            linewidth=1.1,
            elinewidth=0.9,
            label=method_title(method),
        )
    axis.set_xticks(range(len(strengths)), [str(each) for each in strengths])
    axis.set_xlim(-0.5, len(strengths) - 0.5)


def transfer_matrix(table: pd.DataFrame, label: str = "AUROC in %") -> Figure:
    """Which scores an attack reaches: a row an attack, a column a score that judges, the value printed in each cell.

    Cells in which a score judges the attack on itself are framed.

    Args:
        table: index of attacked methods (or other names, such as of a control), columns of methods, values in [0, 1].
        label: of the colour scale.
    """
    figure = Figure(figsize=(0.62 * table.shape[1] + 3.2, 0.42 * table.shape[0] + 2.1), layout="constrained")
    axis = figure.subplots()
    shown = (100 * table).rename(index=method_title, columns=method_title)
    auroc_heatmap(axis, shown, size=8.5, cbar_kws={"label": label, "pad": 0.02})
    for row, attacked in enumerate(table.index):
        for column, judge in enumerate(table.columns):
            if attacked == judge:
                axis.add_patch(Rectangle((column, row), 1, 1, fill=False, edgecolor="black", linewidth=1.8))
    axis.set(xlabel="judged by", ylabel="attack on")
    axis.tick_params(axis="both", length=0)
    axis.set_xticks(
        axis.get_xticks(), axis.get_xticklabels(), rotation=45, ha="right", rotation_mode="anchor"
    )
    axis.tick_params(axis="y", rotation=0)
    return figure


def changed_images(
    clean: np.ndarray, changed: np.ndarray, titles: Sequence[str], largest: int, heading: str = ""
) -> Figure:
    """Originals, what an attack made of them, and the difference, an image a column.

    Args:
        clean, changed: uint8 (n, height, width, 1 or 3).
        titles: n short strings.
        largest: grey levels that the scale of the difference ends at; mean over channels is shown.
        heading: above all titles, such as what they count and where the line of alarm lies.
    """
    if not (clean.shape == changed.shape and len(clean) == len(titles) > 0 and largest > 0):
        raise ValueError(
            f"clean, changed, titles: got {clean.shape}, {changed.shape} and {len(titles)} titles, expected equally many"
        )
    figure = Figure(figsize=(0.95 * len(clean) + 1.5, 3.4), layout="constrained")
    axes = figure.subplots(3, len(clean), squeeze=False)
    for column in range(len(clean)):
        show_image(axes[0, column], clean[column])
        show_image(axes[1, column], changed[column])
        difference = (changed[column].astype(float) - clean[column]).mean(axis=2)
        drawn = axes[2, column].imshow(difference, cmap="RdBu_r", vmin=-largest, vmax=largest)
        axes[0, column].set_title(titles[column], fontsize=8)
    for row, text in enumerate(("original", "attacked", "difference")):
        axes[row, 0].set_ylabel(text, rotation=0, ha="right", va="center")
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.spines[:].set(visible=True, color="0.7", linewidth=0.5)
    figure.colorbar(drawn, ax=axes[2, :], pad=0.01, aspect=8, label="grey levels")
    if heading:
        figure.suptitle(heading, fontsize=9)
    return figure


def convergence(best: np.ndarray, gradients: Sequence[int], titles: Sequence[str]) -> Figure:
    """The best score so far against the gradients taken, relative to that of the original image.

    Args:
        best: (titles, gradients), the mean over images of score / original score.
        gradients: how many were taken.
        titles: one a line.
    """
    figure = Figure(figsize=(7, 2.9), layout="constrained")
    axis = figure.subplots()
    for line, title, dash in zip(np.asarray(best), titles, ("-", "--", ":", "-."), strict=False):
        axis.plot(gradients, line, linestyle=dash, label=title)
    axis.axhline(1, color="0.5", linewidth=0.8, linestyle=":")
    axis.set(xlabel="gradients", ylabel="score / original score", ylim=(0, None))
    figure.legend(*axis.get_legend_handles_labels(), loc="outside right upper")
    return figure
