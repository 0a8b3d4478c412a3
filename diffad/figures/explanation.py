"""The picture of an explanation: the image, where it is unusual, its place among normal images, and what each level said."""

from io import BytesIO

import numpy as np
import PIL.Image
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from diffad.explanation import Explanation
from diffad.figures.maps import OVERLAY, STRONGEST
from diffad.figures.results import show_image
from diffad.figures.style import OKABE_ITO

LARGEST_SCALE = (
    2.0  # a map's colours reach at least to so many times the usual error: noise must not look like a finding
)
NORMAL, FLAGGED, PASSED = "0.6", OKABE_ITO["vermilion"], OKABE_ITO["blue"]


def explanation_figure(explanation: Explanation, name: str = "") -> Figure:
    """Four panels: the image; the same under its error map; its score among those of held-out normals; its levels.

    Args:
        explanation: of `diffad.explanation.explain_image`.
        name: of the image, over its panel.
    """
    figure = Figure(figsize=(10.4, 2.9), layout="constrained")
    image, overlay, scores, levels = figure.subplots(1, 4, width_ratios=(1, 1.18, 1.4, 1.6))
    show_image(image, explanation.image)
    height, width, _ = explanation.image.shape
    image.set_title(f"the image, at {height} x {width} pixels", fontsize=9)
    _draw_map(figure, overlay, explanation)
    _draw_scores(scores, explanation)
    _draw_levels(levels, explanation)
    for each in (image, overlay):
        each.set(xticks=[], yticks=[])
    verdict = "called anomalous" if explanation.anomalous else "not called anomalous"
    figure.suptitle(f"{name}: {verdict}" if name else verdict, fontsize=11)
    return figure


def full_colour(figure: Figure, dpi: int = 150) -> bytes:
    """A figure with photographs as PNG in 256 colours that keep the rare ones, such as a map's brightest spots.

    `diffad.figures.style.sharp_png` gives most of its colours to what covers most of a figure, here cloth and buttons.
    """
    drawn, small = BytesIO(), BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi, bbox_inches="tight")
    with PIL.Image.open(drawn) as image:
        kept = image.convert("RGB").quantize(256, method=PIL.Image.Quantize.MAXCOVERAGE)
        kept.save(small, "png", optimize=True)
    return small.getvalue()


def _colour(explanation: Explanation) -> str:
    return FLAGGED if explanation.anomalous else PASSED


def _draw_map(figure: Figure, axes, explanation: Explanation) -> None:
    values = explanation.error_map
    highest = max(float(values.max()), LARGEST_SCALE)
    show_image(axes, explanation.image)
    strength = np.clip((values - 1) / (highest - 1), 0, 1)
    shown = axes.imshow(values, cmap=OVERLAY, vmin=1, vmax=highest, alpha=STRONGEST * strength)
    axes.set_title("its error, in times the usual", fontsize=9)
    figure.colorbar(shown, ax=axes, pad=0.02, aspect=15, shrink=0.75).ax.tick_params(labelsize=8)


def _draw_scores(axes, explanation: Explanation) -> None:
    normal, score = explanation.normal_scores, explanation.score
    edges = np.linspace(min(normal.min(), score), max(normal.max(), score, explanation.threshold), 25)
    axes.hist(normal, edges, color=NORMAL, label="held-out normals")
    below_legend = {"ymax": 0.6}
    axes.axvline(explanation.threshold, color="black", linestyle="--", label="threshold", **below_legend)
    axes.axvline(score, color=_colour(explanation), linewidth=2.5, label="this image", **below_legend)
    axes.set(xlabel="score", ylabel="images")
    axes.set_title(f"its score: p = {explanation.p_value:.2g}", fontsize=9)
    axes.set_ylim(top=1.75 * axes.get_ylim()[1])  # room for the legend
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, loc="upper center", borderaxespad=0.1)


def _draw_levels(axes, explanation: Explanation) -> None:
    z = [level.z for level in explanation.levels]
    axes.bar(range(len(z)), z, color=_colour(explanation))
    axes.axhline(0, color="black", linewidth=0.8)
    if explanation.rule in ("max", "max_abs"):  # one level alone can cross these lines
        for sign in (1, -1) if explanation.rule == "max_abs" else (1,):
            axes.axhline(sign * explanation.threshold, color="black", linestyle="--", linewidth=1)
    axes.set_xticks(range(len(z)), [level.step for level in explanation.levels], rotation=60, fontsize=8)
    axes.set(xlabel=f"noise level, t of {explanation.levels[0].num_steps}", ylabel="z of the error")
    axes.set_title("what each noise level says", fontsize=9)
