"""Figures of one-class tasks: how normal images and anomalies score, and which images score lowest and highest.

Every function takes data and returns a matplotlib Figure.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from diffad.evaluation import auroc
from diffad.figures.results import show_image
from diffad.figures.style import OKABE_ITO

BINS = 24


def score_histograms(labels: np.ndarray, scores_by_title: Mapping[str, np.ndarray]) -> Figure:
    """Normal images and anomalies under each of several scores, a panel a score, on logarithmic axes.

    labels: (n,) of 0 and 1. scores_by_title: {title: (n,) positive scores}. Each panel's title gives the AUROC in %.
    """
    if not scores_by_title or any((np.asarray(each) <= 0).any() for each in scores_by_title.values()):
        raise ValueError(
            "scores_by_title: got no score, or one that is not positive, expected positive scores"
        )
    figure = Figure(figsize=(8, 2.9), layout="constrained")
    axes = figure.subplots(1, len(scores_by_title), squeeze=False)[0]
    for axis, (title, scores) in zip(axes, scores_by_title.items(), strict=True):
        edges = np.geomspace(scores.min(), scores.max(), BINS + 1)
        axis.hist(scores[labels == 0], edges, density=True, color="0.72", label="normal")
        axis.hist(
            scores[labels == 1],
            edges,
            density=True,
            histtype="step",
            linewidth=1.6,
            color=OKABE_ITO["vermilion"],
            label="anomalous",
        )
        axis.set_title(f"{title}: {100 * auroc(labels, scores):.1f} %")
        axis.set(xscale="log", xlabel="score (logarithmic)", yticks=[])
        axis.spines["left"].set_visible(False)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return figure


def image_rows(rows: Mapping[str, np.ndarray]) -> Figure:
    """Rows of images, each with its title at the left.

    rows: {title: uint8 (n, height, width, 1 or 3)}, equally many in each row.
    """
    counts = {len(images) for images in rows.values()}
    if len(counts) != 1 or 0 in counts:
        raise ValueError(
            f"rows: got rows of {sorted(counts)} images, expected equally many in each, at least one"
        )
    (count,) = counts
    figure = Figure(figsize=(0.72 * count + 1.6, 0.76 * len(rows) + 0.1), layout="constrained")
    axes = figure.subplots(len(rows), count, squeeze=False)
    for row, (title, images) in enumerate(rows.items()):
        for column, image in enumerate(images):
            show_image(axes[row, column], image)
            axes[row, column].set(xticks=[], yticks=[])
            axes[row, column].spines[:].set(visible=True, color="0.7", linewidth=0.5)
        axes[row, 0].set_ylabel(title, rotation=0, ha="right", va="center", fontsize=9)
    return figure
