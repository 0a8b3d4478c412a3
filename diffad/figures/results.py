"""Figures of results: how well methods separate, where, at which noise level, and what they saw.

Every function takes data and returns a matplotlib Figure. A method has the same colour, marker and dash on
every page, so that figures compare across chapters and read in grey.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from sklearn.metrics import roc_curve

from diffad.bootstrap import Interval
from diffad.evaluation import auroc
from diffad.figures.heatmaps import auroc_heatmap
from diffad.figures.style import METHOD_COLOURS, method_title
from diffad.training import TrainingHistory

ROW_HEIGHT = 0.075  # inches for one method within one group of the dot plot
GROUP_GAP = 0.1  # inches between groups
MARKERS = ("o", "s", "D", "^", "v", "P", "X", "<", ">", "*")
DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1, 1, 1, 1, 1)))


@dataclass(frozen=True)
class MethodLook:
    """How a method is drawn on every page."""

    colour: str
    marker: str
    dash: str | tuple


def method_look(method: str) -> MethodLook:
    """The method's fixed colour, marker and dash; one without a colour of its own gets grey and a marker by
    its name.
    """
    method = method.removeprefix("unet/")  # the network of every page but those that compare two
    names = list(METHOD_COLOURS)
    key = method if method in METHOD_COLOURS else method.lower()
    place = names.index(key) if key in names else len(names) + zlib.crc32(method.encode())
    dash = DASHES[(place + place // len(MARKERS)) % len(DASHES)]  # another dash when the markers start again
    return MethodLook(METHOD_COLOURS.get(key, "#666666"), MARKERS[place % len(MARKERS)], dash)


def roc_curves(labels: np.ndarray, scores_by_method: Mapping[str, np.ndarray]) -> Figure:
    """ROC curves of several methods: on the left all rates, on the right few false alarms on a logarithmic
    axis.

    labels: (n,) of 0 and 1; scores_by_method: {name: (n,)}, higher = more anomalous. The legend gives each
    AUROC in %.
    """
    figure = Figure(figsize=(8, 4.1), layout="constrained")
    whole, few = figure.subplots(1, 2, sharey=True)
    rarest = 1 / max(int(np.sum(np.asarray(labels) == 0)), 2)
    for axes in (whole, few):
        rates = np.geomspace(rarest, 1, 200)
        axes.plot(rates, rates, color="0.6", linewidth=0.8, linestyle=":", label="_chance")
    for method, scores in scores_by_method.items():
        look = method_look(method)
        area = auroc(labels, scores)
        false_rate, true_rate, _ = roc_curve(labels, scores)
        line = {
            "color": look.colour,
            "linestyle": look.dash,
            "label": f"{method_title(method)}  {100 * area:.1f}",
        }
        whole.plot(false_rate, true_rate, **line)
        few.step(np.maximum(false_rate, rarest), true_rate, where="post", **line)
    whole.set(
        xlabel="false positive rate", ylabel="true positive rate", xlim=(0, 1), ylim=(0, 1.01), aspect="equal"
    )
    few.set(xscale="log", xlabel="false positive rate (log)", xlim=(rarest, 1), box_aspect=1)
    figure.legend(
        *whole.get_legend_handles_labels(),
        title="AUROC in %",
        loc="outside lower center",
        ncols=4,
        frameon=False,
    )
    return figure


def group_dot_plot(
    table: pd.DataFrame,
    means: Mapping[str, Interval] | None = None,
    label: str = "AUROC in %",
    chance: float = 0.5,
) -> Figure:
    """Each group's estimate with its interval, methods below one another in fixed order, hardest group at the
    bottom.

    table: columns group, method, estimate, low, high in [0, 1], as `diffad.evaluation.per_group_table` gives
    it. means: each method's mean over the groups, drawn in a band of its own on top. Groups are sorted by the
    first method.
    """
    methods = list(dict.fromkeys(table["method"]))
    estimates = table.pivot(index="group", columns="method", values="estimate")
    if estimates.isna().any(axis=None) or set(methods) - set(means or methods):
        raise ValueError("table must hold every method for every group, and means every method of the table")
    groups = list(estimates[methods[0]].sort_values(ascending=False, kind="stable").index)
    bands = (["mean"] if means else []) + groups
    step = len(methods) * ROW_HEIGHT + GROUP_GAP
    figure = Figure(figsize=(7.5, len(bands) * step + 1.1), layout="constrained")
    axes = figure.subplots()
    for index, method in enumerate(methods):
        rows = table[table["method"] == method].set_index("group")
        values = [means[method]] if means else []
        values += [Interval(*rows.loc[group, ["estimate", "low", "high"]]) for group in groups]
        heights = np.arange(len(bands)) * step + (index - (len(methods) - 1) / 2) * ROW_HEIGHT
        _draw_intervals(axes, values, heights, method)
    for band in range(0, len(bands), 2):
        axes.axhspan((band - 0.5) * step, (band + 0.5) * step, color="0.95", zorder=0)
    axes.axvline(100 * chance, color="0.5", linewidth=0.8, linestyle=":")
    axes.set_yticks(np.arange(len(bands)) * step, [band.replace("_", " ") for band in bands])
    axes.tick_params(axis="y", length=0)
    axes.set(xlabel=label, ylim=((len(bands) - 0.5) * step, -0.5 * step))
    if means:
        axes.get_yticklabels()[0].set_fontweight("bold")
        axes.axhline(0.5 * step, color="0.3", linewidth=0.8)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, frameon=False)
    return figure


def _draw_intervals(axes, values: Sequence[Interval], heights: np.ndarray, method: str) -> None:
    look = method_look(method)
    estimates, lows, highs = 100 * np.array([[value.estimate, value.low, value.high] for value in values]).T
    axes.errorbar(
        estimates,
        heights,
        xerr=np.maximum([estimates - lows, highs - estimates], 0),  # a skewed bootstrap may miss its estimate
        fmt=look.marker,
        color=look.colour,
        markersize=3.5,
        elinewidth=1,
        label=method_title(method),
    )


def level_heatmap(table: pd.DataFrame, label: str = "AUROC in %", title: str | None = None) -> Figure:
    """What each noise level sees: a row a group, a column a noise level t/T, the value printed in each cell.

    table: index of group names, columns of noise levels, values in [0, 1]. Below 0.5 a score is inverted.
    """
    figure = Figure(figsize=(0.58 * table.shape[1] + 2.6, 0.3 * table.shape[0] + 1.2), layout="constrained")
    axes = figure.subplots()
    shown = (100 * table).rename(index=lambda name: str(name).replace("_", " "))
    auroc_heatmap(axes, shown, cbar_kws={"label": label, "pad": 0.02})
    axes.set(xlabel="noise level t/T", ylabel="")
    axes.tick_params(axis="both", length=0)
    axes.tick_params(axis="x", rotation=0)
    axes.tick_params(axis="y", rotation=0)
    if title:
        axes.set_title(title)
    return figure


def reconstruction_grid(
    images: np.ndarray, reconstructions: np.ndarray, error_maps: np.ndarray, names: Sequence[str]
) -> Figure:
    """Input, reconstruction and error map below one another, an image a column.

    images, reconstructions: uint8 (n, height, width, 1 or 3). error_maps: (n, height, width), at least 0, on
    one colour scale for all columns. names: n short column titles, such as a corruption's name.
    """
    num_images = len(images)
    if not (len(reconstructions) == len(error_maps) == len(names) == num_images > 0):
        counts = [num_images, len(reconstructions), len(error_maps), len(names)]
        raise ValueError(
            f"images, reconstructions, error_maps and names must be as many, at least one, got {counts}"
        )
    figure = Figure(figsize=(0.95 * num_images + 1.5, 3.5), layout="constrained")
    axes = figure.subplots(3, num_images, squeeze=False)
    largest = (
        float(np.quantile(error_maps, 0.995)) or float(np.max(error_maps)) or 1.0
    )  # a few pixels would darken all
    for column in range(num_images):
        for row, stack in enumerate((images, reconstructions)):
            show_image(axes[row, column], stack[column])
        shown = axes[2, column].imshow(error_maps[column], cmap="magma", vmin=0, vmax=largest)
        axes[0, column].set_title(str(names[column]).replace("_", "\n"), fontsize=8)
    for row, text in enumerate(("input", "reconstruction", "error")):
        axes[row, 0].set_ylabel(text, rotation=0, ha="right", va="center")
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
        each.spines[:].set(
            visible=True, color="0.7", linewidth=0.5
        )  # white borders must not melt into the page
    figure.colorbar(shown, ax=axes[2, :], pad=0.01, aspect=8, label="error")
    return figure


def show_image(axes, image: np.ndarray) -> None:
    """A grey or colour uint8 image (height, width, channels) at its full range."""
    axes.imshow(image[..., 0] if image.shape[-1] == 1 else image, cmap="gray", vmin=0, vmax=255)


def training_curve(history: TrainingHistory) -> Figure:
    """L_simple against images seen: of the training batches, and of the moving average on held-out normals."""
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.subplots()
    axes.plot(history.update, history.loss, color="0.55", linestyle="--", label="training batches")
    if history.validation_loss[0] is not None:
        axes.plot(
            history.update,
            history.validation_loss,
            color=METHOD_COLOURS["ddpm"],
            label="held-out normals (moving average)",
        )
    axes.set(xlabel="update", ylabel=r"$L_\mathrm{simple}$", yscale="log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.legend()
    return figure
