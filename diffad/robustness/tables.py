"""Tables of robustness records, from `diffad.robustness.reading` to what a page shows.

noise_curves, alarm_curves, attack_curves   long tables for `diffad.figures.robustness.strength_curves`
transfer_table                              who judges whose attacked images
change_summary, wide, percent_cells         what is printed
disturbances                                what claim C6 is judged by, with the rule of `diffad.claims`
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from diffad.bootstrap import Interval
from diffad.claims import ROBUST_MARGIN, Outcome, Verdict, is_above, verdict_of
from diffad.figures.style import method_title
from diffad.robustness.noise import NOISE
from diffad.robustness.reading import (
    RobustnessRecords,
    attack_conditions,
    auroc_by_condition,
    flagged,
    noise_conditions,
    one_sided_auroc,
)
from diffad.robustness.runs import CLEAN, attack_name
from diffad.tables import one_header, one_line

BOTH, ANOMALIES, NORMALS, CONTROL = (
    "both kinds attacked",
    "anomalies alone",
    "normal images alone",
    "random noise, same size",
)
NOISE_PART, ATTACKS_PART, TRAINING_PART = "noise", "attacks", "contaminated training"  # of claim C6
ENDS = ["estimate", "low", "high"]
CHANGE = ["change", "change_low", "change_high"]


# --- long tables ---


def _by_kind(records: RobustnessRecords) -> Iterator[tuple[str, str, str]]:
    """(title of the kind, shown strength, condition), clean images before each kind, weakest noise first."""
    for kind, strengths in noise_conditions(records.records["noise"]).items():
        yield NOISE[kind].title, CLEAN, CLEAN
        for strength, condition in strengths.items():
            yield NOISE[kind].title, f"{strength:g}", condition


def noise_curves(records: RobustnessRecords, methods: Sequence[str]) -> pd.DataFrame:
    """AUROC under noise: `auroc_by_condition` with the columns panel (the kind) and strength."""
    places = list(_by_kind(records))
    names = list(dict.fromkeys(condition for _, _, condition in places))
    table = auroc_by_condition(records.records["noise"], records.scores["noise"], methods, names)
    parts = [
        table[table["condition"] == name].assign(panel=kind, strength=shown) for kind, shown, name in places
    ]
    return pd.concat(parts, ignore_index=True)


def alarm_curves(records: RobustnessRecords, methods: Sequence[str], rate: float) -> pd.DataFrame:
    """Share of normal images flagged under noise, at a line drawn on clean ones for `rate` false alarms."""
    calibration, noise = records.scores["calibration"], records.scores["noise"]
    rows = [
        {"panel": kind, "strength": shown, "condition": condition, "method": method}
        | vars(flagged(calibration, noise, method, condition, 0, rate))
        for kind, shown, condition in _by_kind(records)
        for method in methods
    ]
    return pd.DataFrame(rows)


def attack_curves(records: RobustnessRecords) -> pd.DataFrame:
    """AUROC of each attacked score, judged by itself, against epsilon; a panel for each of BOTH, ANOMALIES, NORMALS and
    CONTROL. Where both kinds of images are changed, change, change_low and change_high are against clean images, paired;
    they are NaN where one kind alone is attacked.
    """
    record, scores = records.records["attack"], records.scores["attack"]
    conditions = attack_conditions(record)
    parts = {BOTH: [], ANOMALIES: [], NORMALS: [], CONTROL: []}
    for target in record.experiment["attack"]["targets"]:
        names = {name: [CLEAN, *conditions[name].values()] for name in (target, "random")}
        found = {
            BOTH: _ends(auroc_by_condition(record, scores, [target], names[target])),
            ANOMALIES: map(vars, one_sided_auroc(record, scores, target, names[target], 1)),
            NORMALS: map(vars, one_sided_auroc(record, scores, target, names[target], 0)),
            CONTROL: _ends(auroc_by_condition(record, scores, [target], names["random"])),
        }
        for panel, values in found.items():
            strengths = [0, *conditions[target]]
            parts[panel] += [
                {"panel": panel, "strength": str(epsilon), "method": target} | each
                for epsilon, each in zip(strengths, values, strict=True)
            ]
    return pd.DataFrame([row for rows in parts.values() for row in rows])


def _ends(table: pd.DataFrame) -> list[dict]:
    return table[[*ENDS, *CHANGE]].to_dict("records")


def transfer_table(records: RobustnessRecords, methods: Sequence[str], epsilon: int) -> pd.DataFrame:
    """AUROC in [0, 1] of every method (columns) on clean, on randomly changed and on attacked images (rows)."""
    record, scores = records.records["attack"], records.scores["attack"]
    rows = {"clean images": CLEAN, "random noise": attack_name("random", epsilon)}
    rows |= {target: attack_name(target, epsilon) for target in record.experiment["attack"]["targets"]}
    table = auroc_by_condition(record, scores, methods, list(rows.values()))
    wide = table.pivot(index="condition", columns="method", values="estimate").loc[
        list(rows.values()), list(methods)
    ]
    return wide.set_axis(list(rows), axis=0).rename_axis(columns=None)


def other_noise(records: RobustnessRecords) -> pd.DataFrame:
    """AUROC of each attacked score by the noise bank that was attacked and by others: a row a bank, a column an epsilon."""
    record, scores, rows = records.records["attack"], records.scores["attack"], []
    asked = record.experiment["attack"]
    for target in asked["targets"]:
        banks = {"the noise attacked": target}
        banks |= {
            f"other noise {n}": f"{target}#{seed}" for n, seed in enumerate(asked["fresh_seeds"], start=1)
        }
        conditions = [CLEAN, *attack_conditions(record)[target].values()]
        table = auroc_by_condition(record, scores, list(banks.values()), conditions)
        for title, bank in banks.items():
            values = table.loc[table["method"] == bank, "estimate"]
            strengths = ["0", *map(str, asked["epsilons"])]
            rows.append(
                {"score": f"{method_title(target)}, {title}"}
                | {strength: f"{100 * value:.0f}" for strength, value in zip(strengths, values, strict=True)}
            )
    return pd.DataFrame(rows).set_index("score")


def flagged_table(records: RobustnessRecords, rate: float) -> pd.DataFrame:
    """Share in % of anomalies and of normal images above the line, each score attacked by itself: a column an epsilon."""
    rows, record = [], records.records["attack"]
    for target in record.experiment["attack"]["targets"]:
        conditions = {"0": CLEAN} | {
            str(key): name for key, name in attack_conditions(record)[target].items()
        }
        for label, text in ((1, "anomalies flagged"), (0, "normal images flagged")):
            rates = {
                epsilon: flagged(
                    records.scores["calibration"], records.scores["attack"], target, condition, label, rate
                )
                for epsilon, condition in conditions.items()
            }
            shown = {epsilon: f"{100 * each.estimate:.0f}" for epsilon, each in rates.items()}
            rows.append({"score": f"{method_title(target)}: {text}"} | shown)
    return pd.DataFrame(rows).set_index("score")


# --- what is printed ---


def percent_cells(row: Mapping | pd.Series, sign: bool = False, of: str = "") -> str:
    """ "93.3 (90.1, 95.8)", or with a sign; `of` is "" or "change"."""
    keys = CHANGE if of else ENDS
    estimate, low, high = (100 * row[key] for key in keys)
    first = f"{estimate:+.1f}" if sign else f"{estimate:.1f}"
    return one_line(f"{first} ({low:.1f}, {high:.1f})")


def wide(table: pd.DataFrame, title: str, intervals: bool = False) -> pd.DataFrame:
    """A row a method and a column a condition (panel and strength, clean once), in %; for a page.

    Args:
        table: as `noise_curves` or `alarm_curves` gives it.
        title: of the corner.
        intervals: whether each cell has its interval.
    """
    table = table.assign(
        column=[
            CLEAN if row.strength == CLEAN else f"{row.panel} {row.strength}" for row in table.itertuples()
        ],
        cell=[
            percent_cells(row) if intervals else f"{100 * row['estimate']:.0f}"
            for row in table.to_dict("records")
        ],
    ).drop_duplicates(["column", "method"])
    shown = table.pivot(index="method", columns="column", values="cell")
    shown = shown.loc[list(dict.fromkeys(table["method"])), list(dict.fromkeys(table["column"]))]
    return one_header(shown.rename(index=method_title).rename_axis(columns=None).rename_axis(title))


def attack_wide(table: pd.DataFrame, title: str) -> pd.DataFrame:
    """A row a score and side, a column an epsilon, AUROC in % with intervals; for a page."""
    rows = []
    for (method, panel), each in table.groupby(["method", "panel"], sort=False):
        cells = {row["strength"]: percent_cells(row) for row in each.to_dict("records")}
        rows.append({"score": f"{method_title(method)}: {panel}"} | cells)
    rows.sort(key=lambda row: row["score"].partition(":")[0])
    return one_header(pd.DataFrame(rows).set_index("score").rename_axis(title))


def change_summary(table: pd.DataFrame, title: str) -> pd.DataFrame:
    """A row a method: AUROC on clean images, in how many noises it fell beyond chance, mean change and the lowest.

    table: of `noise_curves`. "Beyond chance": the whole paired interval lies below 0.
    """
    rows = []
    for method, each in table.groupby("method", sort=False):
        noisy, clean = each[each["strength"] != CLEAN], each[each["strength"] == CLEAN].iloc[0]
        worst = noisy.loc[noisy["change"].idxmin()]
        rows.append(
            {
                "method": method_title(method),
                "clean": f"{100 * clean['estimate']:.1f}",
                "fallen beyond chance": f"{int((noisy['change_high'] < 0).sum())} of {len(noisy)}",
                "mean change, points": f"{100 * noisy['change'].mean():+.1f}",
                "lowest change, points": percent_cells(worst, sign=True, of="change"),
                "under": f"{worst['panel']} {worst['strength']}",
            }
        )
    return one_header(pd.DataFrame(rows).set_index("method").rename_axis(title))


def rate_table(table: pd.DataFrame, title: str) -> pd.DataFrame:
    """A row a method, a column a rate of contamination, then the change of the last against the first; for a page.

    table: of `diffad.robustness.reading.changes_between`, conditions being rates in [0, 1].
    """
    rows = []
    for method, each in table.groupby("method", sort=False):
        cells = {
            f"{100 * float(row.condition):g} %": f"{100 * row.estimate:.1f}" for row in each.itertuples()
        }
        change = percent_cells(each.iloc[-1], sign=True, of="change")
        rows.append({"method": method_title(method)} | cells | {"change, points": change})
    return one_header(pd.DataFrame(rows).set_index("method").rename_axis(title))


# --- the claim ---


def disturbances(
    noise: Mapping[str, pd.DataFrame],
    attacks: Mapping[str, pd.DataFrame],
    trainings: Mapping[str, pd.DataFrame],
    method: str,
    conditions: Sequence[str],
    epsilon: int,
) -> pd.DataFrame:
    """What claim C6 is judged by for one method: a row a disturbance, with the outcome by the rule of `diffad.claims`.

    Args:
        noise, attacks: name of the data -> table of `noise_curves` or `attack_curves`.
        trainings: name of the data -> table of `diffad.robustness.reading.changes_between`, conditions being rates. Of those
            with the highest rate of all this rate counts; others are left out.
        method: whose rows are taken.
        conditions: names of the noises that count, such as "jpeg-50".
        epsilon: of the attack that counts, in grey levels.

    Returns:
        Columns part, data, disturbance, condition, estimate, low, high, change, change_low, change_high (AUROC in [0, 1],
        and minus that on clean images or after clean training), outcome (an `Outcome`).
    """
    highest = max((float(each) for table in trainings.values() for each in table["condition"]), default=0.0)
    rows = []
    for data, table in noise.items():
        for condition in conditions:
            row = at(table, method=method, condition=condition)
            rows.append((NOISE_PART, data, f"{row['panel']} {row['strength']}", row))
    for data, table in attacks.items():
        if method in set(table["method"]):
            row = at(table, method=method, panel=BOTH, strength=str(epsilon))
            rows.append((ATTACKS_PART, data, f"attacked within {epsilon} grey levels", row))
    for data, table in trainings.items():
        last = table[(table["method"] == method) & (table["condition"].astype(float) == highest)]
        if len(last) and highest > 0:
            text = f"{100 * highest:g} % anomalies in training"
            rows.append((TRAINING_PART, data, text, last.iloc[0]))
    return pd.DataFrame(
        [
            {"part": part, "data": data, "disturbance": text, "condition": row.get("condition", "")}
            | {key: float(row[key]) for key in (*ENDS, *CHANGE)}
            | {"outcome": is_above(change(row), -ROBUST_MARGIN)}
            for part, data, text, row in rows
        ]
    )


def of_alarms(rates: Sequence[float], promised: float) -> Verdict:
    """Whether false alarms stay within twice the promised rate: in every case, in some, or in none."""
    return verdict_of([Outcome.SUPPORTS if rate <= 2 * promised else Outcome.CONTRADICTS for rate in rates])


def change(row: Mapping | pd.Series) -> Interval:
    """The change of a row of `noise_curves` or `changes_between` as an interval."""
    return Interval(*(float(row[key]) for key in ("change", "change_low", "change_high")))


def at(table: pd.DataFrame, **values) -> pd.Series:
    """The one row with these values, such as method="knn", condition="jpeg-50"; the first if clean images stand repeatedly.

    Raises:
        ValueError: there is none.
    """
    chosen = np.logical_and.reduce([table[key] == value for key, value in values.items()])
    if not chosen.any():
        raise ValueError(f"table: got none with {values}, expected a row")
    return table[chosen].iloc[0]
