"""The picture of the landing page and the README, drawn from a run record.

    python -m diffad.figures.landing results/mnist-c/cpu book/_static/landing.png

The file carries the record's content hash, so that a test can tell whether it still shows what was recorded.
"""

import sys
from pathlib import Path

from matplotlib.figure import Figure
from PIL import Image

from diffad.figures.style import METHOD_COLOURS, method_title
from diffad.records import read_record
from diffad.run_record import RunRecord
from diffad.storage import publish_file

RECORD_KEY = "Record"
SHOWN = (
    "denoiser_profile",
    "levels_mahalanobis",
    "levels_max_abs",
    "one_step",
    "partial_diffusion",
    "lof",
    "copod",
    "pca",
    "mahalanobis",
    "knn",
    "iforest",
    "ocsvm",
)


def mean_dot_plot(record: RunRecord, methods: tuple[str, ...] = SHOWN) -> Figure:
    """Mean AUROC over the groups of each method with its interval, best on top; diffusion in filled circles."""
    known = [method for method in methods if method in record.nfe]
    order = sorted(known, key=lambda method: record.interval(method).estimate)
    figure = Figure(figsize=(7.2, 0.36 * len(order) + 0.9), layout="constrained")
    axes = figure.subplots()
    for row, method in enumerate(order):
        interval, diffusion = record.interval(method), record.nfe[method] > 0
        axes.plot(
            [100 * interval.low, 100 * interval.high], [row, row], color=METHOD_COLOURS[method], linewidth=2
        )
        axes.plot(
            100 * interval.estimate,
            row,
            "o" if diffusion else "D",
            color=METHOD_COLOURS[method],
            markerfacecolor=METHOD_COLOURS[method] if diffusion else "white",
            markersize=8,
        )
        axes.annotate(
            f"{100 * interval.estimate:.1f}",
            (100 * interval.high, row),
            xytext=(8, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(range(len(order)), [f"{method_title(method)}  " for method in order], fontsize=10)
    for label, method in zip(axes.get_yticklabels(), order, strict=True):
        label.set_fontweight("bold" if record.nfe[method] else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9")
    axes.set_axisbelow(True)
    axes.set(
        xlabel="mean AUROC over 15 corruptions of MNIST, in % (95 % intervals)", ylim=(-0.6, len(order) - 0.4)
    )
    axes.margins(x=0.1)
    axes.spines[["top", "right", "left"]].set_visible(False)
    return figure


def write_landing_figure(record_folder: Path, target: Path) -> None:
    """Draw the record's figure as PNG into `target`, marked with the record's content hash."""
    record, _ = read_record(record_folder)
    with publish_file(target) as path:
        mean_dot_plot(record).savefig(path, format="png", dpi=200, metadata={RECORD_KEY: record.content_hash})


def recorded_hash(target: Path) -> str | None:
    """The content hash that a landing figure carries; None where it carries none."""
    with Image.open(target) as image:
        return image.info.get(RECORD_KEY)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python -m diffad.figures.landing RECORD_FOLDER TARGET.png")
    write_landing_figure(Path(sys.argv[1]), Path(sys.argv[2]))
