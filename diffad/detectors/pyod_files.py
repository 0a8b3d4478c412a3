"""A fitted `DiffusionDetector` on disk, and inside a pickle.

    model/                weights.safetensors and model.json, as `DiffusionModel.save` writes them
    arrays.safetensors    scores of the training rows, errors of the held-out ones, what the preparation learned
    detector.json         parameters, preset, numbers for a reader, and the other files' hashes

Nothing here is unpickled: a folder from a stranger can be refused, but it cannot run code.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from diffad.detector_files import DETECTOR_FILE, MODEL_FOLDER, check_files, file_hash
from diffad.detectors.blocks import part
from diffad.detectors.empirical import EmpiricalScoring
from diffad.detectors.preparation import Preparation
from diffad.detectors.presets import Preset
from diffad.errors import CheckpointError
from diffad.model import DESCRIPTION_FILE, WEIGHTS_FILE, DiffusionModel, ModelConfig
from diffad.storage import publish_folder

if TYPE_CHECKING:
    from diffad.detectors.pyod import DiffusionDetector

FORMAT = "diffad-pyod-detector-1"
ARRAYS_FILE = "arrays.safetensors"
MODEL_FILES = (f"{MODEL_FOLDER}/{WEIGHTS_FILE}", f"{MODEL_FOLDER}/{DESCRIPTION_FILE}")
LEARNED_ARRAYS = ("decision_scores_", "held_out_", "held_out_profile_")
PREPARATION, SCORER, EMPIRICAL = (
    "preparation.",
    "scorer.",
    "empirical.",
)  # what the names of their arrays start with


@dataclass(frozen=True)
class PackedModel:
    """A model as plain values: its configuration and its weights as arrays by name."""

    configuration: dict
    weights: dict[str, np.ndarray]


def packed_model(model: DiffusionModel) -> PackedModel:
    """`model` as plain values, whatever its device."""
    weights = {name: value.detach().cpu().numpy() for name, value in model.network.state_dict().items()}
    return PackedModel(model.configuration.model_dump(), weights)


def unpacked_model(packed: PackedModel) -> DiffusionModel:
    """The model that was packed, on the CPU, ready to score."""
    model = ModelConfig(**packed.configuration).build()
    weights = {name: torch.from_numpy(np.array(value)) for name, value in packed.weights.items()}
    model.network.load_state_dict(weights)
    return model.eval()


@dataclass(frozen=True)
class StoredDetector:
    """What a folder holds: constructor parameters, and what `DiffusionDetector` learned, by attribute."""

    parameters: dict
    learned: dict


def write_fitted(detector: "DiffusionDetector", folder: Path) -> Path:
    """Write a fitted detector to `folder`, whole or not at all; see `DiffusionDetector.save`."""
    parameters = detector.get_params(deep=False)
    for name, value in parameters.items():
        _check_plain(name, value)
    with publish_folder(folder) as partial:
        if detector.preset_.network is not None:
            detector.model_.save(partial / MODEL_FOLDER)
        save_file(_arrays(detector), partial / ARRAYS_FILE)
        description = {
            "format": FORMAT,
            "parameters": parameters,
            "preset": asdict(detector.preset_),
            "seed": detector.seed_,
            "input_kind": detector.input_kind_,
            "input_shape": list(detector.input_shape_),
            "feature_names": list(getattr(detector, "feature_names_in_", [])),
            "threshold": float(detector.threshold_),
            "num_rows": len(detector.decision_scores_),
            "num_held_out": len(detector.held_out_),
            "files": {name: file_hash(partial / name) for name in _hashed_files(detector.preset_)},
        }
        text = json.dumps(description, indent=1, ensure_ascii=False)
        (partial / DETECTOR_FILE).write_text(text + "\n", encoding="utf-8")
    return folder


def _hashed_files(preset: Preset) -> tuple[str, ...]:
    return (ARRAYS_FILE,) if preset.network is None else (ARRAYS_FILE, *MODEL_FILES)


def _check_plain(name: str, value: object) -> None:
    try:
        json.dumps(value)
    except TypeError:
        raise ValueError(
            f"{name}: got a {type(value).__name__}, expected plain numbers, words, lists or dictionaries for a "
            "detector to be saved"
        ) from None


def _arrays(detector: "DiffusionDetector") -> dict[str, np.ndarray]:
    learned = {name: getattr(detector, name) for name in LEARNED_ARRAYS}
    if detector.preset_.network is None:
        parts = {EMPIRICAL: detector.empirical_.arrays()}
    else:
        parts = {PREPARATION: detector.preparation_.arrays(), SCORER: detector.scorer_arrays_}
    for prefix, arrays in parts.items():
        learned |= {prefix + name: value for name, value in arrays.items()}
    return {name: np.array(value, order="C") for name, value in learned.items()}


def read_fitted(folder: Path) -> StoredDetector:
    """Read what `write_fitted` wrote. Nothing is unpickled.

    Raises:
        CheckpointError: no such folder, or a file is missing, altered, or of another program.
    """
    path = folder / DETECTOR_FILE
    if not path.is_file():
        raise CheckpointError(
            f"detector: {path} is missing, expected a folder that DiffusionDetector.save wrote"
        )
    try:
        description = json.loads(path.read_bytes())
        found = description["format"]
        if found != FORMAT:
            raise CheckpointError(f"detector: {path} has format {found!r}, expected {FORMAT!r}")
        preset = Preset(**description["preset"])
        if set(description["files"]) != set(_hashed_files(preset)):
            raise KeyError("files")
        check_files(folder, description["files"])
        arrays = load_file(folder / ARRAYS_FILE)
        return StoredDetector(description["parameters"], _learned(folder, description, preset, arrays))
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"detector: {path} is not a detector's description ({error!r})") from error


def _learned(folder: Path, description: dict, preset: Preset, arrays: dict[str, np.ndarray]) -> dict:
    kind, shape = description["input_kind"], tuple(description["input_shape"])
    unit_norm = description["parameters"]["unit_norm"]
    learned = {name: arrays[name] for name in LEARNED_ARRAYS} | {
        "preset_": preset,
        "seed_": description["seed"],
        "input_kind_": kind,
        "input_shape_": shape,
        "n_features_in_": int(np.prod(shape)),
    }
    if description["feature_names"]:
        learned["feature_names_in_"] = np.array(description["feature_names"], dtype=object)
    if preset.network is None:
        empirical = EmpiricalScoring.from_arrays(unit_norm, preset.parameters, part(arrays, EMPIRICAL))
        return learned | {"empirical_": empirical}
    return learned | {
        "preparation_": Preparation.from_arrays(kind, unit_norm, part(arrays, PREPARATION)),
        "scorer_arrays_": part(arrays, SCORER),
        "model_": DiffusionModel.load(folder / MODEL_FOLDER),
        "history_": None,
    }
