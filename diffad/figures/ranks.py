"""Figures of many methods over many tasks: average ranks, and which differences a test can tell."""

import matplotlib
import pandas as pd
import scikit_posthocs
from matplotlib.figure import Figure

from diffad.figures.results import method_look
from diffad.figures.style import method_title


def critical_difference_diagram(ranks: pd.Series, p_values: pd.DataFrame, alpha: float = 0.05) -> Figure:
    """Average ranks on a line, best on the left; a bar joins methods among which no pair differs.

    Args:
        ranks: average rank of each method, from `diffad.statistics.average_ranks`; two methods or more.
        p_values: corrected p-values of every pair, from `diffad.statistics.pairwise_tests`.
        alpha: pairs with a larger p-value are joined.

    Raises:
        ValueError: fewer than two methods, or a method without p-values.
    """
    missing = [method for method in ranks.index if method not in p_values.index]
    if len(ranks) < 2 or missing:
        raise ValueError(
            f"ranks: got {len(ranks)} methods, {', '.join(missing) or 'none'} without p-values, expected 2 or more with them"
        )
    titles = {method: method_title(method) for method in ranks.index}
    shown = p_values.loc[ranks.index, ranks.index].rename(index=titles, columns=titles)
    figure = Figure(figsize=(9, 1.3 + 0.26 * len(ranks)), layout="constrained")
    axes = figure.subplots()
    with matplotlib.rc_context({"font.size": 9}):
        scikit_posthocs.critical_difference_diagram(
            ranks.rename(titles),
            shown,
            alpha=alpha,
            ax=axes,
            label_fmt_left="{label}  ({rank:.1f})",
            label_fmt_right="({rank:.1f})  {label}",
            color_palette={titles[method]: method_look(method).colour for method in ranks.index},
            elbow_props={"linewidth": 1},
            crossbar_props={"linewidth": 2.5, "color": "0.25"},
            marker_props={"s": 14},
            text_h_margin=0.02,
        )
    for text in axes.texts:
        text.set_color("0.1")  # names in the lines' own colours would be too pale to read
    axes.set_title("average rank (1 is best)", fontsize=9, pad=14)
    return figure
