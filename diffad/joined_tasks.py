"""One task, several records: the U-Net's, the DiT's and all baselines' scores of the same test images as one.

A record holds one network's scores and some baselines. Records of one task are joined only where they test the very
same images: the same data, the same split and the same labels. Methods that ask a network are named by it,
"unet/one_step" and "dit/one_step"; a baseline keeps its name.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diffad.errors import RecordError
from diffad.evaluation import GroupResults, evaluate_groups
from diffad.records import RunRecord, RunScores, list_records, read_record
from diffad.tasks import evaluate_tasks

NETWORKS = ("unet", "dit")


@dataclass(frozen=True)
class DataSet:
    """A data set of the book and where its records lie.

    Attributes:
        key: its short name.
        title: its name for readers.
        folders: names below the folder of results whose records are joined.
        chapter: the page of the book that is about it.
        tasks: what a task is: "groups", each group of anomalies of one record, or "records", a folder each.
    """

    key: str
    title: str
    folders: tuple[str, ...]
    chapter: str
    tasks: str = "records"


DATA_SETS = (
    DataSet("mnist-c", "MNIST-C", ("mnist-c", "mnist-c-dit"), "mnist_c", tasks="groups"),
    DataSet("cifar10", "CIFAR-10", ("cifar10-one-class", "cifar10-dit"), "cifar10"),
    DataSet("mini-imagenet", "Mini-ImageNet", ("mini-imagenet", "mini-imagenet-dit"), "mini_imagenet"),
    DataSet("mvtec", "MVTec-AD, pixels", ("mvtec-pixels", "mvtec-pixels-dit"), "mvtec"),
)


def find_data_set(key: str) -> DataSet:
    """The one of `DATA_SETS` with that key.

    Raises:
        ValueError: there is none.
    """
    found = {each.key: each for each in DATA_SETS}
    if key not in found:
        raise ValueError(f"key: got {key!r}, expected one of {', '.join(found)}")
    return found[key]


@dataclass(frozen=True)
class JoinedTask:
    """The scores of every method on one task's test images.

    Attributes:
        name: the task, for a reader.
        scores: by method, networks' methods named with their network.
        records: the folder of each record -> the record.
        sources: method -> (folder of the record that holds its scores, its name there).
    """

    name: str
    scores: RunScores
    records: dict[Path, RunRecord]
    sources: dict[str, tuple[Path, str]]


def qualified_name(record: RunRecord, method: str) -> str:
    """A method of a record by a name that tells networks apart: "dit/one_step"; a baseline's name stays."""
    network = record.experiment.get("model", {}).get("network")
    if network is None or method in record.experiment.get("baselines", []):
        return method
    return f"{network}/{method}"


def join_task(name: str, folders: Sequence[Path | str]) -> JoinedTask:
    """Join the records in `folders` into one task.

    Raises:
        RecordError: a record is missing, damaged or edited; it is of another split or of other images than the first;
            or two records hold different scores under one name.
        ValueError: no folder.
    """
    if not folders:
        raise ValueError("folders: got none, expected one record or more")
    records, sources, by_method = {}, {}, {}
    first: RunScores | None = None
    for folder in map(Path, folders):
        record, scores = read_record(folder)
        if first is not None:
            _check_same_test(next(iter(records.items())), first, folder, record, scores)
        first = scores if first is None else first
        records[folder] = record
        for method, values in scores.by_method.items():
            key = qualified_name(record, method)
            if key in by_method and not np.array_equal(by_method[key], values):
                raise RecordError(
                    f"{folder}: its scores of {key!r} differ from those of {sources[key][0]}: "
                    "two records of one task may hold one method only with the same scores"
                )
            if key not in by_method:
                by_method[key], sources[key] = values, (folder, method)
    return JoinedTask(name, RunScores(first.labels, first.groups, by_method, first.units), records, sources)


def _check_same_test(
    first: tuple[Path, RunRecord], first_scores: RunScores, folder: Path, record: RunRecord, scores: RunScores
) -> None:
    first_folder, first_record = first
    for what, before, now in (
        ("data set", first_record.data.name, record.data.name),
        ("data", first_record.data.fingerprint, record.data.fingerprint),
        ("split", first_record.data.split.get("fingerprint"), record.data.split.get("fingerprint")),
    ):
        if before != now:
            raise RecordError(
                f"{folder} cannot be joined with {first_folder}: its {what} differs, {now!r} instead of {before!r}"
            )
    for what, before, now in (
        ("labels", first_scores.labels, scores.labels),
        ("groups", first_scores.groups, scores.groups),
        ("units", first_scores.units, scores.units),
    ):
        if not np.array_equal(before, now):
            raise RecordError(f"{folder} cannot be joined with {first_folder}: its {what} differ")


def joined_tasks(
    data_set: DataSet, results: Path | str = "results", edition: str = "cpu"
) -> dict[str, JoinedTask]:
    """Every task of a data set that has a record, by name, in alphabetical order; empty where nothing was run.

    A task that only some of the folders have a record of is joined from these.

    Raises:
        RecordError: as `join_task`.
    """
    folders: dict[str, list[Path]] = {}
    for name in data_set.folders:
        root = Path(results, name, edition)
        for folder in list_records(root):
            folders.setdefault(folder.relative_to(root).as_posix(), []).append(folder)
    return {
        data_set.title if cell == "." else cell: join_task(data_set.title if cell == "." else cell, found)
        for cell, found in sorted(folders.items())
    }


def add_comparisons(tasks: Mapping[str, JoinedTask], folder: Path | str) -> dict[str, JoinedTask]:
    """The tasks with what a comparison (`diffad compare`) found when it asked their models again on the same test images.

    A scorer is named with the network that it asked, "unet/best". Comparisons of other models are passed over.

    Args:
        tasks: from `joined_tasks`.
        folder: of the comparison's records.

    Raises:
        RecordError: a record is damaged or edited, or asked one of the models on other images.
    """
    tasks = dict(tasks)
    owners = {
        record.content_hash: (name, model_folder)
        for name, task in tasks.items()
        for model_folder, record in task.records.items()
    }
    for asked in list_records(folder):
        record, scores = read_record(asked)
        if (owner := owners.get(record.experiment.get("record_of_model"))) is None:
            continue
        name, model_folder = owner
        task, model = tasks[name], tasks[name].records[model_folder]
        _check_same_test((model_folder, model), task.scores, asked, record, scores)
        network = model.experiment["model"]["network"]
        by_method, sources = dict(task.scores.by_method), dict(task.sources)
        for method, values in scores.by_method.items():
            by_method[f"{network}/{method}"] = values
            sources[f"{network}/{method}"] = (asked, method)
        joined = RunScores(task.scores.labels, task.scores.groups, by_method, task.scores.units)
        tasks[name] = dataclasses.replace(task, scores=joined, sources=sources)
    return tasks


def common_methods(tasks: Iterable[JoinedTask]) -> list[str]:
    """Methods that every task has scores of, in the order of the first."""
    tasks = list(tasks)
    if not tasks:
        return []
    return [
        method
        for method in tasks[0].scores.by_method
        if all(method in each.scores.by_method for each in tasks)
    ]


def evaluate_joined(
    data_set: DataSet,
    tasks: Mapping[str, JoinedTask],
    methods: Sequence[str] | None = None,
    metric: str = "auroc",
) -> GroupResults:
    """A metric of every method on every task of a data set, on draws that they share.

    Where a task is a group of anomalies (`DataSet.tasks`), the one record's groups share their normal images.

    Args:
        data_set: what a task is there.
        tasks: from `joined_tasks`.
        methods: names that every task has scores of; all such if not given.
        metric: as in `diffad.evaluation.METRICS`.

    Raises:
        ValueError: no task, more than one where tasks are groups, or a method that a task lacks.
    """
    methods = common_methods(tasks.values()) if methods is None else list(methods)
    if data_set.tasks == "records":
        return evaluate_tasks({name: task.scores for name, task in tasks.items()}, methods, metric)
    if len(tasks) != 1:
        raise ValueError(
            f"tasks: got {len(tasks)} records of {data_set.key}, expected one, whose groups are the tasks"
        )
    (task,) = tasks.values()
    if missing := [method for method in methods if method not in task.scores.by_method]:
        raise ValueError(f"methods: got {missing[0]!r}, expected one that task {task.name!r} has scores of")
    scores = task.scores
    chosen = {method: scores.by_method[method] for method in methods}
    return evaluate_groups(scores.labels, scores.groups, chosen, [metric], units=scores.units)
