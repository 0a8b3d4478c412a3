"""Figures of feature space: what noise of one size drowns, and what each preparation makes of that.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from diffad.figures.results import DASHES
from diffad.figures.style import OKABE_ITO

COLOURS = tuple(OKABE_ITO[name] for name in ("vermilion", "orange", "blue", "green", "purple"))


def spread_over_noise(spreads: Mapping[str, np.ndarray]) -> Figure:
    """Spread of normal rows along each principal direction, in units of the noise; both axes logarithmic.

    spreads: {space: (directions,) standard deviations over that of the noise, falling}. Flat: all are drowned alike.
    """
    figure = Figure(figsize=(6.8, 3.3), layout="constrained")
    axis = figure.subplots()
    for (space, values), colour, dash in zip(spreads.items(), COLOURS, DASHES, strict=False):
        axis.plot(np.arange(1, len(values) + 1), values, color=colour, linestyle=dash, label=space)
    axis.set(xscale="log", yscale="log", xlabel="principal direction", ylabel="spread of normals / noise")
    axis.legend()
    return figure


def spaces_dot_plot(aurocs: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """The same detector in several spaces: a small dot a data set, a large one for their mean, a row a space.

    aurocs: {track: [{space: AUROC in [0, 1]} for each data set]}; a panel a track.
    """
    figure = Figure(figsize=(8, 2.9), layout="constrained")
    axes = figure.subplots(1, len(aurocs), sharey=True, squeeze=False)[0]
    for axis, (track, rows) in zip(axes, aurocs.items(), strict=True):
        spaces = list(rows[0])
        for place, (space, colour) in enumerate(zip(spaces, COLOURS, strict=False)):
            values = 100 * np.array([row[space] for row in rows])
            axis.plot(values, np.full(len(values), place), "o", color=colour, markersize=3.5, alpha=0.5)
            axis.plot(values.mean(), place, "D", color=colour, markersize=8, markeredgecolor="white")
            axis.text(values.mean(), place - 0.28, f"{values.mean():.1f}", ha="center", fontsize=8)
        axis.set_yticks(range(len(spaces)), spaces)
        axis.set(title=track, xlabel="AUROC in %", ylim=(len(spaces) - 0.5, -0.6))
        axis.tick_params(axis="y", length=0)
        axis.axvline(50, color="0.5", linewidth=0.8, linestyle=":")
    return figure
