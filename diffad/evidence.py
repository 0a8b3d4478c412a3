"""From run records to findings for each claim of the paper; what was not run gives none.

Every function here takes an `Evidence`, which reads the records of a folder once, and returns findings.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import numpy as np

from diffad.bootstrap import Interval, percentile_interval
from diffad.claims import (
    MARGIN,
    Finding,
    Outcome,
    Term,
    all_of,
    is_above,
    is_positive,
    points,
)
from diffad.evaluation import MEAN_OVER_GROUPS, GroupResults
from diffad.figures.style import NETWORK_TITLES, method_title
from diffad.joined_tasks import (
    DATA_SETS,
    NETWORKS,
    DataSet,
    JoinedTask,
    common_methods,
    evaluate_joined,
    joined_tasks,
)
from diffad.statistics import Tally, win_tie_loss

PAPER_BASELINES = ("iforest", "ocsvm", "copod")
TRADITIONAL = (*PAPER_BASELINES, "ecod", "knn", "lof", "pca", "mahalanobis")
NEURAL = ("autoencoder", "deep_svdd")
PAPER_SCORES = ("one_step", "partial_diffusion")
BEST_READING = "denoiser_profile"
# Corruptions of MNIST-C by what they touch: single pixels and edges, or where the strokes are. Fixed by their definitions.
LOCAL = (
    "shot_noise",
    "impulse_noise",
    "glass_blur",
    "motion_blur",
    "spatter",
    "dotted_line",
    "zigzag",
    "canny_edges",
)
GLOBAL = ("shear", "scale", "rotate", "translate")


class Evidence:
    """The records of one edition below a folder of results, read and evaluated once.

    Raises, at the first use: RecordError for a record that is damaged, edited, or joined with one of other images.
    """

    def __init__(self, results: Path | str = "results", edition: str = "cpu"):
        self.results, self.edition = Path(results), edition

    @cached_property
    def tasks(self) -> dict[str, dict[str, JoinedTask]]:
        """Data set's key -> its tasks; data sets without a record are left out."""
        found = {each.key: joined_tasks(each, self.results, self.edition) for each in DATA_SETS}
        return {key: tasks for key, tasks in found.items() if tasks}

    @cached_property
    def data_sets(self) -> dict[str, DataSet]:
        """Those that have records."""
        return {each.key: each for each in DATA_SETS if each.key in self.tasks}

    @cached_property
    def compared(self) -> dict[str, GroupResults]:
        """AUROC of every method that is compared, on every data set's tasks, with shared replicates."""
        return {
            key: evaluate_joined(self.data_sets[key], tasks, compared_methods(tasks))
            for key, tasks in self.tasks.items()
        }

    def networks(self, key: str) -> list[str]:
        """Networks that all tasks of a data set have scores of."""
        return [each for each in NETWORKS if f"{each}/{BEST_READING}" in self.compared[key].methods]

    def records(self, key: str, *methods: str) -> tuple[Path, ...]:
        """Folders of the records that hold these methods' scores."""
        return tuple(
            dict.fromkeys(task.sources[each][0] for task in self.tasks[key].values() for each in methods)
        )

    def term(self, key: str, weight: float, method: str, groups: Sequence[str] | None = None) -> Term:
        """The mean AUROC of a method over a data set's tasks, as its raw scores give it."""
        if self.data_sets[key].tasks == "groups":
            (task,) = self.tasks[key].values()
            chosen = self.compared[key].groups if groups is None else groups
            return Term(weight, tuple((*task.sources[method], group) for group in chosen))
        return Term(weight, tuple((*task.sources[method], None) for task in self.tasks[key].values()))

    def difference(
        self,
        key: str,
        method: str,
        other: str,
        rule: Callable[[Interval], Outcome],
        what: str,
        detail: str = "",
    ) -> Finding:
        """A finding about the paired difference of two methods' means over a data set's tasks."""
        results = self.compared[key]
        value = results.difference("auroc", method, other, MEAN_OVER_GROUPS)
        return Finding(
            what,
            value,
            f"{points(value)} points",
            rule(value),
            self.data_sets[key].chapter,
            self.records(key, method, other),
            detail or counted(win_tie_loss(results, method, other)),
            (self.term(key, 1, method), self.term(key, -1, other)),
        )


def compared_methods(tasks: dict[str, JoinedTask]) -> list[str]:
    """The methods that are compared, of those that all tasks have: each network's readings, then the baselines."""
    readings = (*PAPER_SCORES, "levels_max_abs", "levels_mahalanobis", BEST_READING)
    wanted = [f"{network}/{reading}" for network in NETWORKS for reading in readings]
    common = common_methods(tasks.values())
    return [each for each in (*wanted, *TRADITIONAL, *NEURAL) if each in common]


def counted(tally: Tally) -> str:
    """Tasks won, tied and lost, in words."""
    return f"{tally.won} won, {tally.tied} tied, {tally.lost} lost"


def best_of(results: GroupResults, methods: Sequence[str]) -> str:
    """The one of `methods`, of those that the results hold, with the highest mean; "" where they hold none."""
    held = [each for each in methods if each in results.methods]
    return max(held, key=lambda each: results.interval("auroc", each, MEAN_OVER_GROUPS).estimate, default="")


# --- C1 to C4: records of data sets ---


def beats_the_three(evidence: Evidence, readings: Sequence[str]) -> list[Finding]:
    """C1: each network's reading against all three of the paper's baselines, a finding a data set."""
    findings = []
    for key, results in evidence.compared.items():
        best = best_of(results, PAPER_BASELINES)
        three = [each for each in PAPER_BASELINES if each in results.methods]
        for method in [f"{network}/{reading}" for network in evidence.networks(key) for reading in readings]:
            if not best:
                continue
            outcomes = [
                is_positive(results.difference("auroc", method, other, MEAN_OVER_GROUPS)) for other in three
            ]
            what = f"{evidence.data_sets[key].title}: {method_title(method)}, minus {method_title(best)}"
            findings.append(evidence.difference(key, method, best, lambda _, all=outcomes: all_of(all), what))
    return findings


def normal_is_easier(evidence: Evidence) -> list[Finding]:
    """C2: whether the one-step error separates, and on which side, task by task."""
    findings = []
    for key, results in evidence.compared.items():
        for network in evidence.networks(key):
            method = f"{network}/one_step"
            each = [results.interval("auroc", method, task) for task in results.groups]
            above, below = sum(one.low > 0.5 for one in each), sum(one.high < 0.5 for one in each)
            outcome = Outcome.CONTRADICTS if below else Outcome.UNDECIDED
            if above:
                outcome = Outcome.SUPPORTS if above == len(each) else Outcome.IN_PART
            value = results.interval("auroc", method, MEAN_OVER_GROUPS)
            findings.append(
                Finding(
                    f"{evidence.data_sets[key].title}: {method_title(method)}, mean AUROC",
                    value,
                    f"{value.percent()} %",
                    outcome,
                    evidence.data_sets[key].chapter,
                    evidence.records(key, method),
                    f"normal easier in {above} of {len(each)} tasks, harder in {below}",
                    (evidence.term(key, 1, method),),
                )
            )
    return findings


def walk_against_traditional(evidence: Evidence) -> list[Finding]:
    """C3: the walk against the traditional method with the best mean."""
    return [
        _walk(evidence, key, network, best)
        for key, results in evidence.compared.items()
        for network in evidence.networks(key)
        if (best := best_of(results, TRADITIONAL))
    ]


def walk_against_one_look(evidence: Evidence) -> list[Finding]:
    """C3: the walk against a single step of the same network."""
    return [
        _walk(evidence, key, network, f"{network}/one_step")
        for key in evidence.compared
        for network in evidence.networks(key)
    ]


def _walk(evidence: Evidence, key: str, network: str, other: str) -> Finding:
    walk = f"{network}/partial_diffusion"
    what = f"{evidence.data_sets[key].title}: {method_title(walk)}, minus {method_title(other)}"
    return evidence.difference(key, walk, other, is_positive, what)


def transformer_keeps_up(evidence: Evidence) -> list[Finding]:
    """C4: the DiT against the U-Net of equal training compute."""
    findings = []
    for key in evidence.compared:
        if set(evidence.networks(key)) != set(NETWORKS):
            continue
        for reading in PAPER_SCORES:
            dit, unet = f"dit/{reading}", f"unet/{reading}"
            what = f"{evidence.data_sets[key].title}: {method_title(dit)}, minus {NETWORK_TITLES['unet']}"
            finding = evidence.difference(key, dit, unet, lambda value: is_above(value, -MARGIN), what)
            if finding.outcome == Outcome.UNDECIDED and finding.value.high < 0:
                within = f"worse than the U-Net, by more than {100 * MARGIN:.0f} points or by less"
                finding = replace(finding, detail=f"{finding.detail}; {within}")
            findings.append(finding)
    return findings


def local_against_global(evidence: Evidence, key: str = "mnist-c") -> list[Finding]:
    """The U-Net's lead over the DiT on local corruptions minus its lead on global ones."""
    results = evidence.compared.get(key)
    if results is None or set(evidence.networks(key)) != set(NETWORKS):
        return []
    parts = [[each for each in part if each in results.groups] for part in (LOCAL, GLOBAL)]
    if not all(parts):
        return []
    unet, dit = "unet/one_step", "dit/one_step"
    rows = [[results.groups.index(group) for group in part] for part in parts]
    lead = (
        results.estimates[0, results.methods.index(unet)] - results.estimates[0, results.methods.index(dit)]
    )
    leads = (
        results.replicates[0, results.methods.index(unet)] - results.replicates[0, results.methods.index(dit)]
    )
    value = percentile_interval(
        lead[rows[0]].mean() - lead[rows[1]].mean(),
        leads[rows[0]].mean(axis=0) - leads[rows[1]].mean(axis=0),
        results.confidence,
    )
    terms = [
        evidence.term(key, sign * side, method, part)
        for part, sign in zip(parts, (1, -1), strict=True)
        for method, side in ((unet, 1), (dit, -1))
    ]
    own = [100 * float(np.mean(lead[each])) for each in rows]
    return [
        Finding(
            f"{evidence.data_sets[key].title}: the U-Net's lead on {len(parts[0])} local corruptions, minus that on "
            f"{len(parts[1])} global ones, one level",
            value,
            f"{points(value)} points",
            is_positive(value),
            evidence.data_sets[key].chapter,
            evidence.records(key, unet, dit),
            f"lead on local ones {own[0]:+.1f}, on global ones {own[1]:+.1f} points",
            tuple(terms),
        )
    ]
