"""Figures of the theory chapters: the forward process, the bound, the samplers.

Every function takes arrays, returns a matplotlib Figure, and shows nothing by itself. Curves differ by colour
and by dash, so that they stay apart in grey.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from scipy.stats import norm

from diffad.figures.style import OKABE_ITO

COLOURS = [OKABE_ITO[name] for name in ("blue", "vermilion", "green", "orange", "purple", "sky", "black")]
DASHES = ["-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)), (0, (1, 1)), (0, (8, 2))]
GREY = "#777777"


def styles(count: int) -> list[dict]:
    """Line styles for `count` curves: colour and dash both change."""
    return [{"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]} for i in range(count)]


def image_rows(
    rows: Mapping[str, np.ndarray],
    titles: Sequence[str] | None = None,
    size: float = 0.8,
    label_width: float = 1.1,
) -> Figure:
    """Rows of grey images, each row named on the left, each column named above.

    Args:
        rows: name -> images (columns, height, width), values in [-1, 1]; all rows equally long.
        titles: one for each column.
        size: inches of an image.
        label_width: inches kept for the names.
    """
    columns = len(next(iter(rows.values())))
    height = size * len(rows) + (0.3 if titles else 0.05)
    figure = Figure(figsize=(label_width + size * columns, height))
    left, top = label_width / (label_width + size * columns), 1 - (0.28 if titles else 0.02) / height
    axes = figure.subplots(len(rows), columns, squeeze=False)
    figure.subplots_adjust(left=left, right=0.995, top=top, bottom=0.02, wspace=0.08, hspace=0.08)
    for row, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(row, images, strict=True):
            axis.imshow(image, cmap="gray", vmin=-1, vmax=1)
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
        row[0].set_ylabel(name, rotation=0, ha="right", va="center", labelpad=6, fontsize=9)
    for axis, title in zip(axes[0], titles or [], strict=False):
        axis.set_title(title, fontsize=8, pad=3)
    return figure


def simulation_against_formula(
    samples: Mapping[int, np.ndarray], formulas: Mapping[int, tuple[float, float]], x_0: float
) -> Figure:
    """Histograms of simulated x_t at several t over the density that the closed form gives.

    Args:
        samples: t -> simulated values (n,).
        formulas: t -> mean and variance of q(x_t | x_0).
        x_0: the clean value, marked in each panel.
    """
    figure = Figure(figsize=(2.1 * len(samples), 2.3), layout="constrained")
    panels = figure.subplots(1, len(samples), sharey=True)
    for axis, (t, values) in zip(panels, samples.items(), strict=True):
        mean, variance = formulas[t]
        grid = np.linspace(-3.5, 3.5, 400)
        axis.hist(
            values, bins=60, range=(-3.5, 3.5), density=True, color=OKABE_ITO["sky"], label="simulated chain"
        )
        axis.plot(grid, norm.pdf(grid, mean, variance**0.5), color=OKABE_ITO["black"], label="closed form")
        axis.axvline(x_0, color=OKABE_ITO["vermilion"], linestyle="--", label="$x_0$")
        axis.set(title=f"t = {t}", xlabel="$x_t$")
    panels[0].set_ylabel("density")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, fontsize=9)
    return figure


def schedule_curves(
    time: Mapping[str, np.ndarray], alpha_bar: Mapping[str, np.ndarray], log_snr: Mapping[str, np.ndarray]
) -> Figure:
    """Two views of each schedule over t / T: the share of signal left, and the log signal-to-noise ratio.

    Args:
        time: name -> t / T of each entry.
        alpha_bar, log_snr: name -> values in the same order; entries that are not finite are left out.
    """
    figure = Figure(figsize=(8.4, 3.4), layout="constrained")
    left, right = figure.subplots(1, 2)
    # The first is the widest, so that a curve that lies under a later one is seen on both sides of it.
    widths = np.linspace(3.6, 1.2, len(time))
    for (name, u), style, width in zip(time.items(), styles(len(time)), widths, strict=True):
        left.plot(u, alpha_bar[name], label=name, linewidth=width, **style)
        finite = np.isfinite(log_snr[name])
        right.plot(u[finite], log_snr[name][finite], label=name, linewidth=width, **style)
    left.set(xlabel="t / T", ylabel=r"signal left, $\bar\alpha_t$", ylim=(-0.02, 1.02))
    right.set(xlabel="t / T", ylabel="log SNR", ylim=(-21, 15))
    right.axhline(0, color=GREY, linewidth=0.8)
    right.text(0, -0.4, "as much noise\nas signal", color=GREY, fontsize=8, va="top")
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower center", ncols=4, fontsize=9)
    return figure


def bayes_step(
    grid: np.ndarray, densities: Mapping[str, np.ndarray], simulated: np.ndarray, x_0: float, x_t: float
) -> Figure:
    """The posterior of one step back as the product of two Gaussians, with simulated chains beside it.

    Args:
        grid: values of x_{t-1}.
        densities: label -> density on the grid; the last is the posterior.
        simulated: x_{t-1} of simulated chains that passed close to x_t.
        x_0, x_t: the two known ends, marked on the axis.
    """
    figure = Figure(figsize=(7, 3.2), layout="constrained")
    axis = figure.subplots()
    axis.hist(simulated, bins=40, density=True, color="#cccccc", label="simulated chains that end near $x_t$")
    for (name, density), style in zip(densities.items(), styles(len(densities)), strict=True):
        axis.plot(grid, density, label=name, linewidth=2, **style)
    top = axis.get_ylim()[1]
    for value, name in ((x_0, "$x_0$"), (x_t, "$x_t$")):
        axis.plot([value], [0], marker="v", color=OKABE_ITO["black"], markersize=8, clip_on=False, zorder=5)
        axis.annotate(name, (value, 0.05 * top), ha="center", va="bottom")
    axis.set(xlabel="$x_{t-1}$", ylabel="density", xlim=(grid[0], grid[-1]))
    axis.legend(loc="upper left", fontsize=9)
    return figure


def curves(
    x: Mapping[str, np.ndarray],
    y: Mapping[str, np.ndarray],
    xlabel: str,
    ylabel: str,
    log_x: bool = False,
    log_y: bool = False,
    points: Sequence[str] = (),
) -> Figure:
    """One panel of named curves.

    Args:
        x, y: name -> values.
        points: names to draw as dots, for what was measured beside what was computed.
    """
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axis = figure.subplots()
    for (name, values), style in zip(y.items(), styles(len(y)), strict=True):
        if name in points:
            axis.plot(x[name], values, "o", markersize=4, color=style["color"], fillstyle="none", label=name)
        else:
            axis.plot(x[name], values, label=name, linewidth=1.8, **style)
    axis.set(
        xlabel=xlabel, ylabel=ylabel, xscale="log" if log_x else "linear", yscale="log" if log_y else "linear"
    )
    axis.legend(fontsize=9)
    return figure


def where_bits_go(spent: Mapping[str, np.ndarray], parts: Mapping[str, Mapping[str, float]]) -> Figure:
    """Where along the way each schedule spends its bits, and what the three parts of the bound add up to.

    Args:
        spent: name -> bits per dimension in equal bins of t / T.
        parts: name -> "reconstruction", "denoising" and "prior" in bits per dimension.
    """
    figure = Figure(figsize=(8.6, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    for (name, values), style in zip(spent.items(), styles(len(spent)), strict=True):
        edges = np.linspace(0, 1, len(values) + 1)
        left.stairs(values, edges, label=name, linewidth=2, **style)
    left.set(xlabel="t / T", ylabel="bits per dimension in the bin", xlim=(0, 1), yscale="log")
    left.legend()
    start = np.zeros(len(parts))
    looks = {
        "reconstruction": ("$L_0$", ""),
        "denoising": ("sum of $L_{t-1}$", "//"),
        "prior": ("$L_T$", "xx"),
    }
    for (part, (label, hatch)), colour in zip(looks.items(), COLOURS, strict=False):
        widths = np.array([values[part] for values in parts.values()])
        right.barh(list(parts), widths, left=start, color=colour, hatch=hatch, edgecolor="white", label=label)
        start += widths
    right.set(xlabel="bits per dimension")
    right.invert_yaxis()
    handles, labels = right.get_legend_handles_labels()
    right.legend(handles, labels, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=3, fontsize=9)
    return figure


def paths_over_density(
    paths: Mapping[str, np.ndarray], density: np.ndarray, values: np.ndarray, times: np.ndarray
) -> Figure:
    """Sample paths from noise (left) to data (right) over the densities that they should follow.

    Args:
        paths: name -> (steps + 1, paths), evenly spaced from the last time down to 0.
        density: (values, times), shown in grey, each time scaled to its own maximum.
        values, times: the axes of `density`.
    """
    figure = Figure(figsize=(8.4, 3.2), layout="constrained")
    figure.get_layout_engine().set(wspace=0.08)
    panels = figure.subplots(1, len(paths), sharey=True)
    shade = (density / density.max(axis=0)) ** 0.5
    for axis, (name, walk) in zip(panels, paths.items(), strict=True):
        axis.pcolormesh(
            times, values, shade, cmap="Greys", vmin=0, vmax=1.8, shading="nearest", rasterized=True
        )
        steps = np.linspace(times[-1], 0, len(walk))
        axis.plot(steps, walk, linewidth=0.9, color=OKABE_ITO["blue"])
        axis.set(title=name, xlabel="t", xlim=(times[-1], 0))
    panels[0].set_ylabel("x")
    return figure


def histograms(samples: Mapping[str, np.ndarray], grid: np.ndarray, density: np.ndarray) -> Figure:
    """Histograms of samples, each with the density they should have.

    Args:
        samples: name -> values (n,).
        grid, density: the exact density; the panels end where the grid does.
    """
    figure = Figure(figsize=(8.4, 2.8), layout="constrained")
    panels = figure.subplots(1, len(samples), sharey=True)
    edges = np.linspace(grid[0], grid[-1], 90)
    for axis, (name, values) in zip(panels, samples.items(), strict=True):
        heights = np.histogram(values, edges)[0] / (len(values) * np.diff(edges))  # walkers outside count too
        axis.stairs(heights, edges, fill=True, color=OKABE_ITO["sky"], label="samples")
        axis.plot(grid, density, color=OKABE_ITO["black"], linewidth=1.2, label="exact density")
        axis.set(title=name, xlabel="x")
    panels[0].set_ylabel("density")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=9)
    return figure


def truth_against_estimate(
    truth: np.ndarray, estimates: Mapping[str, np.ndarray], xlabel: str, ylabel: str
) -> Figure:
    """Estimates over the true values; on the diagonal they agree.

    Args:
        truth: (n,).
        estimates: name -> (n,).
    """
    figure = Figure(figsize=(4.6, 3.6), layout="constrained")
    axis = figure.subplots()
    span = [truth.min(), truth.max()]
    axis.plot(span, span, color=GREY, linewidth=1)
    for (name, values), colour, marker in zip(estimates.items(), COLOURS, "o+x^", strict=False):
        axis.plot(truth, values, marker, color=colour, fillstyle="none", markersize=6, label=name)
    axis.set(xlabel=xlabel, ylabel=ylabel)
    axis.legend(fontsize=9)
    return figure
