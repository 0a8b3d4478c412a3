"""Training: minimise L_simple over normal images, keep an exponential moving average, never lose work.

Every random number of step k (which images, which noise levels, which noise) is a function of (seed, k)
alone, so that a resumed run continues exactly where it stopped without a random state to be saved.

Source: Ho et al. 2020, algorithm 1; moving average and warm-up as in its appendix B.
"""

import functools
import hashlib
import json
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from accelerate import Accelerator
from diffusers.training_utils import EMAModel
from pydantic import BaseModel, ConfigDict, Field
from tqdm.auto import tqdm

from diffad.checkpoints import (
    Checkpoint,
    latest_checkpoint,
    prune_checkpoints,
    read_checkpoint,
    write_checkpoint,
)
from diffad.inputs import check_inputs, to_network
from diffad.model import DiffusionModel
from diffad.objectives import LowDiscrepancyTimes, l_simple
from diffad.storage import ensure_folder

BATCHES, TIMES, VALIDATION = 0, 1, 2  # which stream of random numbers, so that no two share a seed


class TrainingConfig(BaseModel):
    """How to train. Unknown keys, wrong types and impossible values are refused with the field's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_updates: int = Field(ge=1, description="optimiser steps")
    batch_size: int = Field(default=64, ge=1, description="images a step")
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    warmup_updates: int = Field(default=50, ge=0, description="steps over which the rate rises from 0")
    rate_decay: Literal["constant", "cosine"] = "cosine"
    gradient_clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(default=0.995, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    validate_every: int = Field(default=250, ge=1, description="steps between losses on held-out normals")
    checkpoint_every: int = Field(default=500, ge=1, description="steps between checkpoints")
    checkpoints_kept: int = Field(default=2, ge=1)
    seed: int = Field(default=0, ge=0)

    def learning_rate_at(self, update: int) -> float:
        """The rate of update 0, 1, ...: a linear warm-up, then constant or half a cosine down to 0."""
        if update < self.warmup_updates:
            return self.learning_rate * (update + 1) / (self.warmup_updates + 1)
        if self.rate_decay == "constant":
            return self.learning_rate
        progress = (update - self.warmup_updates) / max(1, self.num_updates - self.warmup_updates)
        return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2


@dataclass
class TrainingHistory:
    """What happened: one row a validation point. `loss` is the mean of L_simple since the row before."""

    update: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    validation_loss: list[float | None] = field(default_factory=list)
    learning_rate: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def append(
        self, update: int, loss: float, validation_loss: float | None, learning_rate: float, seconds: float
    ) -> None:
        """Add the row of `update` (1-based)."""
        self.update.append(update)
        self.loss.append(loss)
        self.validation_loss.append(validation_loss)
        self.learning_rate.append(learning_rate)
        self.seconds.append(seconds)


def seeded_generator(*seed: int) -> torch.Generator:
    """A CPU generator whose stream is a function of the whole tuple, e.g. (seed, stream, update)."""
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state & 0x7FFF_FFFF_FFFF_FFFF)


def batch_indices(num_images: int, batch_size: int, update: int, seed: int) -> np.ndarray:
    """Which images update 0, 1, ... sees: epochs of reshuffled images, cut into full batches across their
    borders.

    Args:
        num_images: size of the training set.
        batch_size: images an update; may exceed `num_images`.

    Returns:
        int64 (batch_size,).
    """
    first = update * batch_size
    epochs = range(first // num_images, (first + batch_size - 1) // num_images + 1)
    order = np.concatenate([_epoch_order(num_images, epoch, seed) for epoch in epochs])
    start = first - epochs[0] * num_images
    return order[start : start + batch_size]


@functools.lru_cache(maxsize=2)  # an update looks at one epoch's order, or at two where one ends
def _epoch_order(num_images: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, BATCHES, epoch]).permutation(num_images)


def content_hash(images: np.ndarray) -> str:
    """sha256 over shape and content of an array (n, ...); a memory-mapped one is read in parts."""
    digest = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), 4096):
        digest.update(np.ascontiguousarray(images[start : start + 4096]))
    return digest.hexdigest()


def fit(
    model: DiffusionModel,
    images: np.ndarray,
    configuration: TrainingConfig,
    validation: np.ndarray | None = None,
    checkpoint_folder: Path | str | None = None,
    progress: bool = True,
) -> TrainingHistory:
    """Train `model` on normal images; on return its weights are the moving average, in evaluation mode.

    Args:
        model: as built by `ModelConfig.build`.
        images: uint8 (n, height, width, channels), kept uint8 until a batch is cut; n >= 1. A model of vectors or
            feature maps takes those instead (see `diffad.inputs`).
        configuration: how to train.
        validation: held-out normal images for the validation loss, never trained on; the loss is L_simple of
            the moving average.
        checkpoint_folder: where checkpoints go, and where a stopped run is taken up again; None keeps none.
        progress: whether to show a progress bar with loss, images a second and time left.

    Raises:
        ValueError: images that are not uint8 (n, h, w, c) of the network's size, or a folder that cannot be
            written.
        FloatingPointError: the loss became NaN or infinite; the message says at which update and learning
            rate. The last checkpoint is from before that.
        CheckpointError: the checkpoint folder holds a run of another architecture, other settings or images.
    """
    check_inputs(images, "images", model.input_kind, model.input_shape)
    if validation is not None:
        check_inputs(validation, "validation", model.input_kind, images.shape[1:])
    trainer = _Trainer(model, images, configuration)
    if checkpoint_folder is not None:
        folder = ensure_folder(Path(checkpoint_folder), "checkpoint_folder")
        if found := latest_checkpoint(folder):
            trainer.restore(read_checkpoint(found))
    bar = tqdm(
        total=configuration.num_updates,
        initial=trainer.update,
        desc="training",
        unit="update",
        disable=not progress,
        mininterval=0.5,
    )
    trainer.start_clock()
    with bar:
        while trainer.update < configuration.num_updates:
            trainer.step()
            bar.update()
            validates = trainer.at(configuration.validate_every)
            saves = checkpoint_folder is not None and trainer.at(configuration.checkpoint_every)
            if validates or saves:
                trainer.check_finite()
            if validates:
                trainer.record(validation)
                rate = configuration.batch_size * trainer.history.update[-1] / trainer.history.seconds[-1]
                bar.set_postfix(loss=f"{trainer.history.loss[-1]:.4f}", images_per_second=f"{rate:.0f}")
            if saves:
                write_checkpoint(folder, trainer.snapshot())
                prune_checkpoints(folder, configuration.checkpoints_kept)
    trainer.finish()
    return trainer.history


class _Trainer:
    """The moving parts of a run: network, optimiser, moving average and clock."""

    def __init__(self, model: DiffusionModel, images: np.ndarray, configuration: TrainingConfig):
        self.configuration, self.model, self.images = configuration, model, images
        self.accelerator = Accelerator()
        self.device = self.accelerator.device
        model.to(self.device).train()
        optimiser = torch.optim.Adam(model.parameters(), lr=configuration.learning_rate, fused=True)
        model.network, self.optimiser = self.accelerator.prepare(model.network, optimiser)
        self.ema = EMAModel(list(model.parameters()), decay=configuration.ema_decay, foreach=True)
        self.times = LowDiscrepancyTimes(model.num_steps)
        self.history, self.update, self.seconds_before = TrainingHistory(), 0, 0.0
        self.losses: list[torch.Tensor] = []

    def autocast(self) -> torch.autocast:
        """bf16 where asked for, within the block alone: accelerate's own setting holds for the whole process,
        and stays in the network's forward after training.
        """
        return torch.autocast(
            self.device.type, torch.bfloat16, enabled=self.configuration.precision == "bf16"
        )

    def start_clock(self) -> None:
        self.started = time.perf_counter()

    def step(self) -> None:
        """One optimiser step on one batch."""
        configuration = self.configuration
        indices = batch_indices(len(self.images), configuration.batch_size, self.update, configuration.seed)
        x_0 = to_network(
            self.images[np.sort(indices)], self.device
        )  # (batch, c, h, w); sorted: a memory-mapped file is read in order
        generator = seeded_generator(configuration.seed, TIMES, self.update)
        t, _ = self.times.draw(configuration.batch_size, generator)
        noise = torch.randn(x_0.shape, generator=generator).to(self.device)
        for group in self.optimiser.param_groups:
            group["lr"] = configuration.learning_rate_at(self.update)
        with self.autocast():
            loss = l_simple(self.model, x_0, t.to(self.device), noise).mean()
        self.accelerator.backward(loss)
        self.accelerator.clip_grad_norm_(self.model.parameters(), configuration.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.step(self.model.parameters())
        self.losses.append(loss.detach())
        self.update += 1

    def at(self, interval: int) -> bool:
        """Whether `interval` updates are complete, or all are."""
        return self.update % interval == 0 or self.update == self.configuration.num_updates

    def check_finite(self) -> None:
        """Refuse to go on from a loss or a weight that is not a number; reads the device, so called once an
        interval.
        """
        losses = torch.stack(self.losses)
        bad = (~torch.isfinite(losses)).nonzero().flatten()
        if len(bad):
            update = self.update - len(losses) + int(bad[0])  # 0-based, as is the rate's
            what = f"the loss became {losses[bad[0]].item()}"
        elif all(torch.isfinite(parameter).all() for parameter in self.model.parameters()):
            return
        else:
            update, what = self.update - 1, "a weight became NaN or infinite"
        rate = self.configuration.learning_rate_at(update)
        raise FloatingPointError(
            f"training: {what} in update {update + 1} at learning rate {rate:.3g}, expected finite numbers; "
            "the last checkpoint is from before that: train anew with a lower learning_rate or gradient_clip"
        )

    def record(self, validation: np.ndarray | None) -> None:
        """Write a row of the history."""
        loss = torch.stack(self.losses).mean().item()
        rate = self.configuration.learning_rate_at(self.update - 1)
        validation_loss = None if validation is None else self.validation_loss(validation)
        self.history.append(self.update, loss, validation_loss, rate, self.elapsed())
        self.losses = []

    def validation_loss(self, validation: np.ndarray) -> float:
        """L_simple of the moving average on the first 512 held-out normals, at the same noise every time."""
        parameters = list(self.model.parameters())
        self.ema.store(parameters)
        self.ema.copy_to(parameters)
        self.model.eval()
        losses = []
        with torch.inference_mode(), self.autocast():
            for start in range(0, min(len(validation), 512), 128):
                x_0 = to_network(validation[start : start + 128], self.device)
                generator = seeded_generator(self.configuration.seed, VALIDATION, start)
                t, _ = self.times.draw(len(x_0), generator)
                noise = torch.randn(x_0.shape, generator=generator).to(self.device)
                losses.append(l_simple(self.model, x_0, t.to(self.device), noise).float())
        self.model.train()
        self.ema.restore(parameters)
        return torch.cat(losses).mean().item()

    def elapsed(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self.seconds_before + time.perf_counter() - self.started

    def snapshot(self) -> Checkpoint:
        """Everything needed to go on as if never stopped."""
        network = self.accelerator.unwrap_model(self.model.network)
        return Checkpoint.capture(
            network, self.ema, self.optimiser, self.update, self.elapsed(), self.history, self.settings
        )

    @functools.cached_property
    def settings(self) -> dict:
        """All that the weights after a given update follow from: configuration, forward process and images."""
        schedule = self.model.process.schedule
        settings = self.configuration.model_dump() | {
            "schedule": [schedule.name, schedule.num_steps, schedule.parameters],
            "parameterisation": self.model.parameterisation,
            "images": content_hash(self.images),
        }
        return json.loads(json.dumps(settings))  # as a checkpoint gives them back

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from `checkpoint`."""
        network = self.accelerator.unwrap_model(self.model.network)
        checkpoint.apply(network, self.ema, self.optimiser, self.history, self.settings)
        self.update, self.seconds_before = checkpoint.update, checkpoint.seconds

    def finish(self) -> None:
        """Put the moving average in place of the raw weights."""
        self.ema.copy_to(self.model.parameters())
        self.model.network = self.accelerator.unwrap_model(self.model.network)
        self.model.eval()
