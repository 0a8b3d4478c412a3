"""What the recorded experiments took, from their own records: wall times, and accuracy against cost.

Wall times were taken while other work ran on the machine, so they are upper bounds of what an idle one needs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from diffad.bootstrap import Interval
from diffad.embeddings.records import list_vectors, read_vectors
from diffad.errors import RecordError
from diffad.evaluation import MEAN_OVER_GROUPS
from diffad.joined_tasks import DATA_SETS, evaluate_joined, joined_tasks
from diffad.records import list_records, read_record
from diffad.run_record import RunRecord

LIMIT_MINUTES = 120  # what a whole cpu edition may take a data set, on two cores
TRAINING, SCORING, BASELINES = "ddpm/train", "ddpm/score", "/fit and score"
# Experiment -> that which asks a transformer on the same tasks.
TRANSFORMERS = {each.folders[0]: each.folders[1] for each in DATA_SETS}
NETWORK_METHODS = ("one_step", "denoiser_profile", "partial_diffusion")


def wall_times(root: Path | str, edition: str = "cpu") -> pd.DataFrame:
    """Minutes of wall time of each recorded experiment of an edition.

    Returns:
        A row an experiment and data set: columns data set, experiment, records, training, scoring, baselines, other,
        all (minutes); sorted by data set and experiment.

    Raises:
        RecordError: a record is damaged or was edited by hand, or there is none.
    """
    rows = [_times_of_run(*folder) for folder in _runs(root, edition)]
    rows += [_times_of_vectors(folder, edition) for folder in list_vectors(root)]
    rows = [row for row in rows if row is not None]
    if not rows:
        raise RecordError(f"{root} holds no record of the {edition} edition")
    table = pd.DataFrame(rows).groupby(["data set", "experiment"], as_index=False).sum()
    return table.sort_values(["data set", "experiment"], ignore_index=True)


def wall_times_by_data_set(times: pd.DataFrame) -> pd.DataFrame:
    """Minutes of each data set, and of the longest of its experiments, from `wall_times`.

    Returns:
        A row a data set: columns experiments, records, all, longest (its name), minutes (of it, its cells one after
        another), side by side (half of that where it has two cells or more), and within (which of the two keeps
        LIMIT_MINUTES: "yes", "two cells side by side" or "no").
    """
    rows = {}
    for name, some in times.groupby("data set"):
        longest = some.loc[some["all"].idxmax()]
        halved = longest["all"] / (2 if longest["records"] > 1 else 1)
        rows[name] = {
            "experiments": len(some),
            "records": int(some["records"].sum()),
            "all": some["all"].sum(),
            "longest": longest["experiment"],
            "minutes": longest["all"],
            "side by side": halved,
            "within": _within(longest["all"], halved),
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("data set")


def _within(minutes: float, side_by_side: float) -> str:
    if minutes <= LIMIT_MINUTES:
        return "yes"
    return "two cells side by side" if side_by_side <= LIMIT_MINUTES else "no"


def _runs(root: Path | str, edition: str) -> list[tuple[str, RunRecord]]:
    """(experiment, record) of every run of the edition; the experiment is the folder under `root`."""
    root = Path(root)
    found = []
    for folder in list_records(root):
        record, _ = read_record(folder)
        if record.edition == edition:
            found.append((folder.relative_to(root).parts[0], record))
    return found


def _times_of_run(experiment: str, record: RunRecord) -> dict:
    seconds = record.wall_seconds
    parts = {
        "training": sum(value for phase, value in seconds.items() if phase == TRAINING),
        "scoring": sum(value for phase, value in seconds.items() if phase.endswith("/score")),
        "baselines": sum(value for phase, value in seconds.items() if phase.endswith(BASELINES)),
    }
    parts["other"] = sum(seconds.values()) - sum(parts.values())
    return {
        "data set": _family(record.data.name),
        "experiment": experiment,
        "records": 1,
        **{part: value / 60 for part, value in parts.items()},
        "all": sum(seconds.values()) / 60,
    }


def _times_of_vectors(folder: Path, edition: str) -> dict | None:
    record, _ = read_vectors(folder)
    if record.edition != edition:
        return None
    seconds = sum(result.seconds for cell in record.cells for result in cell.methods.values())
    empty = {"training": 0.0, "scoring": 0.0, "baselines": 0.0}
    about = {"data set": _family(record.data), "experiment": record.experiment, "records": 1}
    return about | empty | {"other": seconds / 60, "all": seconds / 60}


def _family(name: str) -> str:
    """The data set that a part of it belongs to: mvtec-ad/screw is of mvtec-ad, adbench-vit/X of adbench-vit."""
    return name.split("/")[0]


# --- accuracy against cost ---


@dataclass(frozen=True)
class Trade:
    """What a method reached in an experiment, and what that took: means over its tasks.

    Attributes:
        method: a record's name for it, "dit/one_step" where a transformer was asked.
        auroc: mean over tasks and their groups, in [0, 1].
        seconds: wall time a task of training (or fitting) and scoring all test images.
        nfe: network evaluations an image; 0 without a network.
    """

    method: str
    auroc: float
    seconds: float
    nfe: int


def trades(root: Path | str, experiment: str, edition: str = "cpu") -> list[Trade]:
    """Accuracy and cost of every method of an experiment, and of its transformer where all tasks have one.

    Scores of one network share its training and, by their evaluations, the time in which it scored.

    Raises:
        RecordError: a record is damaged, or there is none.
    """
    runs = read_experiment(root, experiment, edition)
    if not runs:
        raise RecordError(f"{Path(root) / experiment / edition} holds no record")
    found = [_mean_trade(list(runs.values()), method) for method in _methods(runs)]
    other = TRANSFORMERS.get(experiment)
    transformers = read_experiment(root, other, edition) if other else {}
    if set(transformers) >= set(runs):
        matched = [transformers[task] for task in runs]
        for method in NETWORK_METHODS:
            found.append(_mean_trade(matched, method, f"dit/{method}"))
        known = {each.method for each in found}
        others = [name for name in _methods(transformers) if name not in known | set(NETWORK_METHODS)]
        found += [_mean_trade(matched, name) for name in others]
    return found


def read_experiment(root: Path | str, experiment: str, edition: str) -> dict[str, RunRecord]:
    """Task -> record of an experiment's edition; the one task of an experiment without cells is ""."""
    folder = Path(root) / experiment / edition
    if not folder.is_dir():
        return {}
    return {
        "" if each == folder else each.relative_to(folder).as_posix(): read_record(each)[0]
        for each in list_records(folder)
    }


def _methods(runs: Mapping[str, RunRecord]) -> list[str]:
    """What is compared: three readings of the network, and every baseline that all tasks have."""
    present = [set(record.nfe) for record in runs.values()]
    first = next(iter(runs.values()))
    baselines = [name.removesuffix(BASELINES) for name in first.wall_seconds if name.endswith(BASELINES)]
    return [name for name in (*NETWORK_METHODS, *baselines) if all(name in each for each in present)]


def _mean_trade(records: Sequence[RunRecord], method: str, name: str | None = None) -> Trade:
    return Trade(
        method=name or method,
        auroc=float(np.mean([record.interval(method).estimate for record in records])),
        seconds=float(np.mean([seconds_of(record, method) for record in records])),
        nfe=records[0].nfe[method],
    )


def seconds_of(record: RunRecord, method: str) -> float:
    """Wall seconds of training and scoring by one method of a run; a network's scoring is shared out by evaluations."""
    seconds = record.wall_seconds
    if f"{method}{BASELINES}" in seconds:
        return seconds[f"{method}{BASELINES}"]
    asked = record.nfe["denoiser_profile"] + record.nfe["partial_diffusion"]
    return seconds[TRAINING] + seconds[SCORING] * record.nfe[method] / asked


def is_network(method: str) -> bool:
    """Whether the method of a `Trade` asks a diffusion model."""
    return method.removeprefix("dit/") in NETWORK_METHODS


def best_of(found: Sequence[Trade], networks: bool) -> Trade:
    """The highest mean AUROC among the diffusion methods, or among the others; ValueError where there is none."""
    some = [each for each in found if is_network(each.method) == networks]
    if not some:
        raise ValueError(
            f"found: got {[each.method for each in found]}, expected one that fits networks={networks}"
        )
    return max(some, key=lambda trade: trade.auroc)


def gain(
    root: Path | str, experiment: str, network: Trade, baseline: Trade, edition: str = "cpu"
) -> Interval:
    """The mean AUROC of a diffusion method minus that of a baseline, in [-1, 1], with its interval over test images.

    Args:
        root: folder of results.
        experiment: one whose data set is among `diffad.joined_tasks.DATA_SETS`.
        network, baseline: two of its `trades`.

    Raises:
        ValueError: an experiment of no such data set.
        RecordError: a record is damaged, or two of one task do not fit.
    """
    data_set = next((each for each in DATA_SETS if each.folders[0] == experiment), None)
    if data_set is None:
        raise ValueError(
            f"experiment: got {experiment!r}, expected one of {', '.join(each.folders[0] for each in DATA_SETS)}"
        )
    methods = [network.method if "/" in network.method else f"unet/{network.method}", baseline.method]
    tasks = {
        name: task
        for name, task in joined_tasks(data_set, root, edition).items()
        if set(methods) <= set(task.scores.by_method)
    }
    return evaluate_joined(data_set, tasks, methods).difference("auroc", *methods, MEAN_OVER_GROUPS)


def frontier(found: Sequence[Trade]) -> list[Trade]:
    """Those that nothing cheaper reaches, from the cheapest on."""
    kept: list[Trade] = []
    for each in sorted(found, key=lambda trade: (trade.seconds, -trade.auroc)):
        if not kept or each.auroc > kept[-1].auroc:
            kept.append(each)
    return kept
