"""Figures of ablations: schedules over the noise levels, several trainings of each setting, cost against steps, and what
matters.

Every function takes data and returns a matplotlib Figure. Settings are told apart by colour, marker and dash.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from diffad.bootstrap import Interval
from diffad.figures.style import OKABE_ITO
from diffad.importance import MADE_UP, Importance
from diffad.schedules import NoiseSchedule
from diffad.sensitivity import DEFAULT, DESIGN

SCHEDULE_TITLES = {"linear": "linear", "cosine": "cosine", "sigmoid": "sigmoid", "log_linear": "log-linear"}
LOOKS = (
    (OKABE_ITO["vermilion"], "o", "-"),
    (OKABE_ITO["blue"], "s", (0, (5, 1.5))),
    (OKABE_ITO["green"], "D", (0, (1, 1))),
    (OKABE_ITO["purple"], "^", (0, (5, 1, 1, 1))),
    (OKABE_ITO["orange"], "v", (0, (3, 1, 1, 1, 1, 1))),
    (OKABE_ITO["black"], "P", (0, (8, 2))),
)


def setting_title(name: str) -> str:
    """A setting's name for readers: a schedule's, or "T = 1,000" for t1000."""
    if name[:1] == "t" and name[1:].isdigit():
        return f"T = {int(name[1:]):,}"
    return SCHEDULE_TITLES.get(name, name)


def schedule_curves(schedules: Mapping[str, NoiseSchedule], levels: Sequence[float]) -> Figure:
    """Left: log-SNR against t / T. Right: how much of a training falls on each log-SNR.

    levels: log-SNRs at which the networks are asked, drawn as thin lines.
    """
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.arange(-12, 12.1, 1.0)
    for (name, schedule), (colour, _, dash) in zip(schedules.items(), LOOKS, strict=False):
        log_snr = schedule.log_snr[1:].numpy()
        time = np.arange(1, len(log_snr) + 1) / len(log_snr)
        left.plot(time, log_snr, color=colour, linestyle=dash, label=setting_title(name))
        counts, _ = np.histogram(log_snr, bins)
        right.plot((bins[1:] + bins[:-1]) / 2, 100 * counts / len(log_snr), color=colour, linestyle=dash)
    for level in levels:
        left.axhline(level, color="0.8", linewidth=0.7, zorder=0)
        right.axvline(level, color="0.8", linewidth=0.7, zorder=0)
    left.set(xlabel="t / T", ylabel="log-SNR", xlim=(0, 1), ylim=(-12, 12))
    right.set(
        xlabel="log-SNR (clean to the right)",
        ylabel="share of training, % a unit",
        xlim=(-12, 12),
        ylim=(0, None),
    )
    figure.legend(*left.get_legend_handles_labels(), loc="outside upper center", ncols=len(schedules))
    return figure


def curves_of_trainings(
    places: Sequence[float],
    panels: Mapping[str, Mapping[str, np.ndarray]],
    xlabel: str,
    ylabels: Sequence[str],
    chance: Sequence[float | None] | None = None,
    logarithmic: Sequence[bool] | None = None,
) -> Figure:
    """A panel a quantity, in it each setting's mean over its trainings (bold) and every training (thin dots).

    Args:
        places: (points,) along the horizontal axis.
        panels: title -> {setting: (trainings, points)}; NaN where a setting has no such point.
        ylabels: one a panel.
        chance: a dotted line a panel, or None.
        logarithmic: whether a panel's vertical axis is.
    """
    places = np.asarray(places, float)
    figure = Figure(figsize=(max(4.2 * len(panels), 5.6), 3.7), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for number, (axis, (title, settings)) in enumerate(zip(axes, panels.items(), strict=True)):
        for (name, values), (colour, marker, dash) in zip(settings.items(), LOOKS, strict=False):
            values = np.atleast_2d(values)
            if values.shape[1] != len(places):
                raise ValueError(
                    f"panels: {title!r} {name!r} has {values.shape[1]} points, expected {len(places)}"
                )
            mean = values.mean(axis=0)
            there = np.isfinite(mean)
            axis.plot(places[there], mean[there], color=colour, linestyle=dash, label=setting_title(name))
            for row in values:
                axis.plot(
                    places[there], row[there], marker, color=colour, markersize=3.5, alpha=0.6, linewidth=0
                )
        if chance and chance[number] is not None:
            axis.axhline(chance[number], color="0.5", linewidth=0.8, linestyle=":")
        if logarithmic and logarithmic[number]:
            axis.set_yscale("log")
            _plain_numbers(axis.yaxis)
        axis.set(xlabel=xlabel, ylabel=ylabels[number], title=title)
        axis.grid(axis="y", color="0.92")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=len(LOOKS))
    return figure


def settings_by_method(
    panels: Mapping[str, tuple[Mapping[str, Interval], Mapping[str, Sequence[float]]]],
    label: str = "mean AUROC in %",
) -> Figure:
    """A panel a score, a row a setting: its mean with an interval, and a small mark for every training where there are
    several.

    panels: title -> ({setting: interval}, {setting: one number a training}), all in [0, 1].
    """
    figure = Figure(figsize=(2.9 * len(panels) + 1, 2.9), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, (intervals, trainings)) in zip(axes, panels.items(), strict=True):
        for row, ((name, interval), (colour, marker, _)) in enumerate(
            zip(intervals.items(), LOOKS, strict=False)
        ):
            low, estimate, high = 100 * interval.low, 100 * interval.estimate, 100 * interval.high
            axis.errorbar(
                estimate,
                row,
                xerr=[[max(estimate - low, 0)], [max(high - estimate, 0)]],
                fmt=marker,
                color=colour,
                markersize=7,
                elinewidth=1.4,
            )
            found = 100 * np.asarray(trainings[name])
            if len(found) > 1:  # a single one is the mean itself
                axis.plot(
                    found,
                    np.full(len(found), row + 0.28),
                    "|",
                    color=colour,
                    markersize=9,
                    markeredgewidth=1.5,
                )
        axis.set(title=title, xlabel=label)
        axis.grid(axis="x", color="0.92")
        axis.set_axisbelow(True)
    names = list(next(iter(panels.values()))[0])
    axes[0].set_yticks(range(len(names)), [setting_title(name) for name in names])
    axes[0].set(ylim=(len(names) - 0.4, -0.6))
    return figure


def against_steps(
    steps: Sequence[int],
    panels: Mapping[str, Sequence[Interval | float]],
    xlabel: str,
    logarithmic: Sequence[str] = (),
) -> Figure:
    """A panel a quantity against a number of steps on a logarithmic axis; intervals where there are some.

    panels: title -> a number or interval for each of `steps`. logarithmic: titles of panels whose vertical axis is.
    """
    columns = min(len(panels), 3)
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(3.0 * columns, 2.8 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, values) in zip(axes, panels.items(), strict=False):
        ends = np.array(
            [(v.low, v.estimate, v.high) if isinstance(v, Interval) else (v, v, v) for v in values], float
        )  # (steps, 3)
        low, middle, high = ends.T
        axis.errorbar(
            steps,
            middle,
            yerr=np.maximum([middle - low, high - middle], 0),
            fmt="o-",
            color=OKABE_ITO["blue"],
            markersize=4.5,
            elinewidth=1.2,
        )
        axis.set(xscale="log", xlabel=xlabel, title=title)
        axis.set_xticks(list(steps), [f"{step:,}" for step in steps])
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.tick_params(axis="x", labelsize=8)
        axis.grid(axis="y", color="0.92")
        if title in logarithmic:
            axis.set_yscale("log")
            _plain_numbers(axis.yaxis)
    return figure


def importance_bars(panels: Mapping[str, Importance], titles: Mapping[str, str]) -> Figure:
    """What matters: a panel a result, a bar a setting with its interval, in one order; random numbers at the bottom.

    titles: setting -> name for readers. Settings stand by their mean share over the panels.
    """
    names = [
        name for name in dict.fromkeys(n for each in panels.values() for n in each.shares) if name != MADE_UP
    ]

    def mean_share(name: str) -> float:
        return float(np.mean([each.shares[name].estimate for each in panels.values() if name in each.shares]))

    order = [*sorted(names, key=mean_share, reverse=True), MADE_UP]
    figure = Figure(figsize=(2.9 * len(panels) + 1.2, 0.32 * len(order) + 1.3), layout="constrained")
    axes = figure.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axis, (title, importance) in zip(axes, panels.items(), strict=True):
        for row, name in enumerate(order):
            if name not in importance.shares:
                axis.annotate(
                    "no part in it",
                    (0, row),
                    (5, 0),
                    textcoords="offset points",
                    va="center",
                    fontsize=8,
                    color="0.5",
                )
                continue
            share = importance.shares[name]
            low, estimate, high = 100 * share.low, 100 * share.estimate, 100 * share.high
            axis.barh(
                row,
                estimate,
                0.65,
                color="0.75" if name == MADE_UP else OKABE_ITO["sky"],
                xerr=[[max(estimate - low, 0)], [max(high - estimate, 0)]],
                error_kw={"elinewidth": 1.2, "ecolor": "0.25"},
            )
            axis.plot(estimate, row, "o", color="0.25", markersize=3)  # a bar of no length is seen by it
        axis.axvline(0, color="0.3", linewidth=0.8)
        axis.set(title=title, xlabel="share of variance, %")
    axes[0].set_yticks(range(len(order)), [titles.get(name, name) for name in order])
    axes[0].set(ylim=(len(order) - 0.5, -0.5))
    return figure


def one_at_a_time(
    panels: Mapping[str, tuple[Sequence, Mapping[str, Sequence[float]]]],
    floors: Mapping[str, tuple[float, float, float]],
    ylabel: str,
    defaults: Mapping[str, object],
) -> Figure:
    """A panel a setting: each result against the setting's values, all others at their default.

    Args:
        panels: title -> (values, {result: one number a value}).
        floors: result -> lowest, mean and highest over seeds of the default, drawn as a band with a line in it.
        ylabel: of the results.
        defaults: title -> the default among its values, marked by a ring.
    """
    columns = 4
    rows = -(-len(panels) // columns)
    figure = Figure(figsize=(2.5 * columns, 2.4 * rows + 0.4), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False)
    for axis in axes.ravel()[len(panels) :]:
        axis.set_axis_off()
    for axis, (title, (values, results)) in zip(axes.ravel(), panels.items(), strict=False):
        places = np.arange(len(values))
        for (name, found), (colour, marker, dash) in zip(results.items(), LOOKS, strict=False):
            low, mean, high = floors[name]
            axis.axhspan(low, high, color=colour, alpha=0.18, linewidth=0)
            axis.plot([-0.4, len(values) - 0.6], [mean, mean], color=colour, linewidth=0.8, alpha=0.7)
            axis.plot(places, found, marker=marker, color=colour, linestyle=dash, markersize=4.5, label=name)
            here = list(values).index(defaults[title])
            axis.plot(here, found[here], "o", markersize=10, markerfacecolor="none", color=colour)
        axis.set_xticks(places, [_short(value) for value in values])
        axis.set(title=title, xlim=(-0.4, len(values) - 0.6))
        axis.grid(axis="y", color="0.92")
    for axis in axes[:, 0]:
        axis.set_ylabel(ylabel)
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def scatter_of_cells(
    places: Sequence[float],
    panels: Mapping[str, Sequence[float]],
    kinds: Sequence[str],
    xlabel: str,
    ylabel: str,
) -> Figure:
    """A panel a result: every training of a study against a logarithmic axis, told apart by its kind of cell."""
    places, kinds = np.asarray(places, float), np.asarray(kinds)
    groups = (
        ("all settings changed", kinds == DESIGN, "o", {"color": OKABE_ITO["sky"]}),
        (
            "one setting changed",
            (kinds != DESIGN) & (kinds != DEFAULT),
            "x",
            {"color": OKABE_ITO["vermilion"]},
        ),
        ("default, several seeds", kinds == DEFAULT, "o", {"color": "black", "markerfacecolor": "none"}),
    )
    figure = Figure(figsize=(4.2 * len(panels), 3.7), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        for label, chosen, marker, look in groups:
            axis.plot(
                places[chosen],
                np.asarray(values, float)[chosen],
                marker,
                markersize=5,
                linewidth=0,
                label=label,
                **look,
            )
        axis.set(xscale="log", xlabel=xlabel, ylabel=ylabel, title=title)
        _plain_numbers(axis.xaxis)
        axis.grid(axis="y", color="0.92")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _short(value) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)


def _plain_numbers(axis) -> None:
    axis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
