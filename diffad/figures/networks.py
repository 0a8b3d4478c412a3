"""Figures of the networks' chapter: what a denoiser sees, where it looks, where its parameters are, what it costs.

Every function takes arrays, returns a matplotlib Figure, and shows nothing by itself.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from diffad.figures.style import OKABE_ITO
from diffad.figures.theory import styles

PARTS = {  # part of an architecture -> colour and hatch, the same in every network
    "convolutions, going down": ("#9BC8E6", ""),
    "convolutions, middle": (OKABE_ITO["sky"], "//"),
    "convolutions, going up": (OKABE_ITO["blue"], ""),
    "perceptrons": (OKABE_ITO["green"], ""),
    "attention": (OKABE_ITO["vermilion"], "xx"),
    "adaLN-Zero": (OKABE_ITO["orange"], ".."),
    "time and class": (OKABE_ITO["yellow"], ""),
    "input and output": ("#777777", ""),
}


def receptive_fields(
    fields: Mapping[str, Sequence[np.ndarray]],
    titles: Sequence[str],
    row: int,
    column: int,
    reaches: Mapping[str, Sequence[float]] | None = None,
    size: float = 1.05,
) -> Figure:
    """Heat maps of how strongly one pixel of a prediction depends on each pixel of the input.

    Args:
        fields: name of a network -> one map (height, width) a column, at least 0; each is drawn to its own maximum, in
            steps of the square root.
            A single row needs no name ("").
        titles: one a column.
        row, column: the pixel that is predicted, framed.
        reaches: the same names -> a distance in pixels, written below each map.
        size: inches of a map.
    """
    label, gap = 1.35 if any(fields) else 0.05, 0.26 if reaches else 0.06
    columns, heading = len(titles), 0.06 + 0.17 * max(title.count("\n") + 1 for title in titles)
    width, height = label + size * columns, (size + gap) * len(fields) + heading
    figure = Figure(figsize=(width, height))
    axes = figure.subplots(len(fields), columns, squeeze=False)
    figure.subplots_adjust(
        left=label / width,
        right=0.995,
        top=1 - heading / height,
        bottom=gap / height,
        wspace=0.08,
        hspace=gap / size,
    )
    for line, (name, maps) in zip(axes, fields.items(), strict=True):
        for index, (axis, field) in enumerate(zip(line, maps, strict=True)):
            scale = PowerNorm(
                0.5, vmin=0, vmax=max(float(np.max(field)), 1e-30)
            )  # else one pixel outshines all
            axis.imshow(field, cmap="magma", norm=scale)
            axis.add_patch(
                Rectangle(
                    (column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=OKABE_ITO["sky"], linewidth=1
                )
            )
            axis.set(xticks=[], yticks=[])
            if reaches:
                axis.set_xlabel(_pixels(reaches[name][index]), fontsize=8, labelpad=2)
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6, fontsize=9)
    for axis, title in zip(axes[0], titles, strict=True):
        axis.set_title(title, fontsize=8.5, pad=3)
    return figure


def _pixels(reach: float) -> str:
    return "sees nothing" if np.isnan(reach) else f"{reach:.1f} px"


def attention_grid(maps: Mapping[str, np.ndarray], token: tuple[int, int]) -> Figure:
    """Where one token looks, head by head (columns) and block by block (rows), in a group of panels for each name.

    Args:
        maps: name -> shares (blocks, heads, grid, grid), each map adding up to 1; one scale for all.
        token: row and column of the token that looks, framed.
    """
    blocks, heads = next(iter(maps.values())).shape[:2]
    figure = Figure(figsize=(8.4, 8.4 / (len(maps) * (heads + 0.6)) * blocks + 0.6), layout="constrained")
    *groups, edge = figure.subfigures(1, len(maps) + 1, width_ratios=[1] * len(maps) + [0.22])
    largest = max(float(values.max()) for values in maps.values())
    for group, (name, values) in zip(groups, maps.items(), strict=True):
        axes = group.subplots(blocks, heads, squeeze=False)
        for (block, head), axis in np.ndenumerate(axes):
            shown = axis.imshow(values[block, head], cmap="magma", vmin=0, vmax=largest)
            axis.add_patch(
                Rectangle(
                    (token[1] - 0.5, token[0] - 0.5),
                    1,
                    1,
                    fill=False,
                    edgecolor=OKABE_ITO["sky"],
                    linewidth=1.5,
                )
            )
            axis.set(xticks=[], yticks=[])
            if head == 0:
                axis.set_ylabel(f"block {block + 1}", fontsize=8)
            if block == 0:
                axis.set_title(f"head {head + 1}", fontsize=8, pad=3)
        group.suptitle(name, fontsize=10)
    edge.colorbar(shown, cax=edge.add_axes((0.05, 0.15, 0.2, 0.65)), label="share")
    return figure


def parameter_bars(parts: Mapping[str, Mapping[str, int]]) -> Figure:
    """The share of each part of the architecture in a network's parameters, and how many there are altogether.

    Args:
        parts: name of a network -> part -> number of parameters; the parts are keys of `PARTS`.
    """
    figure = Figure(figsize=(8.4, 0.36 * len(parts) + 1.3), layout="constrained")
    axes = figure.subplots()
    left = np.zeros(len(parts))
    totals = np.array([sum(each.values()) for each in parts.values()])
    for part, (colour, hatch) in PARTS.items():
        shares = np.array([each.get(part, 0) for each in parts.values()]) / totals * 100
        if shares.any():
            axes.barh(
                range(len(parts)), shares, left=left, color=colour, hatch=hatch, edgecolor="white", label=part
            )
        left += shares
    for place, total in enumerate(totals):
        axes.annotate(f" {millions(total)}", (100, place), va="center", fontsize=9)
    axes.set_yticks(range(len(parts)), list(parts))
    axes.invert_yaxis()
    axes.set(xlabel="share of the parameters, %", xlim=(0, 108))
    axes.set_xticks(range(0, 101, 20))
    figure.legend(*axes.get_legend_handles_labels(), loc="outside upper center", ncols=4, fontsize=9)
    return figure


def millions(count: int) -> str:
    """A number of parameters for readers: "0.18 M", "35.7 M", "675 M"."""
    value = count / 1e6
    return f"{value:.2f} M" if value < 1 else f"{value:.1f} M" if value < 100 else f"{value:.0f} M"


def cost_curves(
    pixels: Sequence[int], operations: Mapping[str, Sequence[float]], seconds: Mapping[str, Sequence[float]]
) -> Figure:
    """What one evaluation costs against the side of the image: operations on the left, time on the right.

    Args:
        pixels: sides of the images.
        operations: name -> floating-point operations of one image at each side.
        seconds: some of the same names -> seconds at the first sides; shorter where it was not measured further.
    """
    figure = Figure(figsize=(8.4, 3.7), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, values), style in zip(operations.items(), styles(len(operations)), strict=True):
        left.plot(pixels, values, marker="o", markersize=3.5, label=name, **style)
        if name in seconds:
            measured = seconds[name]
            right.plot(pixels[: len(measured)], measured, marker="o", markersize=3.5, **style)
    left.set(ylabel="floating-point operations, counted")
    right.set(ylabel="seconds, measured here")
    for axis in (left, right):
        axis.set(xscale="log", yscale="log", xlabel="pixels a side")
        axis.set_xticks(pixels, [str(side) for side in pixels])
        axis.minorticks_off()
        axis.grid(color="0.92")
    right.set_xlim(left.get_xlim())
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=9)
    return figure
