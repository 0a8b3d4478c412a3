"""Percentages on one scale of colours, red below chance and blue above it, each with its number."""

import pandas as pd
import seaborn as sns
from matplotlib.axes import Axes


def auroc_heatmap(axes: Axes, percent: pd.DataFrame, size: float = 8, **options) -> None:
    """Draw `percent`, values in [0, 100], whose middle is chance.

    Args:
        size: of the numbers, in points.
        options: for `seaborn.heatmap`, such as `cbar=False`.
    """
    scale = {"vmin": 0, "vmax": 100, "cmap": "RdBu"}
    numbers = {"annot": True, "fmt": ".0f", "annot_kws": {"size": size}}
    sns.heatmap(percent, ax=axes, **scale, **numbers, **{"linewidths": 0.5, **options})
