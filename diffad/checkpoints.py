"""Training checkpoints: safetensors and JSON, whole or not at all, the last few kept.

A checkpoint holds the network, its moving average, the optimiser's state, and what else the run hands it. There is
no random state in it: training draws every random number as a function of (seed, update).
"""

import dataclasses
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import torch
from diffusers.training_utils import EMAModel
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors.torch import save_file

from diffad.errors import CheckpointError
from diffad.model import load_weights, read_weights
from diffad.storage import publish_folder

if TYPE_CHECKING:
    from diffad.training import TrainingHistory

FORMAT = "diffad-checkpoint-1"
NAME = "update-{:08d}"
TENSORS_FILE, STATE_FILE = "tensors.safetensors", "state.json"
# What a resumed run may change: none of it alters the weights, unless validations decide when to stop.
FREE_SETTINGS = {"validate_every", "checkpoint_every", "checkpoints_kept"}
# Settings that a checkpoint names only where its run uses them; unnamed, they are None or at their defaults.
UNSAID_SETTINGS = {
    "gradient_accumulation",
    "compile",
    "patience",
    "condition_dropout",
    "validation",
    "conditions",
}
LATER_COLUMNS = {"validation_loss_by_level"}  # of the history, that the first checkpoints do not have


class _State(BaseModel):
    """What stands in the state's file."""

    model_config = ConfigDict(extra="forbid")

    format: Literal[FORMAT]
    update: int = Field(ge=1)
    seconds: float = Field(ge=0)
    history: dict[str, list]
    configuration: dict


@dataclass
class Checkpoint:
    """A run, stopped after `update` updates and `seconds` of training."""

    tensors: dict[str, torch.Tensor]  # "network.", "average.", "optimiser." + name -> value, and further ones
    update: int
    seconds: float
    history: dict
    configuration: dict
    path: Path | None = None

    @classmethod
    def capture(
        cls,
        network: torch.nn.Module,
        ema: EMAModel,
        optimiser: torch.optim.Optimizer,
        update: int,
        seconds: float,
        history: "TrainingHistory",
        settings: dict,
        further: dict[str, torch.Tensor],
    ) -> "Checkpoint":
        """Copy the state of a run to the CPU; `settings`, plain JSON values, are all its weights follow from, and
        `further` what else it must find again, by names of its own.
        """
        tensors = {f"network.{name}": value for name, value in network.state_dict().items()}
        tensors |= {f"average.{index}": value for index, value in enumerate(ema.shadow_params)}
        for index, values in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{key}": value for key, value in values.items()}
        tensors |= further
        tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in tensors.items()}
        return cls(tensors, update, seconds, dataclasses.asdict(history), settings)

    def apply(
        self,
        network: torch.nn.Module,
        ema: EMAModel,
        optimiser: torch.optim.Optimizer,
        history: "TrainingHistory",
        settings: dict,
    ) -> None:
        """Put the state back, but for the further tensors, which the run takes from `part`.

        Raises:
            CheckpointError: another architecture, or settings under which the run could not have come here.
        """
        self._check_settings(settings)
        if self.history.keys() | LATER_COLUMNS != vars(history).keys():
            raise CheckpointError(
                f"checkpoint: {self.path / STATE_FILE} has a history of {', '.join(self.history) or 'nothing'}, "
                f"expected {', '.join(vars(history))}"
            )
        load_weights(network, self.part("network."), self.path / TENSORS_FILE)
        for index, value in self.part("average.").items():
            ema.shadow_params[int(index)].copy_(value)
        ema.optimization_step = self.update
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in self.part("optimiser.").items():
            index, key = name.split(".", 1)
            state.setdefault(int(index), {})[key] = laid_out_like(parameters[int(index)], value)
        optimiser.load_state_dict({"state": state, "param_groups": optimiser.state_dict()["param_groups"]})
        for key, values in dataclasses.asdict(type(history)(**self.history)).items():
            getattr(history, key)[:] = values

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The tensors whose names begin with `prefix`, by the rest of their names."""
        return {
            name.removeprefix(prefix): value
            for name, value in self.tensors.items()
            if name.startswith(prefix)
        }

    def _check_settings(self, settings: dict) -> None:
        before = self.configuration
        named = (settings.keys() & before.keys()) | (UNSAID_SETTINGS & (settings.keys() | before.keys()))
        free = FREE_SETTINGS - ({"validate_every"} if "patience" in settings else set())
        for name in sorted(named - free):
            if before.get(name) != settings.get(name):
                had, asked = (
                    repr(part[name]) if name in part else "its default" for part in (before, settings)
                )
                raise CheckpointError(
                    f"checkpoint: {self.path} was trained with {name} = {had} and this run asks for {asked}; "
                    "give the run another checkpoint folder, or the same settings"
                )


def laid_out_like(parameter: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
    """`value` in the memory layout of its parameter: a fused Adam walks both in memory order, not by index."""
    return value if value.shape != parameter.shape else torch.empty_like(parameter).copy_(value)


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write `checkpoint` to `folder`/update-NNNNNNNN, whole or not at all; returns that path."""
    target = folder / NAME.format(checkpoint.update)
    with publish_folder(target) as partial:
        save_file(checkpoint.tensors, partial / TENSORS_FILE)
        state = {
            "format": FORMAT,
            "update": checkpoint.update,
            "seconds": checkpoint.seconds,
            "history": checkpoint.history,
            "configuration": checkpoint.configuration,
        }
        (partial / STATE_FILE).write_text(json.dumps(state, indent=2) + "\n")
    return target


def read_checkpoint(path: Path) -> Checkpoint:
    """Read what `write_checkpoint` wrote. Nothing is unpickled.

    Raises:
        CheckpointError: a file is missing, truncated or of another program.
    """
    tensors = read_weights(path / TENSORS_FILE)
    try:
        state = _State.model_validate(json.loads((path / STATE_FILE).read_text()))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise CheckpointError(
            f"checkpoint: {path / STATE_FILE} is missing or not a training state ({error})"
        ) from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"])) or "file"
        raise CheckpointError(
            f"checkpoint: {path / STATE_FILE} is not a training state of this program ({where}: {first['msg']})"
        ) from error
    return Checkpoint(tensors, state.update, state.seconds, state.history, state.configuration, path)


def _checkpoints(folder: Path) -> list[Path]:
    return sorted(folder.glob(NAME.replace("{:08d}", "[0-9]" * 8)))


def latest_checkpoint(folder: Path) -> Path | None:
    """The checkpoint of the latest update in `folder`, or None. Half-written ones have other names and do not
    count.
    """
    found = _checkpoints(folder)
    return found[-1] if found else None


def prune_checkpoints(folder: Path, kept: int) -> None:
    """Remove all but the last `kept` checkpoints of `folder`."""
    for path in _checkpoints(folder)[:-kept]:
        shutil.rmtree(path)
