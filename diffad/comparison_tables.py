"""Tables of a comparison's record: every scorer with its family, its cost and what it finds."""

from collections.abc import Sequence

import pandas as pd

from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults, evaluate_groups
from diffad.run_record import RunRecord, RunScores
from diffad.scorers import SCORERS
from diffad.tables import one_header, one_line

RULES = {"mean": "mean z", "max": "max z", "max_abs": "max |z|", "mahalanobis": "Mahalanobis"}


def scorer_overview(record: RunRecord) -> pd.DataFrame:
    """One row a scorer of a `diffad.comparison` record, best first.

    Index: the record's name of the scorer. Columns: title, family, nfe, estimate, low, high (mean AUROC over groups,
    in [0, 1]) and milliseconds, measured, an image.
    """
    num_images = record.data.split["sizes"]["test"]
    rows = {}
    for name, choice in record.experiment["scorers"].items():
        interval = record.interval(name)
        rows[name] = {
            "title": scorer_title(choice["scorer"], choice["parameters"]),
            "family": SCORERS[choice["scorer"]].family,
            "nfe": record.nfe[name],
            "estimate": interval.estimate,
            "low": interval.low,
            "high": interval.high,
            "milliseconds": 1000 * record.wall_seconds[f"{name}/score"] / num_images,
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    return table.sort_values("estimate", ascending=False, kind="stable")


def scorer_title(scorer: str, parameters: dict) -> str:
    """The registry's title with those parameters in words that tell entries of one comparison apart."""
    words = []
    if "levels" in parameters:
        words.append(f"{len(parameters['levels'])} levels")
    if "num_steps" in parameters:
        words.append(f"{parameters['num_steps']} steps")
    if "start" in parameters:
        words.append(f"from {parameters['start']:g} T")
    if "rule" in parameters:
        words.append(RULES[parameters["rule"]])
    if scorer == "one_level" and "num_draws" in parameters:
        words.append(f"{parameters['num_draws']} noise{'s' if parameters['num_draws'] > 1 else ''}")
    return ", ".join([SCORERS[scorer].title, *words])


def scorer_table(overview: pd.DataFrame) -> pd.DataFrame:
    """The overview as a page shows it, numbered as in `diffad.figures.scorers.cost_and_accuracy`."""
    table = pd.DataFrame(
        {
            "scorer": overview["title"],
            "family": overview["family"],
            "NFE": overview["nfe"],
            "AUROC, %": [
                one_line(f"{100 * row.estimate:.1f} ({100 * row.low:.1f}, {100 * row.high:.1f})")
                for row in overview.itertuples()
            ],
            "ms an image": overview["milliseconds"].map("{:,.1f}".format),
        }
    )
    table.index = pd.RangeIndex(1, len(table) + 1, name="no.")
    return one_header(table)


def scorer_results(record: RunRecord, scores: RunScores, titles: dict[str, str]) -> GroupResults:
    """AUROC of each group by the scorers that `titles` names for readers, on the record's own draws."""
    settings = record.evaluation
    return evaluate_groups(
        scores.labels,
        scores.groups,
        {title: scores.by_method[name] for name, title in titles.items()},
        ["auroc"],
        settings.num_resamples,
        settings.confidence,
        settings.seed,
        scores.units,
    )


def recorded_aurocs(record: RunRecord, methods: Sequence[str]) -> pd.DataFrame:
    """The recorded AUROC in [0, 1] of each group of anomalies (rows) by each method (columns)."""
    table = record.table()
    table = table[(table["metric"] == "auroc") & (table["group"] != MEAN_OVER_GROUPS)]
    return table.pivot(index="group", columns="method", values="estimate")[list(methods)]


def inversion_table(record: RunRecord, overview: pd.DataFrame) -> pd.DataFrame:
    """For each scorer of the overview, how many groups it finds more normal than normal, and its worst group.

    Columns: name (the record's), scorer (its title), "inverted beyond chance" (groups whose whole interval lies below
    0.5), "worst group" and "its AUROC, %"; the fewest inverted first.
    """
    table = record.table()
    table = table[(table["metric"] == "auroc") & (table["group"] != MEAN_OVER_GROUPS)]
    rows = []
    for name, title in overview["title"].items():
        groups = table[table["method"] == name]
        worst = groups.loc[groups["estimate"].idxmin(), "group"]
        rows.append(
            {
                "name": name,
                "scorer": title,
                "inverted beyond chance": int((groups["high"] < 0.5).sum()),
                "worst group": worst.replace("_", " "),
                "its AUROC, %": one_line(record.interval(name, group=worst).percent()),
            }
        )
    return pd.DataFrame(rows).sort_values("inverted beyond chance", kind="stable")


def seconds_per_image(record: RunRecord, name: str) -> float:
    """Measured wall seconds in which the scorer scored one image."""
    return record.wall_seconds[f"{name}/score"] / record.data.split["sizes"]["test"]
