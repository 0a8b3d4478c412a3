"""Tables of the sensitivity study: the ranges, what matters, and the noise floor."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from scipy.stats import f as f_distribution
from scipy.stats import spearmanr

from diffad.bootstrap import Interval, percentile_interval
from diffad.importance import Importance
from diffad.sensitivity import DEFAULT, DESIGN, SETTINGS
from diffad.tables import one_header, one_line


def settings_table() -> pd.DataFrame:
    """Every setting: its default, its values one at a time, and its range in the design."""
    rows = {}
    for each in SETTINGS.values():
        rows[each.title] = {
            "default": _text(each.default),
            "one at a time": ", ".join(map(_text, each.values)),
            "all at once": ", ".join(map(_text, each.choices))
            if each.choices
            else f"{_text(each.low)} to {_text(each.high)}, logarithmic",
        }
    return one_header(pd.DataFrame.from_dict(rows, orient="index").rename_axis("setting"))


def one_at_a_time(
    table: pd.DataFrame, results: Mapping[str, str]
) -> dict[str, tuple[list, dict[str, list[float]]]]:
    """Setting's title -> (its values, {result: mean AUROC in % at each}), as `figures.ablations.one_at_a_time` draws it.

    table: `Sensitivity.table`. results: title -> method. The default's value is that of its first training.
    """
    panels = {}
    for setting in SETTINGS.values():
        cells = pd.concat([table[table["kind"] == setting.name], table.loc[[f"{DEFAULT}-0"]]])
        cells = cells.set_index(setting.name).loc[list(setting.values)]
        found = {title: (100 * cells[method]).tolist() for title, method in results.items()}
        panels[setting.title] = (list(setting.values), found)
    return panels


def importance_table(panels: Mapping[str, Importance], titles: Mapping[str, str]) -> pd.DataFrame:
    """A row a setting, a column a result: share of the variance in % with its interval; last, what forests explain."""
    names = list(dict.fromkeys(name for each in panels.values() for name in each.shares))
    table = pd.DataFrame(
        {
            result: {
                titles.get(name, name): one_line(each.shares[name].percent(0)) if name in each.shares else "-"
                for name in names
            }
            for result, each in panels.items()
        }
    )
    table.loc["explained by the forest"] = [one_line(each.r_squared.percent(0)) for each in panels.values()]
    return one_header(table.rename_axis("setting"))


def floor_ratios(
    quantities: Mapping[str, Sequence[float]], kinds: Sequence[str], confidence: float = 0.95
) -> dict[str, tuple[float, float, Interval]]:
    """Quantity -> (deviation over the default's seeds, over the design, share of the variance that seeds make)."""
    kinds, found = np.asarray(kinds), {}
    for title, values in quantities.items():
        seeds, design = (np.asarray(values, float)[kinds == kind] for kind in (DEFAULT, DESIGN))
        ratio = seeds.var(ddof=1) / design.var(ddof=1)
        tail, degrees = (1 - confidence) / 2, (len(seeds) - 1, len(design) - 1)
        low, high = (ratio / f_distribution.ppf(place, *degrees) for place in (1 - tail, tail))
        share = Interval(float(ratio), float(low), float(high))
        found[title] = float(seeds.std(ddof=1)), float(design.std(ddof=1)), share
    return found


def floor_table(quantities: Mapping[str, Sequence[float]], kinds: Sequence[str]) -> pd.DataFrame:
    """`floor_ratios` for readers, with the range over the design."""
    kinds, rows = np.asarray(kinds), {}
    for title, (seeds, design, share) in floor_ratios(quantities, kinds).items():
        values = np.asarray(quantities[title], float)[kinds == DESIGN]
        rows[title] = {
            "over seeds": f"{seeds:.2f}",
            "over the design": f"{design:.2f}",
            "seeds' share of the variance, %": one_line(share.percent(0)),
            "range over the design": f"{values.min():.1f} to {values.max():.1f}",
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("result")


def rank_correlation(
    one: Sequence[float],
    other: Sequence[float],
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Spearman's rank correlation with its percentile interval over resampled pairs."""
    one, other = np.asarray(one, float), np.asarray(other, float)
    generator = np.random.default_rng(seed)
    drawn = generator.integers(len(one), size=(num_resamples, len(one)))
    replicates = np.array([spearmanr(one[rows], other[rows]).statistic for rows in drawn])
    return percentile_interval(spearmanr(one, other).statistic, replicates, confidence)


def _text(value) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
