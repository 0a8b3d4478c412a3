"""The training loop: steps, validations, checkpoints and a progress bar."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tqdm.auto import tqdm

from diffad.checkpoints import latest_checkpoint, prune_checkpoints, read_checkpoint, write_checkpoint
from diffad.errors import OutOfMemory
from diffad.inputs import check_inputs
from diffad.model import DiffusionModel
from diffad.networks.conditioning import Condition
from diffad.storage import ensure_folder
from diffad.training.configuration import TrainingConfig
from diffad.training.history import TrainingHistory
from diffad.training.trainer import Trainer


def fit(
    model: DiffusionModel,
    inputs: np.ndarray,
    configuration: TrainingConfig,
    validation: np.ndarray | None = None,
    checkpoint_folder: Path | str | None = None,
    progress: bool = True,
    conditions: Condition | None = None,
) -> TrainingHistory:
    """Train `model` on normal data; on return its weights are the moving average, in evaluation mode.

    Started by `accelerate launch` or torchrun, the processes share each batch, and the first of them writes.

    Args:
        model: as built by `ModelConfig.build`.
        inputs: normal data of the network's kind (see `diffad.inputs`): images uint8 (n, height, width, channels),
            kept uint8 until a batch is cut; vectors float32 (n, features); maps float32 (n, height, width,
            channels). At least a batch.
        configuration: how to train.
        validation: held-out normal data for the validation loss, never trained on; the loss is L_simple of the
            moving average, without conditions.
        checkpoint_folder: where checkpoints go, and where a stopped run is taken up again; None keeps none.
        progress: whether to show a progress bar with loss, images a second and time left.
        conditions: what is known of each of the inputs, on the CPU, for a network that takes conditions. A share
            `condition_dropout` of a batch is trained without.

    Raises:
        ValueError: data of another kind or shape than the network's, fewer than a batch, patience without
            validation data, or a folder that cannot be written.
        FloatingPointError: the loss became NaN or infinite; the message says at which update and learning
            rate. The last checkpoint is from before that.
        OutOfMemory: the message says which batch was tried and what to change.
        CheckpointError: the checkpoint folder holds a run of another architecture, other settings or data.
    """
    _check_data(model, inputs, configuration, validation, conditions)
    trainer = Trainer(model, inputs, configuration, validation, conditions)
    with contextlib.closing(trainer), _memory_shortage_explained(trainer):
        folder = None
        if checkpoint_folder is not None:
            folder = ensure_folder(Path(checkpoint_folder), "checkpoint_folder")
            if found := latest_checkpoint(folder):
                trainer.restore(read_checkpoint(found))
        _run(trainer, folder, progress)
        trainer.finish()
    return trainer.history


def _check_data(
    model: DiffusionModel,
    inputs: np.ndarray,
    configuration: TrainingConfig,
    validation: np.ndarray | None,
    conditions: Condition | None,
) -> None:
    check_inputs(inputs, "inputs", model.input_kind, model.input_shape)
    if validation is not None:
        check_inputs(validation, "validation", model.input_kind, inputs.shape[1:])
    elif configuration.patience is not None:
        raise ValueError("validation: got None, expected held-out normal data, on whose loss patience looks")
    if configuration.batch_size > len(inputs):
        raise ValueError(
            f"batch_size: got {configuration.batch_size} with {len(inputs)} {model.input_kind} to train on, "
            f"expected at most {len(inputs)}"
        )
    if conditions is not None and len(conditions) != len(inputs):
        raise ValueError(f"conditions: got {len(conditions)}, expected one for each of {len(inputs)} inputs")


def _run(trainer: Trainer, folder: Path | None, progress: bool) -> None:
    """Take steps until the run is finished; validate and save where it is due."""
    configuration = trainer.configuration
    bar = tqdm(
        total=configuration.num_updates,
        initial=trainer.update,
        desc="training",
        unit="update",
        disable=not (progress and trainer.is_main),
        mininterval=0.5,
    )
    trainer.start_clock()
    with bar:
        while not trainer.finished:
            trainer.step()
            bar.update()
            validates = trainer.at(configuration.validate_every)
            saves = folder is not None and trainer.at(configuration.checkpoint_every)
            if validates or saves:
                trainer.check_finite()
            if validates:
                trainer.record()
                bar.set_postfix(_shown(trainer.history, configuration.batch_size))
            if folder is not None and (saves or trainer.finished):
                _save(trainer, folder)


def _shown(history: TrainingHistory, batch_size: int) -> dict[str, str]:
    """What stands behind the progress bar, which itself says the time left."""
    shown = {"loss": f"{history.loss[-1]:.4f}"}
    if history.validation_loss[-1] is not None:
        shown["validation_loss"] = f"{history.validation_loss[-1]:.4f}"
    return shown | {"images_per_second": f"{batch_size * history.update[-1] / history.seconds[-1]:.0f}"}


def _save(trainer: Trainer, folder: Path) -> None:
    """Write a checkpoint in the main process; the others wait, so that none runs ahead of what is saved."""
    if trainer.is_main:
        write_checkpoint(folder, trainer.snapshot())
        prune_checkpoints(folder, trainer.configuration.checkpoints_kept)
    trainer.accelerator.wait_for_everyone()


@contextlib.contextmanager
def _memory_shortage_explained(trainer: Trainer) -> Iterator[None]:
    """Turn the allocators' errors into a sentence that says what was tried and what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_memory_shortage(error):
            raise
        configuration = trainer.configuration
        parts = configuration.gradient_accumulation * trainer.accelerator.num_processes
        raise OutOfMemory(
            f"training: {trainer.device} ran out of memory with batch_size = {configuration.batch_size}, "
            f"{configuration.batch_size // parts} at a time, in update {trainer.update + 1}; set a smaller batch_size, or "
            f"keep it and set gradient_accumulation above {configuration.gradient_accumulation} "
            "for the same steps in less memory"
        ) from error


def _is_memory_shortage(error: Exception) -> bool:
    """On a CPU, torch raises a RuntimeError like any other, which only its words tell."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in ("you tried to allocate", "bad_alloc"))
