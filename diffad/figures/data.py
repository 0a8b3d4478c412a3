"""Figures of data: what is normal, what is anomalous, what a corruption does, and where a set repeats
itself.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from diffad.figures.style import OKABE_ITO

NORMAL, ANOMALOUS = OKABE_ITO["blue"], OKABE_ITO["vermilion"]


@dataclass(frozen=True)
class WallRow:
    """One row of a picture wall: uint8 (n, height, width, 1 or 3) of normal and of anomalous images."""

    title: str
    normal: np.ndarray
    anomalous: np.ndarray


def picture_wall(rows: Sequence[WallRow], columns: int = 7) -> Figure:
    """Show each row's first images: normal ones on the left, framed solid; anomalous ones on the right,
    framed dashed.

    Args:
        rows: at least one, each with at least one image on both sides.
        columns: images a side.
    """
    if not rows or any(not len(row.normal) or not len(row.anomalous) for row in rows):
        raise ValueError("rows must be at least one, with images on both sides")
    figure = Figure(figsize=(8.4, 0.53 * len(rows) + 0.35))
    grid = figure.add_gridspec(
        len(rows), 2 * columns + 1, width_ratios=[1] * columns + [0.35] + [1] * columns,
        left=0.21, right=0.995, top=1 - 0.3 / (0.53 * len(rows) + 0.35), bottom=0.01, wspace=0.08, hspace=0.1,
    )  # fmt: skip
    for line, row in enumerate(rows):
        for side, (images, colour, dash) in enumerate(
            ((row.normal, NORMAL, "-"), (row.anomalous, ANOMALOUS, "--"))
        ):
            for column, image in enumerate(images[:columns]):
                axes = figure.add_subplot(grid[line, side * (columns + 1) + column])
                _show(axes, _thumbnail(image, 64))
                _frame(axes, colour, dash)
                if line == 0 and column == 0:
                    axes.set_title(("normal", "anomalous")[side], loc="left", color=colour, pad=3)
                if side == column == 0:
                    axes.set_ylabel(row.title, rotation=0, ha="right", va="center", labelpad=6, fontsize=8.5)
    return figure


def corruption_sheet(clean: np.ndarray, corrupted: Mapping[str, np.ndarray], columns: int = 4) -> Figure:
    """Show the same digits clean and under each corruption, one titled strip each.

    Args:
        clean: uint8 (n, height, width, 1).
        corrupted: a corruption's name to the same images corrupted.
        columns: strips a row.
    """
    strips = {"clean": clean, **corrupted}
    rows = -(-len(strips) // columns)
    figure = Figure(figsize=(8.4, 0.75 * rows), layout="constrained")
    for axes in (grid := figure.subplots(rows, columns, squeeze=False).ravel()):
        axes.set_axis_off()
    for axes, (name, images) in zip(grid, strips.items(), strict=False):
        _show(axes, np.concatenate(_spaced(images), axis=1))
        axes.set_title(
            name.replace("_", " "), fontsize=9, pad=2, color=NORMAL if name == "clean" else "black"
        )
    return figure


def at_one_scale(images: Mapping[str, np.ndarray]) -> Figure:
    """Show one image of each set so that a pixel has the same size in all of them, with its number of values.

    Args:
        images: title to uint8 (height, width, 1 or 3).
    """
    widths = [max(image.shape[1], 46) for image in images.values()]  # room for the titles of tiny images
    tallest = max(image.shape[0] for image in images.values())
    scale = 7.6 / (sum(widths) + 10 * len(widths))  # inches a pixel
    height = tallest * scale + 0.75
    figure = Figure(figsize=(8.4, height))
    left = 0.3
    for (title, image), width in zip(images.items(), widths, strict=True):
        place = [left / 8.4, 0.08 / height, image.shape[1] * scale / 8.4, image.shape[0] * scale / height]
        axes = figure.add_axes(place)
        _show(axes, image)
        _frame(axes, "0.6", "-")
        size = " × ".join(str(side) for side in image.shape)
        axes.set_title(f"{title}\n{size}\n= {image.size:,}", fontsize=7.5, loc="left", pad=3)
        left += (width + 10) * scale
    return figure


def outlined_defects(
    images: np.ndarray, masks: np.ndarray, titles: Sequence[str], columns: int = 6
) -> Figure:
    """Show images with the outline of the pixels that are anomalous.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        masks: bool (n, height, width).
        titles: n short strings.
    """
    rows = -(-len(images) // columns)
    figure = Figure(figsize=(8.4, 1.55 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, image, mask, title in zip(grid, images, masks, titles, strict=False):
        small = _thumbnail(image, 128)
        _show(axes, small)
        if mask.any():
            height, width = small.shape[:2]
            axes.contour(
                np.linspace(-0.5, width - 0.5, mask.shape[1]),
                np.linspace(-0.5, height - 0.5, mask.shape[0]),
                mask,
                levels=[0.5],
                colors=[ANOMALOUS],
                linewidths=1.2,
            )
        axes.set_title(title, fontsize=8)
    return figure


def look_alikes(tested: np.ndarray, trained: np.ndarray, similarity: np.ndarray, columns: int = 6) -> Figure:
    """Show tested images, each beside the training image most like it, with their correlation.

    Args:
        tested, trained: uint8 (n, height, width, 1 or 3), pair by pair.
        similarity: (n,) correlations.
    """
    rows = -(-len(tested) // columns)
    figure = Figure(figsize=(8.4, 0.92 * rows), layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid:
        axes.set_axis_off()
    for axes, first, second, value in zip(grid, tested, trained, similarity, strict=False):
        _show(axes, np.concatenate(_spaced(np.stack([first, second])), axis=1))
        axes.set_title(f"{value:.3f}", fontsize=7.5, pad=2)
    return figure


def mean_colours(groups: Mapping[str, np.ndarray]) -> Figure:
    """Show the mean colour of each image as a swatch, one row a group: is a group told by its colour alone?

    Args:
        groups: title to RGB colours in [0, 1], (n, 3).
    """
    longest = max(len(colours) for colours in groups.values())
    figure = Figure(figsize=(8.4, 0.42 * len(groups)))
    axes = figure.add_axes((0.17, 0.02, 0.82, 0.96))
    for row, colours in enumerate(groups.values()):
        strip = np.ones((1, longest, 3))
        strip[0, : len(colours)] = colours
        axes.imshow(
            strip, extent=(0, longest, row + 0.85, row + 0.15), aspect="auto", interpolation="nearest"
        )
        axes.vlines(np.arange(1, longest), row + 0.15, row + 0.85, color="white", linewidth=1)
    axes.set_ylim(len(groups), 0)
    axes.set_yticks(np.arange(len(groups)) + 0.5, [f"{title} ({len(c)})" for title, c in groups.items()])
    axes.set_xticks([])
    axes.tick_params(left=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
    return figure


def leak_effect(frame: pd.DataFrame) -> Figure:
    """Show for each data set how much of the test set was trained on under a leaking split, and what that is
    worth.

    Args:
        frame: rows are data sets, with columns ``set``, ``rows``, ``repeated`` (share of tested normals whose
            content was trained on), ``leaking`` and ``honest`` (AUROC in [0, 1]).
    """
    ordered = frame.sort_values("rows", ascending=False, ignore_index=True)
    figure = Figure(figsize=(8.4, 0.24 * len(ordered) + 0.9), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=[1, 1.6])
    places = np.arange(len(ordered))
    left.barh(places, 100 * ordered["repeated"], color="0.7", height=0.6)
    left.set_yticks(
        places, [f"{name} ({rows:,})" for name, rows in zip(ordered["set"], ordered["rows"], strict=True)]
    )
    left.set_xlabel("tested normals seen in training, %")
    right.hlines(places, 100 * ordered["honest"], 100 * ordered["leaking"], color="0.7", zorder=1)
    right.scatter(100 * ordered["honest"], places, color=NORMAL, marker="o", label="split first", zorder=2)
    right.scatter(
        100 * ordered["leaking"], places, color=ANOMALOUS, marker="D", label="repeated, then split", zorder=2
    )
    right.set_xlabel("AUROC of the nearest-neighbour detector, %")
    right.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2)
    return figure


def _show(axes: Axes, image: np.ndarray) -> None:
    axes.imshow(
        image[..., 0] if image.shape[-1] == 1 else image,
        cmap="gray",
        vmin=0,
        vmax=255,
        interpolation="nearest",
    )
    axes.set_xticks([])
    axes.set_yticks([])


def _thumbnail(image: np.ndarray, side: int) -> np.ndarray:
    """Return area means of `image`, `side` to 2 `side` pixels a side: photographs weigh on a page."""
    factor = max(1, min(image.shape[:2]) // side)
    height, width = (length // factor for length in image.shape[:2])
    blocks = image[: height * factor, : width * factor].reshape(height, factor, width, factor, image.shape[2])
    return np.rint(blocks.mean(axis=(1, 3))).astype(np.uint8)


def _frame(axes: Axes, colour: str, dash: str) -> None:
    for spine in axes.spines.values():
        spine.set(visible=True, color=colour, linestyle=dash, linewidth=1.4)


def _spaced(images: np.ndarray) -> list[np.ndarray]:
    """Return the images with a light gap of 1/14 of their width after each but the last."""
    gap = np.full((images.shape[1], max(1, images.shape[2] // 14), images.shape[3]), 190, np.uint8)
    return [piece for image in images for piece in (image, gap)][:-1]
