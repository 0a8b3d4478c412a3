"""Ablations: what a training made of a network, measured on held-out normal images, beside the record of its run.

    python -m diffad.ablations levels                              times of equal signal-to-noise ratio
    python -m diffad.ablations quality results/NAME/EDITION/CELL   how well the cell's model denoises and rebuilds

A number t / T says nothing across schedules: t = 0.1 T is another noise under each. Everything here is asked at a
log-SNR, translated into the time that has it (eq-matched-noise). Every model meets the same noise on the same images, so
that two models are compared image by image.
"""

import argparse
import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat

from diffad.bits import image_bits_per_dim
from diffad.errors import RecordError
from diffad.experiments import HISTORY_FILE, MODEL_FOLDER, PROTOCOLS, one_thread
from diffad.images import to_network
from diffad.model import DiffusionModel
from diffad.objectives.losses import mean_squared_error
from diffad.provenance import device_name, source_hash
from diffad.records import RunRecord, RunScores, read_record
from diffad.rescheduling import matching_times
from diffad.samplers import partial_diffusion
from diffad.schedules import NoiseSchedule, make_schedule
from diffad.scorers.distances import ssim_map
from diffad.storage import publish_file
from diffad.training import TrainingHistory

QUALITY_FILE = "quality.json"
LOG_SNR_RANGE = (7.0, 5.0, 3.0, 1.0, -1.0, -3.0, -5.0, -7.0)  # evenly spaced, the cleanest first
REFERENCE = ("cosine", 1000)  # whose t / T the levels below are
SCORED_LEVELS = (0.05, 0.1, 0.2, 0.35, 0.5, 0.7)
WALK_STARTS = (0.25, 0.5)
WALK_STEPS = (1, 5)
TOLERANCE = 0.25  # of the log-SNR: a schedule whose nearest time is further off is not asked there
DIGITS = 4  # significant ones of a number an image


class Measured(BaseModel):
    """One quantity on every held-out image, at one noise level."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    log_snr: float = Field(description="the level that was asked for")
    t: int | None = Field(description="the model's time of that level; None where it has none so near")
    values: tuple[FiniteFloat, ...] = Field(description="one an image; none where t is None")

    @property
    def mean(self) -> float:
        """Mean over the images; NaN where the level was not asked."""
        return float(np.mean(self.values)) if self.values else math.nan


class Walk(BaseModel):
    """Partial diffusion of every held-out image from one level in some steps."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_steps: int
    psnr: Measured = Field(description="peak signal-to-noise ratio of the reconstruction, dB")
    ssim: Measured = Field(description="structural similarity with the image, at most 1")
    sharpness: Measured = Field(
        description="squared differences of neighbouring pixels, as a share of the image's own; 1 is as sharp as it"
    )


class Quality(BaseModel):
    """How well a model denoises and rebuilds normal images that it was not trained on."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = "diffad-quality-1"
    name: str = Field(description="of the run whose model it is")
    record_of_model: str = Field(description="content hash of that run's record")
    num_images: int
    seed: int
    eps_error: tuple[Measured, ...] = Field(description="mean squared error of the predicted noise")
    walks: tuple[Walk, ...]
    bits_per_dim: dict[str, FiniteFloat]
    bits_per_dim_error: dict[str, FiniteFloat] = Field(description="standard error of each")
    source_hash: str = Field(description="of the code that trained and measured; see `diffad.provenance`")
    device: str
    content_hash: str | None = None

    def eps_errors(self, levels: Sequence[float] | None = None) -> np.ndarray:
        """Mean errors of the predicted noise, (levels,), NaN where not asked; at all levels if None."""
        asked = [each.log_snr for each in self.eps_error] if levels is None else list(levels)
        found = {each.log_snr: each.mean for each in self.eps_error}
        return np.array([found[level] for level in asked])

    def walk(self, log_snr: float, num_steps: int) -> Walk:
        """The walk from that level in that many steps; RecordError if there is none."""
        for walk in self.walks:
            if walk.num_steps == num_steps and abs(walk.psnr.log_snr - log_snr) < 1e-6:
                return walk
        raise RecordError(
            f"quality of {self.name!r} holds no walk of {num_steps} steps from log-SNR {log_snr:.3f}"
        )


# --- levels ---


def reference_log_snr(fractions: Sequence[float]) -> list[float]:
    """log-SNR of the cosine schedule with T = 1000 at shares of T, rounded to three digits after the point."""
    table = make_schedule(*REFERENCE).log_snr
    return [round(float(table[round(fraction * REFERENCE[1])]), 3) for fraction in fractions]


def matched_fractions(schedule: NoiseSchedule, fractions: Sequence[float]) -> list[float]:
    """t / T of `schedule` with the SNR that the cosine schedule has at `fractions`. Equation: eq-matched-noise."""
    times = matching_times(schedule, make_schedule(*REFERENCE))
    return [int(times[round(fraction * REFERENCE[1])]) / schedule.num_steps for fraction in fractions]


def time_of(schedule: NoiseSchedule, log_snr: float, tolerance: float = TOLERANCE) -> int | None:
    """The time in 1..T with the nearest log-SNR; None where that is more than `tolerance` away."""
    distance = (schedule.log_snr[1:] - log_snr).abs()
    nearest = int(distance.argmin())
    return nearest + 1 if distance[nearest] <= tolerance else None


# --- measuring ---


@torch.no_grad()
def eps_errors(model: DiffusionModel, images: np.ndarray, log_snr: float, seed: int = 0) -> Measured:
    """Mean squared error of the predicted noise on uint8 images (n, h, w, c), one draw an image.

    The noise is a function of `seed` and `log_snr` alone: two models meet the same.
    """
    t = time_of(model.process.schedule, log_snr)
    if t is None:
        return Measured(log_snr=log_snr, t=None, values=())
    x_0 = to_network(images, _device(model))
    noise = _noise(x_0, log_snr, seed)
    x_t = model.process.sample(x_0, t, noise)
    return _measured(log_snr, t, mean_squared_error(model.predict(x_t, t, "eps"), noise))


@torch.no_grad()
def walk(model: DiffusionModel, images: np.ndarray, log_snr: float, num_steps: int, seed: int = 0) -> Walk:
    """Noise uint8 images (n, h, w, c) to `log_snr`, walk back in `num_steps` DDIM steps, and compare.

    Raises:
        ValueError: the model has no time of that level, or fewer steps to it.
    """
    t = time_of(model.process.schedule, log_snr)
    if t is None:
        raise ValueError(f"log_snr: got {log_snr}, expected one that the schedule has within {TOLERANCE}")
    x_0 = to_network(images, _device(model))
    x_hat = partial_diffusion(model, x_0, t, num_steps, _noise(x_0, log_snr, seed), clamp=1.0)
    error = mean_squared_error(x_hat, x_0)
    similarity = 1 - 2 * ssim_map(x_0, x_hat).flatten(1).mean(1)
    return Walk(
        num_steps=num_steps,
        psnr=_measured(log_snr, t, 10 * torch.log10(4 / error)),  # grey levels span 2
        ssim=_measured(log_snr, t, similarity),
        sharpness=_measured(log_snr, t, edge_energy(x_hat) / edge_energy(x_0)),
    )


def edge_energy(images: torch.Tensor) -> torch.Tensor:
    """Sum of squared differences of neighbouring pixels, (batch, c, h, w) -> (batch,)."""
    across, down = images.diff(dim=-1), images.diff(dim=-2)
    return across.square().flatten(1).sum(1) + down.square().flatten(1).sum(1)


def measure_quality(folder: Path | str, num_images: int = 150, num_draws: int = 10, seed: int = 0) -> Quality:
    """Measure the model of a finished run on the last `num_images` of its held-out normals, which it was not trained
    on, and publish `quality.json` beside its record.

    Args:
        folder: of the run, with its model.
        num_draws: levels drawn an image for the variational bound.

    Raises:
        RecordError: the record is missing or damaged.
        CheckpointError: the model is.
    """
    folder = Path(folder)
    record, _ = read_record(folder)
    asked = record.experiment
    split = PROTOCOLS[asked["protocol"]](
        asked["dataset"], seed=record.seeds["split"], **asked["protocol_parameters"]
    )
    model = DiffusionModel.load(folder / MODEL_FOLDER).eval()
    images = split.validation[-num_images:]
    bound = image_bits_per_dim(model, images, num_draws, seed)
    levels = [*LOG_SNR_RANGE, *reference_log_snr(SCORED_LEVELS)]
    quality = Quality(
        name=record.name,
        record_of_model=record.content_hash,
        num_images=len(images),
        seed=seed,
        eps_error=tuple(eps_errors(model, images, level, seed) for level in levels),
        walks=tuple(
            walk(model, images, start, steps, seed)
            for start in reference_log_snr(WALK_STARTS)
            for steps in WALK_STEPS
        ),
        bits_per_dim={part: round(value, 5) for part, value in bound.mean.items()},
        bits_per_dim_error={part: round(value, 5) for part, value in bound.standard_error.items()},
        source_hash=source_hash(),
        device=device_name(_device(model)),
    )
    quality = quality.model_copy(update={"content_hash": _content_hash(quality)})
    with publish_file(folder / QUALITY_FILE) as path:
        path.write_text(quality.model_dump_json() + "\n")
    return quality


# --- reading ---


@dataclass(frozen=True)
class Cell:
    """A cell read back without its weights, which are not kept for every cell."""

    record: RunRecord
    scores: RunScores
    history: TrainingHistory
    quality: Quality | None


def read_quality(folder: Path | str) -> Quality:
    """Read what `measure_quality` published in `folder`.

    Raises:
        RecordError: it is missing, not such a file, edited by hand, or of another training than the record beside it.
    """
    path = Path(folder) / QUALITY_FILE
    try:
        quality = Quality.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is missing or holds no quality ({str(error).splitlines()[0]})") from error
    if quality.content_hash != _content_hash(quality):
        raise RecordError(
            f"{path} was edited by hand: its content does not match its content_hash; measure it again"
        )
    if quality.record_of_model != read_record(folder)[0].content_hash:
        raise RecordError(f"{path} is of another training than the record beside it; measure it again")
    return quality


def read_cells(folder: Path | str, with_quality: bool = True) -> dict[str, Cell]:
    """The finished cells of one edition's folder by name, sorted.

    Raises:
        RecordError: there is none, or a file of one is missing or damaged.
    """
    cells = {}
    for path in sorted(Path(folder).glob("*/record.json")):
        record, scores = read_record(path.parent)
        history = path.parent / HISTORY_FILE
        try:
            training = TrainingHistory(**json.loads(history.read_text()))
        except (OSError, ValueError, TypeError) as error:
            raise RecordError(f"{history} is missing or not a training history ({error})") from error
        quality = read_quality(path.parent) if with_quality else None
        cells[path.parent.name] = Cell(record, scores, training, quality)
    if not cells:
        raise RecordError(f"{folder} holds no finished cell")
    return cells


def _device(model: DiffusionModel) -> torch.device:
    return next(model.parameters()).device


def _noise(x_0: torch.Tensor, log_snr: float, seed: int) -> torch.Tensor:
    """Standard normal draws, one an image, by seed and level."""
    state = np.random.SeedSequence([seed, round(1000 * (log_snr + 100))]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) & 0x7FFF_FFFF_FFFF_FFFF)
    return torch.randn(x_0.shape, generator=generator).to(x_0.device)


def _measured(log_snr: float, t: int, values: torch.Tensor) -> Measured:
    numbers = [float(f"{value:.{DIGITS}g}") for value in values.double().tolist()]
    return Measured(log_snr=log_snr, t=t, values=tuple(numbers))


def _content_hash(quality: Quality) -> str:
    content = quality.model_dump(mode="json", exclude={"content_hash"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def level_lines(names: Sequence[str], num_steps: int = 1000) -> dict[str, Mapping[str, list[float]]]:
    """For each schedule the t / T of the levels and of the walk's start in `experiments/noise_schedule.yaml`."""
    schedules = {name: make_schedule(name, num_steps) for name in names}
    return {
        name: {
            "levels": matched_fractions(schedule, SCORED_LEVELS),
            "start": matched_fractions(schedule, WALK_STARTS[:1]),
        }
        for name, schedule in schedules.items()
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m diffad.ablations`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    levels = commands.add_parser(
        "levels", help="times of equal signal-to-noise ratio under several schedules"
    )
    levels.add_argument("schedules", nargs="*", default=["linear", "cosine", "sigmoid", "log_linear"])
    measuring = commands.add_parser("quality", help="measure the models of finished runs on held-out normals")
    measuring.add_argument("folders", nargs="+", type=Path)
    measuring.add_argument("--images", type=int, default=150)
    chosen = parser.parse_args(arguments)
    if chosen.command == "levels":
        for name, found in level_lines(chosen.schedules).items():
            print(f"{name}: levels {found['levels']}, start {found['start'][0]}")
        return
    for folder in chosen.folders:
        with one_thread():
            quality = measure_quality(folder, chosen.images)
        print(f"{folder}: {quality.bits_per_dim['total']:.3f} bits a dimension, eps errors", end=" ")
        print(" ".join(f"{each:.4f}" for each in quality.eps_errors()))


if __name__ == "__main__":
    main()
