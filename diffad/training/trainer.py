"""The moving parts of a run: network, optimiser, moving average, history and clock."""

import contextlib
import functools
import json
import math
import os
import time
from collections.abc import Iterator

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast
from diffusers.training_utils import EMAModel

from diffad.checkpoints import Checkpoint, laid_out_like
from diffad.model import DiffusionModel
from diffad.networks.conditioning import Condition
from diffad.objectives import LowDiscrepancyTimes, l_simple
from diffad.training.batches import Batch, BatchSource, content_hash
from diffad.training.configuration import TrainingConfig
from diffad.training.history import NUM_BANDS, TrainingHistory


def make_accelerator() -> Accelerator:
    """accelerate's device and processes. Several processes without a GPU are told apart by their environment
    alone, and accelerate joins them only when it is told that they use CPUs.
    """
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    return Accelerator(cpu=several and not torch.accelerator.is_available())


class Trainer:
    """A run between two updates.

    Attributes:
        model: as given to `fit`. While it trains, its network is wrapped for several processes or compiled.
        network: the network without any wrapper, the same weights.
        update: how many updates are done.
        best: the moving average of the lowest validation loss, where `patience` is set.
    """

    def __init__(
        self,
        model: DiffusionModel,
        inputs: np.ndarray,
        configuration: TrainingConfig,
        validation: np.ndarray | None = None,
        conditions: Condition | None = None,
    ):
        self.configuration, self.model, self.network = configuration, model, model.network
        self.inputs, self.validation, self.conditions = inputs, validation, conditions
        self.accelerator = make_accelerator()
        self.device, processes = self.accelerator.device, self.accelerator.num_processes
        self._check_shares(processes)
        model.to(self.device).train()
        optimiser = torch.optim.Adam(self.network.parameters(), lr=configuration.learning_rate, fused=True)
        model.network, self.optimiser = self.accelerator.prepare(self.network, optimiser)
        if configuration.compile:
            model.network = torch.compile(model.network, dynamic=False)
        # Listed once: walking through the modules takes milliseconds, and every step needs the list.
        self.parameters = list(self.network.parameters())
        self.ema = EMAModel(self.parameters, decay=configuration.ema_decay, foreach=True)
        times = LowDiscrepancyTimes(model.num_steps)
        process = (self.accelerator.process_index, processes)
        self.batches = BatchSource(configuration.seed, times, self.device, process)
        self.history, self.update, self.seconds_before = TrainingHistory(), 0, 0.0
        self.losses: list[torch.Tensor] = []
        self.best: list[torch.Tensor] | None = None

    def _check_shares(self, processes: int) -> None:
        parts = processes * self.configuration.gradient_accumulation
        if self.configuration.batch_size % parts:
            raise ValueError(
                f"batch_size: got {self.configuration.batch_size}, expected a multiple of {parts}: "
                f"{processes} processes times gradient_accumulation = {self.configuration.gradient_accumulation}"
            )

    @property
    def is_main(self) -> bool:
        """Whether this process writes checkpoints and shows the progress bar."""
        return self.accelerator.is_main_process

    @property
    def finished(self) -> bool:
        """Whether all updates are done, or the validation loss has long not fallen."""
        patience = self.configuration.patience
        stale = patience is not None and self.history.rows_since_best >= patience
        return stale or self.update >= self.configuration.num_updates

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
        hidden = configuration.condition_dropout
        batch = self.batches.training(
            self.inputs, configuration.batch_size, self.update, self.conditions, hidden
        )
        for group in self.optimiser.param_groups:
            group["lr"] = configuration.learning_rate_at(self.update)
        self.losses.append(self.gradient(batch))
        self.accelerator.clip_grad_norm_(self.parameters, configuration.gradient_clip)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.ema.step(self.parameters)
        self.update += 1

    def gradient(self, batch: Batch) -> torch.Tensor:
        """Add the loss's gradient to the parameters', part by part; returns this process's loss.

        Processes exchange gradients once, with the last part.
        """
        number, losses = self.configuration.gradient_accumulation, []
        for part in batch.parts(number):
            last = len(losses) == number - 1
            exchange = contextlib.nullcontext() if last else self.accelerator.no_sync(self.model.network)
            with exchange:
                with self.autocast():
                    loss = l_simple(self.model, part.x_0, part.t, part.noise, part.condition).mean() / number
                self.accelerator.backward(loss)
            losses.append(loss.detach())
        return losses[0] if number == 1 else torch.stack(losses).sum()

    def at(self, interval: int) -> bool:
        """Whether `interval` updates are complete, or all are."""
        return self.update % interval == 0 or self.update == self.configuration.num_updates

    def check_finite(self) -> None:
        """Refuse to go on from a loss or a weight that is not a number; reads the device and asks all processes,
        so called once an interval. The losses since the last row are then those of the whole batches.
        """
        losses = self.accelerator.reduce(torch.stack(self.losses), "mean")
        self.losses = list(losses)
        bad = (~torch.isfinite(losses)).nonzero().flatten()
        if len(bad):
            update = self.update - len(losses) + int(bad[0])  # 0-based, as is the rate's
            what = f"the loss became {losses[bad[0]].item()}"
        elif all(torch.isfinite(parameter).all() for parameter in self.parameters):
            return
        else:
            update, what = self.update - 1, "a weight became NaN or infinite"
        rate = self.configuration.learning_rate_at(update)
        raise FloatingPointError(
            f"training: {what} in update {update + 1} at learning rate {rate:.3g}, expected finite numbers; "
            "the last checkpoint is from before that: train anew with a lower learning_rate or gradient_clip"
        )

    def record(self) -> None:
        """Write a row of the history after `check_finite`, and keep the moving average if it is the best so far."""
        loss = torch.stack(self.losses).mean().item()
        rate = self.configuration.learning_rate_at(self.update - 1)
        validation_loss, by_level = (None, None) if self.validation is None else self.validate()
        self.history.append(self.update, loss, validation_loss, rate, self.elapsed(), by_level)
        self.losses = []
        if self.configuration.patience is not None and self.history.rows_since_best == 0:
            self.best = [value.clone() for value in self.ema.shadow_params]

    def validate(self) -> tuple[float, list[float | None]]:
        """L_simple of the moving average on the first 512 held-out normals, at the same noise every time: the mean,
        and the means over bands of noise levels.
        """
        times, losses = [], []
        with self.averaged_network(), torch.inference_mode(), self.autocast():
            for batch in self.batches.validation(self.validation):
                for part in batch.parts(self.configuration.gradient_accumulation):
                    times.append(part.t)
                    losses.append(l_simple(self.model, part.x_0, part.t, part.noise).float())
        losses = broadcast(torch.cat(losses))  # so that all processes stop at the same row
        band = (torch.cat(times) - 1) * NUM_BANDS // self.model.num_steps  # (n,) in 0..NUM_BANDS - 1
        by_level = [losses[band == number].mean().item() for number in range(NUM_BANDS)]
        return losses.mean().item(), [None if math.isnan(loss) else loss for loss in by_level]

    @contextlib.contextmanager
    def averaged_network(self) -> Iterator[None]:
        """The moving average in place of the weights, in evaluation mode, neither compiled nor wrapped: a batch of
        another shape would be compiled anew.
        """
        training_network = self.model.network
        self.ema.store(self.parameters)
        self.ema.copy_to(self.parameters)
        self.model.network = self.network
        self.model.eval()
        yield
        self.model.network = training_network
        self.model.train()
        self.ema.restore(self.parameters)

    def elapsed(self) -> float:
        """Seconds of training, those before a resumption included."""
        return self.seconds_before + time.perf_counter() - self.started

    def snapshot(self) -> Checkpoint:
        """Everything needed to go on as if never stopped."""
        further = {f"best.{index}": value for index, value in enumerate(self.best or [])}
        further |= {f"loss.{index}": value for index, value in enumerate(self.losses)}
        return Checkpoint.capture(
            self.network,
            self.ema,
            self.optimiser,
            self.update,
            self.elapsed(),
            self.history,
            self.settings,
            further,
        )

    @functools.cached_property
    def settings(self) -> dict:
        """All that the weights after a given update follow from: configuration, forward process and data."""
        schedule = self.model.process.schedule
        settings = self.configuration.model_dump() | {
            "schedule": [schedule.name, schedule.num_steps, schedule.parameters],
            "parameterisation": self.model.parameterisation,
            "images": content_hash(self.inputs),
        }
        if self.configuration.patience is not None:
            settings["validation"] = content_hash(self.validation)
        if self.conditions is not None:
            parts = (self.conditions.labels, self.conditions.image)
            settings["conditions"] = [None if part is None else content_hash(part.numpy()) for part in parts]
        return json.loads(json.dumps(settings))  # as a checkpoint gives them back

    def restore(self, checkpoint: Checkpoint) -> None:
        """Go on from `checkpoint`."""
        checkpoint.apply(self.network, self.ema, self.optimiser, self.history, self.settings)
        self.update, self.seconds_before = checkpoint.update, checkpoint.seconds
        losses, best = checkpoint.part("loss."), checkpoint.part("best.")
        self.losses = [losses[str(index)].to(self.device) for index in range(len(losses))]
        if best:
            averages = enumerate(self.ema.shadow_params)
            self.best = [laid_out_like(average, best[str(index)]) for index, average in averages]

    def close(self) -> None:
        """Give the model its own network back."""
        self.model.network = self.network

    def finish(self) -> None:
        """Put the moving average, or the best there was, in place of the raw weights."""
        if self.best is not None:
            for average, best in zip(self.ema.shadow_params, self.best, strict=True):
                average.copy_(best)
        self.ema.copy_to(self.parameters)
        self.model.eval()
