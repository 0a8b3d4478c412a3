"""Tables of what detection costs, for the chapter: exponents, costs at one size, and what was stopped."""

from collections.abc import Sequence

import pandas as pd

from diffad.costs import count_flops, on_meta
from diffad.efficiency.growth import Growth, Summary, growths
from diffad.efficiency.record import EfficiencyRecord
from diffad.efficiency.settings import NETWORK_METHODS, Measurement
from diffad.figures.style import method_title
from diffad.tables import one_header, one_line

LONG_WALK_TITLE = "DDPM, partial diffusion, 250 steps"
NETWORK_TRAINING = {
    "one_step": "DDPM (U-Net)",
    "dit": "DiT",
}  # the training that all scores of a network share
COLUMNS = {
    ("training", "seconds"): "training, s",
    ("scoring", "seconds"): "scoring an image, ms",
    ("training", "bytes"): "memory of training, MB",
    ("scoring", "bytes"): "memory of scoring, MB",
}


def title_of(method: str, phase: str = "scoring") -> str:
    """The method's name for readers; of training, that of the network that is trained."""
    if phase == "training" and method in NETWORK_TRAINING:
        return NETWORK_TRAINING[method]
    if method == "dit":
        return "DiT, one level"
    return LONG_WALK_TITLE if method == "partial_diffusion_250" else method_title(method)


def seconds_text(seconds: float) -> str:
    """Seconds with two significant digits in the unit that suits them."""
    for unit, size in (("h", 3600), ("min", 60), ("s", 1), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= (2 * size if size >= 60 else size):
            return f"{_two_digits(seconds / size)} {unit}"
    return f"{seconds * 1e9:.2g} ns"


def _two_digits(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 else f"{value:.1f}"


def find(
    record: EfficiencyRecord, method: str, axis: str, phase: str, size: int, quantity="seconds"
) -> Summary | None:
    """The summary at that size; None where it was stopped or is not measured."""
    wanted = (method, axis, phase, size, quantity)
    found = (
        each
        for each in record.summaries
        if (each.method, each.axis, each.phase, each.size, each.quantity) == wanted
    )
    return next(found, None)


def cost_table(record: EfficiencyRecord, axis: str, size: int) -> pd.DataFrame:
    """A row a method at one size, fastest scoring first: medians with the lowest and highest round in brackets.

    Raises:
        ValueError: a size that was not asked for.
    """
    sizes = record.settings.sides if axis == "pixels" else record.settings.rows
    if size not in sizes:
        raise ValueError(f"size: got {size}, expected one of {', '.join(map(str, sizes))}")
    rows = {}
    for method in record.settings.methods:
        cells = {
            column: find(record, method, axis, phase, size, quantity)
            for (phase, quantity), column in COLUMNS.items()
        }
        if any(cells.values()):
            nfe = NETWORK_METHODS[method][1] if method in NETWORK_METHODS else 0
            rows[title_of(method)] = {"NFE": nfe, **cells}
    order = sorted(rows, key=lambda name: _median(rows[name][COLUMNS["scoring", "seconds"]]))
    shown = {name: {column: _shown(value, column) for column, value in rows[name].items()} for name in order}
    return one_header(pd.DataFrame.from_dict(shown, orient="index").rename_axis("method"))


def _median(summary: Summary | None) -> float:
    return float("inf") if summary is None else summary.median


def _shown(value: Summary | int | None, column: str) -> str:
    if not isinstance(value, Summary):
        return "–" if value is None else str(value)
    scale = 1e-6 if value.quantity == "bytes" else 1e3 if column.endswith("ms") else 1
    median, low, high = (f"{scale * each:,.3g}" for each in (value.median, value.low, value.high))
    return one_line(f"{median} ({low} to {high})")


def exponent_table(record: EfficiencyRecord, axis: str) -> pd.DataFrame:
    """A row a method: the exponent of each phase's seconds and bytes with its 95 % interval, and where it stopped."""
    found = {(each.method, each.phase, each.quantity): each for each in record.growths if each.axis == axis}
    titles = {
        ("training", "seconds"): "time of training",
        ("scoring", "seconds"): "time of scoring",
        ("training", "bytes"): "memory of training",
        ("scoring", "bytes"): "memory of scoring",
    }
    ends = stopped_at(record, axis)
    rows = {}
    for method in record.settings.methods:
        cells = {title: exponent_text(found.get((method, *key))) for key, title in titles.items()}
        if any(cell != "–" for cell in cells.values()) or method in ends:
            rows[title_of(method)] = cells | {"stopped": ends.get(method, "")}
    return one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("method"))


def exponent_text(growth: Growth | None) -> str:
    """ "1.02 (0.98 to 1.06)", or a dash."""
    if growth is None:
        return "–"
    exponent, low, high = (round(each, 2) + 0.0 for each in (growth.exponent, growth.low, growth.high))
    return one_line(f"{exponent:.2f} ({low:.2f} to {high:.2f})")


def stopped_at(record: EfficiencyRecord, axis: str) -> dict[str, str]:
    """Method -> where it was stopped on this axis and why, such as "256 px: more than 20 s"."""
    unit = "px" if axis == "pixels" else "rows"
    ends: dict[str, list[str]] = {}
    for each in record.stopped():
        if each.axis == axis:
            ends.setdefault(each.method, []).append(f"{each.size:,} {unit}, {each.phase}: {each.stopped}")
    return {method: "; ".join(dict.fromkeys(_shortened(texts))) for method, texts in ends.items()}


def _shortened(texts: Sequence[str]) -> list[str]:
    """A baseline whose training was stopped could not score either: that is said once."""
    without = {text.replace(", scoring:", ", training:") for text in texts if ", training:" in text}
    return [
        text
        for text in texts
        if ", scoring:" not in text or text.replace(", scoring:", ", training:") not in without
    ]


def evaluation_table(record: EfficiencyRecord) -> pd.DataFrame:
    """What one network evaluation of one image costs: a row a side; operations counted, seconds measured, their ratio."""
    rows = {}
    for side in record.settings.sides:
        row = {}
        for method, name in (("one_step", "U-Net"), ("dit", "DiT")):
            if method not in record.settings.methods:
                continue
            kind = NETWORK_METHODS[method][0]
            parameters = {"image_size": side, "channels": record.settings.channels}
            operations = count_flops(on_meta(kind, parameters | getattr(record.settings, kind)))
            summary = find(record, method, "pixels", "scoring", side)
            row[f"{name}, 10⁹ operations"] = f"{operations / 1e9:.3g}"
            row[f"{name}, ms"] = "–" if summary is None else f"{1e3 * summary.median:.3g}"
            rate = None if summary is None else operations / summary.median / 1e9
            row[f"{name}, 10⁹ operations a second"] = "–" if rate is None else f"{rate:.3g}"
        rows[f"{side} px"] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def seconds_an_evaluation(record: EfficiencyRecord, side: int) -> dict[str, float]:
    """Method of the U-Net -> seconds of scoring divided by its evaluations an image, where it was measured."""
    found = {}
    for method, (kind, evaluations, _) in NETWORK_METHODS.items():
        summary = find(record, method, "pixels", "scoring", side)
        if kind == "unet" and summary is not None:
            found[method] = summary.median / evaluations
    return found


def sizes_text(axis: str, sizes: Sequence[int]) -> str:
    """Sizes of an axis from the smallest to the largest, with their unit: "32 to 128 px"."""
    return f"{min(sizes):,} to {max(sizes):,} {'px' if axis == 'pixels' else 'rows'}"


def exponents_at_common_sizes(
    record: EfficiencyRecord, methods: Sequence[str], axis: str, phase: str
) -> dict[str, Growth]:
    """Exponents of seconds fitted at the sizes at which all of `methods` were measured, the larger half of them.

    Methods that were stopped at different sizes are fitted at different ones in the record; here they can be compared.
    Empty where they share fewer than three sizes.
    """
    measured = {
        method: {each.size for each in record.measurements if _is_measured(each, method, axis, phase)}
        for method in methods
    }
    common = set.intersection(*measured.values())
    some = [
        each
        for each in record.measurements
        if each.size in common and any(_is_measured(each, method, axis, phase) for method in methods)
    ]
    found = {each.method: each for each in growths(some, record.settings) if each.quantity == "seconds"}
    return found if set(found) == set(methods) else {}


def _is_measured(each: Measurement, method: str, axis: str, phase: str) -> bool:
    return (each.method, each.axis, each.phase) == (method, axis, phase) and each.stopped is None


GROWTH_WORDS = (
    (0.25, "hardly"),
    (0.8, "less than linearly"),
    (1.2, "about linearly"),
    (1.8, "faster than linearly"),
    (float("inf"), "about quadratically, or faster"),
)


def growth_word(exponent: float) -> str:
    """How cost grows, in words, by the exponent."""
    return next(word for limit, word in GROWTH_WORDS if exponent < limit)


def growth_sentences(record: EfficiencyRecord, axis: str, phase: str) -> str:
    """Markdown: a bullet for each word of growth with the methods that the fitted exponents of seconds put there.

    Methods that were not measured at the largest size are fitted at smaller ones, which stand behind their name.
    """
    groups: dict[str, list[str]] = {}
    largest = max(record.settings.sides if axis == "pixels" else record.settings.rows)
    for each in record.growths:
        if (each.axis, each.phase, each.quantity) == (axis, phase, "seconds"):
            title = title_of(each.method, phase)
            if max(each.sizes) < largest:
                title += f" (at {sizes_text(axis, each.sizes)})"
            groups.setdefault(growth_word(each.exponent), []).append(title)
    return "\n".join(f"- {word}: {'; '.join(groups[word])}" for _, word in GROWTH_WORDS if word in groups)
