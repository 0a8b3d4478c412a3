"""Figures that set two networks side by side: their reconstructions, and where in the spectrum they err.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from diffad.bootstrap import Interval
from diffad.figures.results import method_look
from diffad.figures.style import OKABE_ITO, method_title


def error_spectra(
    frequencies: np.ndarray, image_power: np.ndarray, error_power: Mapping[str, np.ndarray]
) -> Figure:
    """Share of each frequency's power that a network's reconstruction gets wrong.

    Args:
        frequencies: (bands,), cycles a pixel.
        image_power: (n, bands), of the images.
        error_power: {"unet" or "dit": (n, bands)} of the differences from the images.
    """
    if not error_power or any(each.shape != image_power.shape for each in error_power.values()):
        raise ValueError("error_power: got none or another shape, expected that of image_power")
    figure = Figure(figsize=(6.4, 3.1), layout="constrained")
    axes = figure.subplots()
    looks = {
        "unet": ("U-Net", OKABE_ITO["blue"], "o", "-"),
        "dit": ("DiT", OKABE_ITO["vermilion"], "s", "--"),
    }
    for network, power in error_power.items():
        title, colour, marker, dash = looks[network]
        share = power.mean(axis=0) / image_power.mean(axis=0)
        axes.plot(frequencies, share, dash, color=colour, marker=marker, markersize=5, label=title)
    axes.axhline(1, color="0.5", linewidth=0.8, linestyle=":")
    axes.set(
        xlabel="spatial frequency, cycles a pixel (coarse to fine)",
        ylabel="error / power of the image",
        yscale="log",
        xlim=(0, 0.5),
    )
    axes.legend(loc="lower right")
    return figure


def difference_plot(differences: Mapping[str, Interval], left: str = "DiT", right: str = "U-Net") -> Figure:
    """Paired differences of one network from the other, a row a score, with 95 % intervals.

    differences: {method: U-Net minus DiT, in [-1, 1]}; `right` is better where it lies right of 0.
    """
    if not differences:
        raise ValueError("differences: got none, expected one or more")
    figure = Figure(figsize=(6.6, 0.36 * len(differences) + 1.0), layout="constrained")
    axes = figure.subplots()
    for row, (method, each) in enumerate(differences.items()):
        look = method_look(method)
        axes.plot([100 * each.low, 100 * each.high], [row, row], color=look.colour, linewidth=2)
        axes.plot(100 * each.estimate, row, look.marker, color=look.colour, markersize=6)
    axes.axvline(0, color="0.4", linewidth=0.9)
    axes.set_yticks(
        range(len(differences)), [method_title(method).removeprefix("DDPM, ") for method in differences]
    )
    axes.tick_params(axis="y", length=0)
    axes.set(
        xlabel=f"difference in mean AUROC, points:  left {left} better,  right {right} better",
        ylim=(len(differences) - 0.4, -0.6),
    )
    return figure
