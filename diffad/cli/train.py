"""`diffad train`: from normal images to a detector's folder."""

import shutil
from pathlib import Path
from typing import Annotated, Literal

import typer

from diffad.cli.options import Home, Json, Quiet, Source, parse_classes, print_json, say
from diffad.errors import DiffadError

# What an edition sets; every value can be given on its own. Sizes and rates are those of the book's MNIST-C experiment.
EDITION_SIZES = {
    "unet": {"smoke": "tiny", "cpu": "small", "gpu": "medium"},
    "dit": {"smoke": "mini", "cpu": "Ti", "gpu": "S"},
}
EDITION_TRAININGS = {
    "smoke": {"num_updates": 600, "batch_size": 64, "learning_rate": 2e-3, "ema_decay": 0.995},
    "cpu": {"num_updates": 2500, "batch_size": 64, "learning_rate": 1e-3, "ema_decay": 0.999},
    "gpu": {
        "num_updates": 40_000,
        "batch_size": 256,
        "learning_rate": 5e-4,
        "ema_decay": 0.9995,
        "precision": "bf16",
    },
}

Out = Annotated[
    Path, typer.Option(help="folder for the detector; it must not be there yet", metavar="MODEL_FOLDER")
]
Classes = Annotated[
    str | None, typer.Option(help="ids of the normal classes, such as 0,1; default: all images are normal")
]
ImageSize = Annotated[
    int | None,
    typer.Option(min=4, max=1024, help="pixels a side to which pictures are resized  [default: 32]"),
]
Edition = Annotated[
    Literal["smoke", "cpu", "gpu"],
    typer.Option(help="seconds, minutes on two cores, or one GPU: sets the size and the training"),
]
Network = Annotated[Literal["unet", "dit"], typer.Option(help="U-Net, or diffusion transformer")]
Size = Annotated[
    str | None,
    typer.Option(
        help="of the U-Net (tiny, mini, small, medium, base, large, ddpm) or the transformer (mini, Ti, S, B, "
        "L, XL)  [default: the edition's]"
    ),
]
Patch = Annotated[
    int | None, typer.Option(help="pixels a side of the transformer's patches: 2, 4, 8 or 16  [default: 4]")
]
Updates = Annotated[int | None, typer.Option(help="optimiser steps  [default: the edition's]")]
BatchSize = Annotated[
    int | None, typer.Option(help="images a step  [default: the edition's, or all where there are fewer]")
]
LearningRate = Annotated[float | None, typer.Option(help="of Adam  [default: the edition's]")]
Schedule = Annotated[str, typer.Option(help="noise schedule: cosine, linear, ...")]
Steps = Annotated[int, typer.Option(help="T, the steps of the forward process")]
FalsePositiveRate = Annotated[float, typer.Option(help="share of normal images that the threshold may flag")]
HeldOut = Annotated[
    float, typer.Option(help="share of the images that is not trained on but calibrates the threshold")
]
CheckpointEvery = Annotated[int, typer.Option(help="updates between checkpoints")]
Seed = Annotated[int, typer.Option(help="of weights, batches, noise and hold-out")]


def train_command(
    source: Source,
    out: Out,
    classes: Classes = None,
    image_size: ImageSize = None,
    edition: Edition = "cpu",
    network: Network = "unet",
    size: Size = None,
    patch: Patch = None,
    updates: Updates = None,
    batch_size: BatchSize = None,
    learning_rate: LearningRate = None,
    schedule: Schedule = "cosine",
    steps: Steps = 1000,
    false_positive_rate: FalsePositiveRate = 0.05,
    held_out: HeldOut = 0.1,
    checkpoint_every: CheckpointEvery = 100,
    seed: Seed = 0,
    home: Home = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Train a detector on normal images.

    They are a data set or a folder of your own. A share of them is held out: it calibrates the scores
    and sets the threshold. Stopped with Ctrl-C or killed, the same command goes on from the last
    checkpoint.

    \b
    Examples:
      diffad train photos/normal --out detector --image-size 64
      diffad train digits --classes 0,1 --out detector --edition smoke
    """
    normal_classes = parse_classes(classes)
    check_out(out)
    from diffad.cli.sources import normal_images

    training = {"num_updates": updates, "batch_size": batch_size, "learning_rate": learning_rate}
    detector = make_detector(
        edition,
        network,
        {"size": size, "patch": patch},
        {"schedule": schedule, "num_steps": steps},
        training | {"checkpoint_every": checkpoint_every, "seed": seed},
        {"false_positive_rate": false_positive_rate, "held_out_fraction": held_out, "seed": seed},
    )
    found = normal_images(source, normal_classes, image_size, seed, home)
    say(found.remark, quiet)
    if batch_size is None:
        fit_batch_to(detector, found.images)
    train_and_save(detector, found.images, out, {"source": source, "classes": normal_classes}, quiet)
    if as_json:
        print_json(summary(detector, out))
    else:
        print(in_words(detector, out))


def make_detector(
    edition: str, network: str, parameters: dict, process: dict, training: dict, detection: dict
):
    """The unfitted `ImageDetector` of an edition, with what is given (not None) in place of its values.

    Raises:
        ValueError: a value that is refused.
    """
    from diffad.detectors import ImageDetector
    from diffad.schedules import SCHEDULES
    from diffad.thresholds import DetectionConfig
    from diffad.training import TrainingConfig

    if process["schedule"] not in SCHEDULES:
        raise ValueError(f"--schedule: got {process['schedule']!r}, expected one of {', '.join(SCHEDULES)}")

    def given(values: dict) -> dict:
        return {name: value for name, value in values.items() if value is not None}

    model = {"network_parameters": {"size": EDITION_SIZES[network][edition]} | given(parameters)} | process
    if network != "unet":  # the default stays unsaid, as in detectors trained before there was a choice
        model["network"] = network
    return ImageDetector(
        model,
        TrainingConfig(**EDITION_TRAININGS[edition] | given(training)),
        DetectionConfig(**detection),
    )


def fit_batch_to(detector, images) -> None:
    """Make the edition's batch as small as the images that are left to train on, where they are fewer."""
    from diffad.datasets.imageset import content_hashes

    training, _ = detector.split(content_hashes(images))
    detector.training = detector.training.for_data(len(training))


def check_out(out: Path) -> None:
    """Refuse, before any work, a folder that cannot be written or holds something else than a detector.

    Raises:
        DiffadError, ValueError: one sentence that names the folder.
    """
    from diffad.detector_files import is_detector
    from diffad.storage import ensure_folder

    if out.exists() and not is_detector(out):
        raise DiffadError(
            f"--out: {out} is there and is no detector, expected a folder that is not there yet"
        )
    ensure_folder(out.absolute().parent, "--out")


def checkpoint_folder(out: Path) -> Path:
    """Where the training of `out` keeps its checkpoints: hidden beside it."""
    out = out.absolute()
    return out.with_name(f".{out.name}.training")


def train_and_save(detector, images, out: Path, origin: dict, quiet: bool) -> None:
    """Fit and save, or load where `out` already holds what this would give.

    Raises:
        DiffadError: `out` holds another detector.
    """
    from diffad.detector_files import differences, images_fingerprint, is_detector, read_description
    from diffad.detectors import ImageDetector

    checkpoints = checkpoint_folder(out)
    if is_detector(out):
        before = {name: read_description(out)[name] for name in ("model", "training", "detection", "images")}
        differing = differences(before, detector.identity(images_fingerprint(images)))
        if differing:
            raise DiffadError(
                f"--out: {out} holds a detector that differs in {', '.join(differing)}, expected a folder that is not there yet"
            )
        say(f"{out} was already trained by this command", quiet)
        vars(detector).update(vars(ImageDetector.load(out)))
    else:
        if checkpoints.is_dir():
            say(f"going on from the checkpoints in {checkpoints}", quiet)
        try:
            detector.fit(images, checkpoints=checkpoints, progress=not quiet)
        except KeyboardInterrupt:
            say("\nstopped; the same command goes on from the last checkpoint", quiet)
            raise
        detector.save(out, origin)
    shutil.rmtree(checkpoints, ignore_errors=True)


def summary(detector, out: Path) -> dict:
    """The outcome as plain JSON values."""
    return {
        "model_folder": str(out),
        "num_training": detector.num_training_,
        "num_held_out": len(detector.normal_scores_),
        "image_shape": list(detector.image_shape_),
        "threshold": detector.threshold_,
        "false_positive_rate": detector.detection.false_positive_rate,
        "evaluations_per_image": detector.evaluations_per_image,
    }


def in_words(detector, out: Path) -> str:
    """The outcome for a reader."""
    return (
        f"{out}: trained on {detector.num_training_} images, calibrated on {len(detector.normal_scores_)} held out; "
        f"scores above {detector.threshold_:.4g} are called anomalous, "
        f"as at most {detector.detection.false_positive_rate:.1%} of normal images are"
    )
