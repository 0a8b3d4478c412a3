"""Figures of where an anomaly is: error maps laid over their images, and the curves that judge them."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from diffad.figures.results import method_look, show_image
from diffad.figures.style import method_title
from diffad.localisation import FALSE_POSITIVE_LIMIT, overlap_curve, per_region_overlap

OVERLAY = "magma"
STRONGEST = 0.75  # opacity of the largest error; the image stays visible under it


def map_overlays(
    images: np.ndarray,
    maps: np.ndarray,
    names: Sequence[str],
    masks: np.ndarray | None = None,
    usual: float | None = None,
) -> Figure:
    """Images, and below each the same image under its error map; the true region outlined where it is known.

    Args:
        images: uint8 (n, height, width, 1 or 3).
        maps: (n, height, width), higher = more anomalous, on one colour scale for all columns.
        names: n short column titles.
        masks: bool (n, height, width), or None.
        usual: value from which on a pixel is coloured at all; the median of the maps if None.

    Raises:
        ValueError: counts or shapes that do not fit.
    """
    count = len(images)
    if not (len(maps) == len(names) == count > 0) or maps.shape != images.shape[:3]:
        raise ValueError(
            f"images, maps, names: got {images.shape}, {maps.shape} and {len(names)} names, expected one map and name an image"
        )
    if masks is not None and masks.shape != maps.shape:
        raise ValueError(f"masks: got shape {masks.shape}, expected {maps.shape} as the maps")
    lowest = float(np.median(maps)) if usual is None else usual
    highest = max(float(np.quantile(maps, 0.995)), lowest + np.finfo(float).eps * max(abs(lowest), 1))
    figure = Figure(figsize=(1.35 * count + 1.0, 3.1), layout="constrained")
    axes = figure.subplots(2, count, squeeze=False)
    for column in range(count):
        strength = np.clip((maps[column] - lowest) / (highest - lowest), 0, 1)
        for row in (0, 1):
            show_image(axes[row, column], images[column])
        shown = axes[1, column].imshow(
            maps[column], cmap=OVERLAY, vmin=lowest, vmax=highest, alpha=STRONGEST * strength
        )
        if masks is not None and masks[column].any():
            for row in (0, 1):
                axes[row, column].contour(masks[column], levels=[0.5], colors="white", linewidths=2)
                axes[row, column].contour(masks[column], levels=[0.5], colors="black", linewidths=0.8)
        axes[0, column].set_title(str(names[column]).replace("_", "\n"), fontsize=8)
    for row, text in enumerate(("input", "error map")):
        axes[row, 0].set_ylabel(text, rotation=0, ha="right", va="center")
    for each in axes.flat:
        each.set(xticks=[], yticks=[])
    bar = figure.colorbar(shown, ax=axes[1, :], pad=0.01, aspect=10, label="error")
    bar.ax.tick_params(labelsize=8)
    return figure


def overlap_curves(masks: np.ndarray, maps_by_method: Mapping[str, np.ndarray]) -> Figure:
    """Mean overlap of the regions against false positive rate, up to the limit that PRO integrates to.

    Args:
        masks: (n, height, width), not 0 where anomalous.
        maps_by_method: {name: (n, height, width)}, higher = more anomalous. The legend gives each PRO in %.
    """
    figure = Figure(figsize=(5.2, 3.4), layout="constrained")
    axes = figure.subplots()
    for method, maps in maps_by_method.items():
        look, curve = method_look(method), overlap_curve(masks, maps)
        area = 100 * per_region_overlap(masks, maps)
        axes.plot(*curve, color=look.colour, linestyle=look.dash, label=f"{method_title(method)}  {area:.1f}")
    axes.set(
        xlabel="false positive rate of pixels",
        ylabel="mean overlap of regions",
        xlim=(0, FALSE_POSITIVE_LIMIT),
        ylim=(0, 1.01),
    )
    axes.legend(title="PRO in %")
    return figure
