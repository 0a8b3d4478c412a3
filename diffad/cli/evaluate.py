"""`diffad evaluate`: how well a detector tells anomalous images from normal ones, with intervals."""

from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import typer

from diffad.cli.options import Detector, Home, Json, Quiet, parse_classes, print_json, say, table
from diffad.errors import DiffadError

Protocol = Literal["clean_versus_corrupted", "one_versus_rest", "official_split"]

DataSet = Annotated[str | None, typer.Argument(help="a data set of `diffad data list`")]
ProtocolOption = Annotated[
    Protocol | None,
    typer.Option(
        help="what is normal and what anomalous  [default: one_versus_rest for a detector of some classes, "
        "official_split for mvtec-ad, else clean_versus_corrupted]"
    ),
]
Normal = Annotated[Path | None, typer.Option(help="instead of a data set: a folder of normal images")]
Anomalous = Annotated[Path | None, typer.Option(help="and one of anomalous images")]
Classes = Annotated[
    str | None, typer.Option(help="normal classes of one_versus_rest  [default: the detector's]")
]
PerGroup = Annotated[
    int | None,
    typer.Option(
        min=1, help="images a group of clean_versus_corrupted  [default: 1000, or half of the test part]"
    ),
]
Seed = Annotated[int | None, typer.Option(min=0, help="of the protocol  [default: the detector's]")]


def evaluate_command(
    model_folder: Detector,
    dataset: DataSet = None,
    protocol: ProtocolOption = None,
    normal: Normal = None,
    anomalous: Anomalous = None,
    classes: Classes = None,
    per_group: PerGroup = None,
    seed: Seed = None,
    home: Home = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Measure AUROC, AP and FPR95, with intervals.

    AP is the average precision, FPR95 the false-positive rate at 95 % true positives; intervals are 95
    % bootstrap ones. Test images that the detector was fitted on are left out.

    \b
    Examples:
      diffad evaluate detector digits --protocol clean_versus_corrupted
      diffad evaluate detector --normal photos/good --anomalous photos/bad --json
    """
    check_asked(dataset, protocol, normal, anomalous, classes, per_group)
    normal_classes = parse_classes(classes)
    from diffad.detectors import ImageDetector

    detector = ImageDetector.load(model_folder)
    if dataset is None:
        result = evaluate_folders(detector, normal, anomalous, quiet)
    else:
        split = make_split(detector, dataset, protocol, normal_classes, per_group, seed, home)
        result = evaluate_split(detector, split, quiet)
    if as_json:
        print_json(result)
    else:
        print_result(result)


def check_asked(dataset, protocol, normal, anomalous, classes, per_group) -> None:
    """Refuse options that do not go together; ValueError says which."""
    folders = normal is not None, anomalous is not None
    if dataset is None and not all(folders):
        raise ValueError(
            "evaluate: got neither a data set nor both folders, expected DATASET, or --normal and --anomalous"
        )
    if dataset is not None and any(folders):
        raise ValueError(
            "evaluate: got a data set and a folder, expected DATASET, or --normal and --anomalous"
        )
    if dataset is None and (protocol or classes or per_group):
        raise ValueError("evaluate: --protocol, --classes and --per-group are for a data set, got folders")
    if protocol is not None and protocol != "one_versus_rest" and classes:
        raise ValueError(f"--classes: is for one_versus_rest, got {protocol}")


def make_split(detector, dataset: str, protocol: Protocol | None, classes: list[int], per_group, seed, home):
    """The protocol's split; what is not given is taken from the detector's own training."""
    from diffad.datasets import protocols
    from diffad.datasets.loading import FOLDER

    classes = classes or detector.origin_.get("classes", [])
    official = dataset.startswith(("mvtec-ad/", FOLDER))
    protocol = protocol or (
        "official_split" if official else "one_versus_rest" if classes else "clean_versus_corrupted"
    )
    settings = {"seed": detector.detection.seed if seed is None else seed, "home": home}
    if per_group is not None and protocol != "clean_versus_corrupted":
        raise ValueError(f"--per-group: is for clean_versus_corrupted, got {protocol}")
    match protocol:
        case "official_split":
            return protocols.official_split(dataset, side=detector.image_shape_[0], **settings)
        case "one_versus_rest":
            if not classes:
                raise ValueError(
                    "--classes: the detector was trained on no classes, expected the normal ones, such as 0,1"
                )
            return protocols.one_versus_rest(dataset, classes, **settings)
        case _:
            return protocols.clean_versus_corrupted(dataset, per_group=per_group, **settings)


def evaluate_split(detector, split, quiet: bool) -> dict:
    """Score a split's test images, then reveal their labels, and measure."""
    from diffad.datasets.imageset import content_hashes

    scores = detector.decision_function(split.test, progress=not quiet)
    answers = split.reveal(scores)
    unseen = ~np.isin(content_hashes(split.test), detector.seen_hashes_)
    about = {
        "protocol": split.protocol,
        "data": split.data,
        "seed": split.seed,
        "parameters": split.parameters,
    }
    return about | measure(detector, scores, answers.labels, answers.groups, answers.indices, unseen, quiet)


def evaluate_folders(detector, normal: Path, anomalous: Path, quiet: bool) -> dict:
    """Score the pictures of two folders and measure."""
    from diffad.cli.sources import folder_images
    from diffad.datasets.imageset import content_hashes

    sources = [folder_images(folder, detector.image_shape_) for folder in (normal, anomalous)]
    for source in sources:
        say(source.remark, quiet)
    images = np.concatenate([source.images for source in sources])
    labels = np.repeat([0, 1], [len(source.images) for source in sources])
    scores = detector.decision_function(images, progress=not quiet)
    unseen = ~np.isin(content_hashes(images), detector.seen_hashes_)
    groups = np.where(labels, "anomalous", "normal")
    about = {"protocol": "folders", "normal": str(normal), "anomalous": str(anomalous)}
    return about | measure(detector, scores, labels, groups, np.arange(len(images)), unseen, quiet)


def measure(detector, scores, labels, groups, indices, unseen, quiet: bool) -> dict:
    """Metrics with intervals as plain JSON values, on the rows that `unseen` keeps.

    Args:
        detector: for its threshold.
        scores, labels, groups, indices: (n,), as of a revealed split.
        unseen: bool (n,), False for images that the detector was fitted on.

    Raises:
        DiffadError: no normal or no anomalous image is left.
    """
    from diffad.evaluation import MEAN_OVER_GROUPS, METRICS, evaluate_groups, shared_units

    if not unseen.all():
        say(f"{int((~unseen).sum())} test images that the detector was fitted on are left out", quiet)
    scores, labels, groups, indices = (array[unseen] for array in (scores, labels, groups, indices))
    counts = {"num_normal": int((labels == 0).sum()), "num_anomalous": int((labels == 1).sum())}
    if not all(counts.values()):
        raise DiffadError(
            f"test images: {counts['num_normal']} normal and {counts['num_anomalous']} anomalous ones are left that "
            "the detector was not fitted on, expected some of both"
        )
    units = shared_units(labels, groups, indices)
    results = evaluate_groups(labels, groups, {"detector": scores}, list(METRICS), units=units)
    metrics = [
        {"group": group, "metric": metric, **vars(results.interval(metric, "detector", group))}
        for group in [MEAN_OVER_GROUPS, *results.groups]
        for metric in results.metrics
    ]
    flagged = scores > detector.threshold_
    rates = {
        name: float(flagged[labels == label].mean()) for label, name in enumerate(("normal", "anomalous"))
    }
    left_out = int((~unseen).sum())
    return counts | {
        "num_left_out": left_out,
        "threshold": detector.threshold_,
        "flagged": rates,
        "metrics": metrics,
    }


def print_result(result: dict) -> None:
    """Print a row a group and the share of images that the threshold flags."""
    rows: dict[str, dict] = {}
    titles = {"auroc": "AUROC", "average_precision": "AP", "fpr_at_95_tpr": "FPR95"}
    for value in result["metrics"]:
        row = rows.setdefault(value["group"], {"group": value["group"]})
        row[titles[value["metric"]]] = f"{value['estimate']:.3f} [{value['low']:.3f}, {value['high']:.3f}]"
    print(table(list(rows.values())))
    flagged = result["flagged"]
    print(
        f"{result['num_normal']} normal and {result['num_anomalous']} anomalous images; the threshold flags "
        f"{flagged['normal']:.1%} of the normal and {flagged['anomalous']:.1%} of the anomalous ones"
    )
