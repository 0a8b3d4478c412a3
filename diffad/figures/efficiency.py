"""Figures of what detection costs: growth with images and rows, its exponents, and accuracy against cost.

Every function takes data and returns a matplotlib Figure. Lines are named at the right edge, in the order of their
ends, and points beside themselves, so that no legend has to be matched by colour; colours and markers are those of all
pages.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, NullLocator

from diffad.efficiency.growth import Growth, Quantity
from diffad.efficiency.record import EfficiencyRecord
from diffad.efficiency.recorded import Trade, frontier, is_network
from diffad.efficiency.settings import NETWORK_METHODS, Measurement, Phase
from diffad.efficiency.tables import title_of
from diffad.figures.labels import Label, label_beside
from diffad.figures.results import MethodLook, method_look
from diffad.figures.style import method_title

LABEL_SIZE = 7.5  # points
LINE_HEIGHT = 1.2 * LABEL_SIZE / 72  # inches
LABEL_PLACE = 1.045  # of the axes' width
UNITS = {"seconds": 1.0, "bytes": 1e-6}
AXIS_LABELS = {
    ("training", "seconds"): "training, seconds",
    ("scoring", "seconds"): "scoring an image, seconds",
    ("training", "bytes"): "peak memory of training, MB",
    ("scoring", "bytes"): "peak memory of scoring, MB",
}
SIZE_LABELS = {"pixels": "pixels a side", "rows": "training rows"}


def look_of(method: str) -> MethodLook:
    """The method's look on every page; the long walk is drawn as partial diffusion with another marker and dash."""
    if method == "partial_diffusion_250":
        return MethodLook(method_look("partial_diffusion").colour, "X", (0, (1, 1)))
    return method_look(method)


def growth_curves(
    record: EfficiencyRecord, phase: Phase, quantity: Quantity, axes: Sequence[str] = ("pixels", "rows")
) -> Figure:
    """Cost against size on logarithmic axes: medians, bars from the lowest to the highest round, a panel an axis.

    Behind a name stands the exponent that was fitted. A cross stands where this phase was stopped for its time, as low
    as its cost could have been. Where training was stopped, scoring was never tried: its line ends without a cross.
    """
    figure = Figure(figsize=(4.6 * len(axes), 4.9), layout="constrained")
    for panel, axis in zip(figure.subplots(1, len(axes), squeeze=False)[0], axes, strict=True):
        _growth_panel(panel, record, axis, phase, quantity)
    return figure


def _growth_panel(panel: Axes, record: EfficiencyRecord, axis: str, phase: Phase, quantity: Quantity) -> None:
    found = [
        each for each in record.summaries if (each.axis, each.phase, each.quantity) == (axis, phase, quantity)
    ]
    exponents = {
        each.method: each
        for each in record.growths
        if (each.axis, each.phase, each.quantity) == (axis, phase, quantity)
    }
    sizes = record.settings.sides if axis == "pixels" else record.settings.rows
    labels = []
    for method in dict.fromkeys(each.method for each in found):
        look, unit = look_of(method), UNITS[quantity]
        rows = [each for each in found if each.method == method and each.median > 0]
        if not rows:
            continue
        x = [each.size for each in rows]
        y, low, high = unit * np.array([[each.median, each.low, each.high] for each in rows]).T
        panel.errorbar(
            x, y, yerr=[y - low, high - y], color=look.colour, linestyle=look.dash, marker=look.marker,
            markersize=3.5, linewidth=1.1, elinewidth=0.8,
        )  # fmt: skip
        end = x[-1], y[-1]
        if quantity == "seconds" and (stop := _stop(record, method, axis, phase)) is not None:
            bound = stop.size, unit * least_cost(stop, record)
            panel.plot([x[-1], bound[0]], [y[-1], bound[1]], color=look.colour, linestyle=":", linewidth=0.9)
            panel.plot(*bound, marker="x", color=look.colour, markersize=6)
            end = bound
        labels.append(Label(*end, _named(method, phase, exponents.get(method)), look.colour))
    panel.set(xscale="log", yscale="log", xlabel=SIZE_LABELS[axis], ylabel=AXIS_LABELS[phase, quantity])
    panel.set_xlim(sizes[0] / 1.15, sizes[-1] * 1.15)
    panel.xaxis.set_major_locator(FixedLocator(sizes))
    panel.xaxis.set_major_formatter(FixedFormatter([_short(size) for size in sizes]))
    panel.xaxis.set_minor_locator(NullLocator())
    panel.grid(axis="y", color="0.92")
    panel.set_axisbelow(True)
    label_right(panel, labels, height=4.2)


def _short(size: int) -> str:
    return f"{size / 1000:g}k" if size >= 1000 else f"{size}"


def _named(method: str, phase: Phase, growth: Growth | None) -> str:
    exponent = (
        "" if growth is None else f"  {round(growth.exponent, 1) + 0.0:.1f}"
    )  # + 0.0: no minus before 0
    exponent = exponent.replace("-", "\N{MINUS SIGN}")
    return title_of(method, phase).replace("DDPM, ", "") + exponent


def _stop(record: EfficiencyRecord, method: str, axis: str, phase: Phase) -> Measurement | None:
    """Where the method's phase was stopped for its own time; None where it was not, or was never reached."""
    stopped = [each for each in record.stopped() if (each.method, each.axis) == (method, axis)]
    untrained = {each.size for each in stopped if each.phase == "training"}
    for each in stopped:
        reached = phase == "training" or each.size not in untrained
        if each.phase == phase and reached and each.stopped.endswith(" s"):
            return each
    return None


def least_cost(stop: Measurement, record: EfficiencyRecord) -> float:
    """Seconds that the stopped phase would have cost at least, in the unit of a `Summary`."""
    settings = record.settings
    if stop.method not in NETWORK_METHODS:
        return settings.cap_seconds / (1 if stop.phase == "training" else settings.scored_images)
    batch = settings.batch(stop.side, NETWORK_METHODS[stop.method][1])
    if stop.phase == "scoring":
        return settings.cap_seconds / batch
    return settings.cap_seconds / (settings.updates * settings.batch(stop.side)) * settings.images_seen


def label_right(panel: Axes, labels: Sequence[Label], height: float) -> None:
    """Write names at the right edge in the order of their points, moved apart where they would touch.

    Args:
        panel: everything else is drawn; its limits are kept from here on.
        labels: each with its point.
        height: of the panel, about, in inches.
    """
    if not labels:
        return
    panel.set(xlim=panel.get_xlim(), ylim=panel.get_ylim())
    to_axes = panel.transScale + panel.transLimits
    points = to_axes.transform([(each.x, each.y) for each in labels])  # (labels, 2) in fractions of the panel
    places = spread(points[:, 1], LINE_HEIGHT / height)
    for label, (x, y), place in zip(labels, points, places, strict=True):
        panel.plot(
            [x, LABEL_PLACE - 0.008], [y, place], transform=panel.transAxes, color=label.colour, linewidth=0.5,
            alpha=0.6, clip_on=False, zorder=0.5,
        )  # fmt: skip
        panel.text(
            LABEL_PLACE, place, label.text, transform=panel.transAxes, color=label.colour, fontsize=LABEL_SIZE,
            va="center", ha="left",
        )  # fmt: skip


def spread(values: Sequence[float], gap: float) -> np.ndarray:
    """Values moved as little as need be (in squares) so that in their order each is at least `gap` from the next.

    Returns:
        (n,), in the order given. It is isotonic regression of the values less their places in the row.
    """
    values = np.asarray(values, dtype=float)
    order = np.argsort(values, kind="stable")
    wanted = values[order] - gap * np.arange(len(values))
    blocks: list[list[float]] = []  # [mean, count]
    for value in wanted:
        blocks.append([value, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, count = blocks.pop()
            before = blocks[-1]
            blocks[-1] = [(before[0] * before[1] + mean * count) / (before[1] + count), before[1] + count]
    level = np.concatenate([np.full(int(count), mean) for mean, count in blocks]) if blocks else wanted
    moved = np.empty(len(values))
    moved[order] = level + gap * np.arange(len(values))
    return moved


def exponents(record: EfficiencyRecord, quantity: Quantity = "seconds") -> Figure:
    """The exponent of each method's cost with its 95 % interval: filled for training, open for scoring.

    On the axis of pixels n is the count of numbers an image holds. Lines mark constant, linear and quadratic growth.
    """
    axes = [axis for axis in ("pixels", "rows") if any(each.axis == axis for each in record.growths)]
    found = [each for each in record.growths if each.quantity == quantity]
    methods = [name for name in record.settings.methods if any(each.method == name for each in found)]
    figure = Figure(figsize=(8.4, 0.32 * len(methods) + 1.3), layout="constrained")
    panels = figure.subplots(1, max(len(axes), 1), sharey=True, squeeze=False)[0]
    for panel, axis in zip(panels, axes, strict=True):
        for each in (each for each in found if each.axis == axis):
            look, training = look_of(each.method), each.phase == "training"
            panel.errorbar(
                each.exponent, methods.index(each.method) + (-0.14 if training else 0.14),
                xerr=[[each.exponent - each.low], [each.high - each.exponent]],
                fmt="o" if training else "D", color=look.colour, markersize=5,
                markerfacecolor=look.colour if training else "white", elinewidth=1.1,
            )  # fmt: skip
        for law, name in enumerate(("constant", "linear", "quadratic")):
            panel.axvline(law, color="0.75", linewidth=0.8, linestyle="--", zorder=0)
            panel.text(
                law,
                1.01,
                name,
                transform=panel.get_xaxis_transform(),
                ha="center",
                va="bottom",
                fontsize=8,
                color="0.35",
            )
        low, high = panel.get_xlim()
        panel.set_xlim(max(min(low, -0.3), -1.2), min(max(high, 2.35), 3.2))
        of = "numbers an image holds" if axis == "pixels" else "training rows"
        panel.set(xlabel=f"exponent, against {of}", ylim=(len(methods) - 0.5, -0.5))
        panel.tick_params(axis="y", length=0)
    panels[0].set_yticks(range(len(methods)), [title_of(name) for name in methods])
    _phase_legend(figure, panels[0])
    return figure


def _phase_legend(figure: Figure, panel: Axes) -> None:
    handles = [
        panel.plot([], [], linestyle="none", marker="o", color="0.3", label="training")[0],
        panel.plot(
            [], [], linestyle="none", marker="D", color="0.3", markerfacecolor="white", label="scoring"
        )[0],
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=2)


def accuracy_and_cost(found: Mapping[str, Sequence[Trade]]) -> Figure:
    """Mean AUROC against the seconds of a task (logarithmic), a panel an experiment; a grey line joins the frontier.

    found: title -> the methods of an experiment. Diffusion is filled, a traditional detector open.
    """
    if not found or not all(found.values()):
        raise ValueError(
            f"found: got {dict.fromkeys(found)}, expected at least one experiment, each with methods"
        )
    columns = min(2, len(found))
    rows = -(-len(found) // columns)
    figure = Figure(figsize=(4.6 * columns, 3.9 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for unused in panels[len(found) :]:
        unused.set_axis_off()
    for panel, (title, methods) in zip(panels, found.items(), strict=False):
        best = frontier(methods)
        panel.step(
            [each.seconds for each in best],
            [100 * each.auroc for each in best],
            where="post",
            color="0.8",
            linewidth=4,
        )
        for each in methods:
            look = look_of(each.method)
            face = look.colour if is_network(each.method) else "white"
            panel.plot(
                each.seconds,
                100 * each.auroc,
                marker=look.marker,
                color=look.colour,
                markerfacecolor=face,
                markersize=5,
            )
        panel.set(
            xscale="log", xlabel="seconds a task, training and scoring", ylabel="mean AUROC in %", title=title
        )
        panel.margins(x=0.1, y=0.1)
        first, last = panel.get_xlim()
        panel.set_xlim(first, last * (last / first) ** 0.3)  # room for names behind the slowest
        panel.axhline(50, color="0.5", linewidth=0.8, linestyle=":")
    figure.draw_without_rendering()  # the layout is settled before names look for room
    for panel, methods in zip(panels, found.values(), strict=False):
        label_beside(
            panel,
            [
                Label(each.seconds, 100 * each.auroc, _short_title(each.method), look_of(each.method).colour)
                for each in methods
            ],
        )
    return figure


def _short_title(method: str) -> str:
    return method_title(method).replace("DDPM, ", "U-Net, ")
