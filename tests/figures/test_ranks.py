"""The diagram of average ranks shows every method, and joins what no test tells apart."""

import numpy as np
import pandas as pd
import pytest

from diffad.figures.ranks import critical_difference_diagram
from diffad.statistics import average_ranks, pairwise_tests


@pytest.fixture
def table():
    generator = np.random.default_rng(0)
    base = generator.normal(size=12)
    return pd.DataFrame(
        {
            "unet/one_step": base + 2 + 0.1 * generator.random(12),
            "iforest": base + 0.01 * generator.normal(size=12),
            "copod": base + 0.01 * generator.normal(size=12),
        }
    )


def test_every_method_stands_by_its_title_and_rank(table):
    figure = critical_difference_diagram(average_ranks(table), pairwise_tests(table))
    figure.canvas.draw()
    texts = " ".join(text.get_text() for text in figure.axes[0].texts)
    assert all(title in texts for title in ("U-Net, one level", "IForest", "COPOD")) and "(1.0)" in texts


def test_a_bar_joins_only_what_is_not_told_apart(table):
    ranks, p_values = average_ranks(table), pairwise_tests(table)
    assert p_values.loc["iforest", "copod"] > 0.05 > p_values.loc["unet/one_step", "copod"]
    joined, alone = (
        sum(line.get_linewidth() == 2.5 for line in critical_difference_diagram(ranks, each).axes[0].lines)
        for each in (p_values, p_values * 0)
    )
    assert joined == 1 and alone == 0


def test_one_method_and_missing_p_values_are_refused(table):
    ranks, p_values = average_ranks(table), pairwise_tests(table)
    with pytest.raises(ValueError, match="ranks: got 1 methods"):
        critical_difference_diagram(ranks[:1], p_values)
    with pytest.raises(ValueError, match="copod without"):
        critical_difference_diagram(ranks, p_values.drop(index="copod"))
