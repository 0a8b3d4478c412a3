"""A detector on disk, and the folder of a training that is not finished.

    model/           weights.safetensors and model.json, as `DiffusionModel.save` writes them
    held_out.npz     errors of the held-out normals (profile) and hashes of all images seen: numbers only
    detector.json    configuration, calibration, threshold, where the images came from, and the other files' hashes

`detector.json` is written for a reader; of its numbers only the configuration is read back. Everything learned follows
from the weights and the held-out errors, and their hashes tell an altered or mixed-up folder.
"""

import contextlib
import hashlib
import json
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from filelock import FileLock, Timeout
from pydantic import ValidationError

from diffad.checkpoints import FREE_SETTINGS
from diffad.errors import CheckpointError
from diffad.model import WEIGHTS_FILE, DiffusionModel
from diffad.storage import ensure_folder, publish_file, publish_folder
from diffad.thresholds import DetectionConfig
from diffad.training import TrainingConfig

if TYPE_CHECKING:
    from diffad.detectors import ImageDetector

FORMAT = "diffad-detector-1"
DETECTOR_FILE, HELD_OUT_FILE, MODEL_FOLDER = "detector.json", "held_out.npz", "model"
HASHED_FILES = (f"{MODEL_FOLDER}/{WEIGHTS_FILE}", HELD_OUT_FILE)
IDENTITY_FILE, LOCK_FILE = "training.json", ".training.lock"
HASHED_IMAGES = 4096  # at a time: a memory-mapped array is never read whole


@dataclass(frozen=True)
class StoredDetector:
    """What a detector's folder holds."""

    parameters: dict  # "model", "training", "detection" -> their fields
    model: DiffusionModel
    profile: np.ndarray  # (n_held_out, levels)
    seen_hashes: np.ndarray  # uint64 (n,)
    image_shape: tuple[int, int, int]
    num_training: int
    fingerprint: str
    origin: dict


def images_fingerprint(images: np.ndarray) -> str:
    """sha256 over the shape and pixels of uint8 images (n, h, w, c)."""
    digest = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), HASHED_IMAGES):
        digest.update(np.ascontiguousarray(images[start : start + HASHED_IMAGES]))
    return digest.hexdigest()


def is_detector(folder: Path) -> bool:
    """Whether `folder` is that of a detector; it may still be damaged."""
    return (folder / DETECTOR_FILE).is_file()


def write_detector(detector: "ImageDetector", folder: Path, origin: dict) -> Path:
    """Write a fitted detector to `folder`, whole or not at all; see `ImageDetector.save`."""
    with publish_folder(folder) as partial:
        detector.model_.save(partial / MODEL_FOLDER)
        np.savez_compressed(
            partial / HELD_OUT_FILE, profile=detector.profile_, seen_hashes=detector.seen_hashes_
        )
        description = _describe(detector, origin)
        description["files"] = {name: file_hash(partial / name) for name in HASHED_FILES}
        text = json.dumps(description, indent=1, ensure_ascii=False)
        (partial / DETECTOR_FILE).write_text(text + "\n", encoding="utf-8")
    return folder


def _describe(detector: "ImageDetector", origin: dict) -> dict:
    calibration = detector.calibration_
    return {
        "format": FORMAT,
        **detector.identity(detector.fingerprint_),
        "origin": origin,
        "image_shape": list(detector.image_shape_),
        "num_training": detector.num_training_,
        "num_held_out": len(detector.profile_),
        "evaluations_per_image": detector.evaluations_per_image,
        "threshold": detector.threshold_,
        "calibration": {
            "mean_log_error": calibration.mean_.tolist(),
            "standard_deviation": calibration.scale_.tolist(),
            "covariance": calibration.covariance_.tolist(),
        },
    }


def read_detector(folder: Path) -> StoredDetector:
    """Read what `write_detector` wrote. Nothing is unpickled.

    Raises:
        CheckpointError: no such folder, or a file is missing, altered, or of another program.
    """
    description = read_description(folder)
    check_files(folder, description["files"])
    profile, seen_hashes = _read_held_out(folder / HELD_OUT_FILE)
    return StoredDetector(
        {name: description[name] for name in ("model", "training", "detection")},
        DiffusionModel.load(folder / MODEL_FOLDER),
        profile,
        seen_hashes,
        tuple(description["image_shape"]),
        description["num_training"],
        description["images"],
        description["origin"],
    )


def check_files(folder: Path, hashes: dict[str, str]) -> None:
    """See that each file of a detector is the one it was written with; `hashes` are by the path in `folder`.

    Raises:
        CheckpointError: a file is missing or altered.
    """
    for name, digest in hashes.items():
        if not (folder / name).is_file():
            raise CheckpointError(f"detector: {folder / name} is missing, expected a whole detector")
        if file_hash(folder / name) != digest:
            raise CheckpointError(
                f"detector: {folder / name} is not the file that {DETECTOR_FILE} was written with: it is damaged or was replaced"
            )


def read_description(folder: Path) -> dict:
    """The checked content of a detector's `detector.json`.

    Raises:
        CheckpointError: no such folder or file, or not a detector's.
    """
    path = folder / DETECTOR_FILE
    if not path.is_file():
        raise CheckpointError(
            f"detector: {path} is missing, expected the folder of a detector that `diffad train` wrote"
        )
    try:
        description = json.loads(path.read_bytes())
        found = description["format"]
        if found != FORMAT:
            raise CheckpointError(f"detector: {path} has format {found!r}, expected {FORMAT!r}")
        _check_description(description)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(f"detector: {path} is not a detector's description ({error!r})") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CheckpointError(f"detector: {path} is refused: {where}: {first['msg']}") from error
    return description


def _check_description(description: dict) -> None:
    for name, configuration in {"training": TrainingConfig, "detection": DetectionConfig}.items():
        configuration(**description[name])
    if set(description["files"]) != set(HASHED_FILES) or len(description["image_shape"]) != 3:
        raise KeyError("files or image_shape")
    for name in ("model", "num_training", "images", "origin"):
        description[name]  # KeyError where it is missing


def _read_held_out(path: Path) -> tuple[np.ndarray, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            return archive["profile"], archive["seen_hashes"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise CheckpointError(f"detector: {path} does not hold held-out errors ({error})") from error


def file_hash(path: Path) -> str:
    """sha256 of a file's content."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def claim_training(folder: Path | str | None, identity: dict) -> Iterator[None]:
    """Hold a checkpoint folder for the length of a training, and see that it is this training's.

    Args:
        folder: the checkpoint folder; None needs no claim.
        identity: what the training is a function of; kept in the folder.

    Raises:
        CheckpointError: another process trains there, or it holds a training of other images or settings.
        ValueError: it cannot be written.
    """
    if folder is None:
        yield
        return
    folder = ensure_folder(Path(folder), "checkpoints")
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        raise CheckpointError(f"checkpoints: another process is training in {folder}") from None
    try:
        _check_identity(folder / IDENTITY_FILE, identity)
        yield
    finally:
        lock.release()


def _check_identity(path: Path, identity: dict) -> None:
    """Keep `identity` in `path`, or compare it with the one that is there."""
    if not path.exists():
        with publish_file(path) as partial:
            partial.write_text(json.dumps(identity, indent=1) + "\n")
        return
    try:
        before = json.loads(path.read_bytes())
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"checkpoints: {path} is not a training's identity ({error})") from error
    differing = differences(before, identity)
    if differing:
        raise CheckpointError(
            f"checkpoints: {path.parent} holds an unfinished training that differs in {', '.join(differing)}; "
            "repeat its command to go on, or remove that folder to start anew"
        )


def differences(before: dict, asked: dict) -> list[str]:
    """Names of the settings in which two identities differ; those that alter no weight are passed over."""
    flat_before, flat_asked = _flatten(before), _flatten(asked)
    names = sorted(flat_before.keys() | flat_asked.keys())
    return [
        name
        for name in names
        if name.rpartition(".")[2] not in FREE_SETTINGS and flat_before.get(name) != flat_asked.get(name)
    ]


def _flatten(identity: dict) -> dict[str, str]:
    flat = {}
    for name, value in identity.items():
        items = value.items() if isinstance(value, dict) else [("", value)]
        flat |= {f"{name}.{key}".rstrip("."): json.dumps(item, sort_keys=True) for key, item in items}
    return flat
