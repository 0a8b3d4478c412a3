"""A diffusion model: a denoiser, the forward process it was trained against, and what its output means.

Everything downstream (objectives, samplers, scorers) asks a `DiffusionModel` for eps, x0, v or the score and
never knows which of them the network predicts.
"""

import json
from pathlib import Path
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from diffad.errors import CheckpointError
from diffad.networks import Condition, Denoiser, make_network, network_configuration
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule
from diffad.storage import publish_folder

FORMAT = "diffad-model-1"
PARAMETERISATIONS = ("eps", "x0", "v")
WEIGHTS_FILE, DESCRIPTION_FILE = "weights.safetensors", "model.json"


class ModelConfig(BaseModel):
    """A diffusion model in words: enough to build it again before its weights are read."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    network: str = "unet"
    network_parameters: dict
    schedule: str = "cosine"
    schedule_parameters: dict = Field(default_factory=dict)
    num_steps: int = Field(default=1000, ge=1, le=10_000)
    parameterisation: Literal[PARAMETERISATIONS] = "eps"
    learned_variance: bool = False

    @model_validator(mode="after")
    def _can_be_built(self) -> "ModelConfig":
        network = network_configuration(self.network, self.network_parameters)
        if network.learned_variance != self.learned_variance:
            raise ValueError(
                f"learned_variance: got {self.learned_variance} for the model and {network.learned_variance} in "
                "network_parameters, expected the same in both"
            )
        try:
            make_schedule(self.schedule, self.num_steps, **self.schedule_parameters)
        except TypeError as error:  # pydantic reports ValueError alone with the field's name
            raise ValueError(f"schedule_parameters: {error}") from error
        return self

    def build(self, seed: int = 0) -> "DiffusionModel":
        """The untrained model; its initial weights are a function of `seed` alone and no global state is
        touched.
        """
        process = ForwardProcess(make_schedule(self.schedule, self.num_steps, **self.schedule_parameters))
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = make_network(self.network, self.network_parameters)
        return DiffusionModel(
            network, process, self.parameterisation, self.learned_variance, configuration=self
        )


class DiffusionModel(torch.nn.Module):
    """network + process + parameterisation.

    Args:
        network: anything that speaks the Denoiser protocol, trained or exact (`diffad.oracle`).
        process: the Markov forward process.
        parameterisation: what the network's output means: "eps", "x0" or "v".
        learned_variance: whether the network returns twice the channels, the second half being the reverse
            variance (Nichol & Dhariwal 2021, equation 15).
        configuration: the words this model was built from; needed only to save it.

    Raises:
        ValueError: a parameterisation that is not one of the three.
    """

    def __init__(
        self,
        network: Denoiser,
        process: ForwardProcess,
        parameterisation: str = "eps",
        learned_variance: bool = False,
        configuration: ModelConfig | None = None,
    ):
        super().__init__()
        if parameterisation not in PARAMETERISATIONS:
            raise ValueError(
                f"parameterisation: got {parameterisation!r}, expected one of {', '.join(PARAMETERISATIONS)}"
            )
        self.network = network
        self.process = process
        self.parameterisation = parameterisation
        self.learned_variance = learned_variance
        self.configuration = configuration

    @property
    def num_steps(self) -> int:
        """T, the last time of the forward process."""
        return self.process.num_steps

    @property
    def input_kind(self) -> str:
        """What the network takes: "images", "vectors" or "maps" (see `diffad.inputs`)."""
        return getattr(self.network, "input_kind", "images")

    @property
    def input_shape(self) -> tuple[int, ...] | None:
        """Shape at rest of one item that the network is made for, (height, width, channels) or (features,); None
        where it takes any.
        """
        return getattr(self.network, "input_shape", None)

    @property
    def evaluations_per_prediction(self) -> int:
        """Network evaluations that `predict` costs a sample without guidance."""
        return 1

    def network_prediction(
        self,
        x_t: torch.Tensor,
        t: torch.Tensor | int,
        condition: Condition | None = None,
        guidance: float = 1.0,
    ) -> torch.Tensor:
        """The network's raw output, in its own parameterisation; the other arguments as in `predict`.

        Guidance weighs eps, x0, v and the score alike: each is the same straight line in any other.
        """
        if guidance != 1 and condition is None:
            raise ValueError(f"guidance: got {guidance} without a condition, expected a condition to weigh")
        times = self._times(x_t, t)
        if condition is None:
            return self.network(x_t, times)
        condition = condition.to(x_t.device)
        if guidance == 0:
            return self.network(x_t, times, condition.null())
        conditional = self.network(x_t, times, condition)
        if guidance == 1:
            return conditional
        unconditional = self.network(x_t, times, condition.null())
        if not self.learned_variance:
            return unconditional + guidance * (conditional - unconditional)
        conditional, variance = conditional.chunk(2, dim=1)  # each in x_t's shape; the variance is not guided
        unconditional = unconditional.chunk(2, dim=1)[0]
        return torch.cat([unconditional + guidance * (conditional - unconditional), variance], dim=1)

    def predict(
        self,
        x_t: torch.Tensor,
        t: torch.Tensor | int,
        target: str = "eps",
        condition: Condition | None = None,
        guidance: float = 1.0,
    ) -> torch.Tensor:
        """The prediction of `target` ("eps", "x0", "v" or "score") in x_t's shape.

        Costs `evaluations(guidance)` network evaluations a sample: one, or two with guidance.

        Args:
            x_t: noisy data (batch, ...), in the network's units.
            t: time in 1..T, an int or int64 (batch,).
            condition: what is known of each item, for a network that takes conditions.
            guidance: weight w in null + w (conditional - null), where null is the prediction without the condition:
                1 is the plain conditional prediction, 0 the unconditional one. In the words of Ho & Salimans 2022,
                equation 6, it is 1 plus their w.

        Equation: eq-guidance.

        Raises:
            ValueError: guidance without a condition, or a condition that the network does not take.
        """
        return self.predict_with_variance(x_t, t, target, condition, guidance)[0]

    def predict_with_variance(
        self,
        x_t: torch.Tensor,
        t: torch.Tensor | int,
        target: str = "eps",
        condition: Condition | None = None,
        guidance: float = 1.0,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """As `predict`, with the learned variance's place between its two bounds.

        Returns:
            The prediction, and a tensor in x_t's shape that is 0 at the posterior variance and 1 at beta_t
            (Nichol & Dhariwal 2021, equation 15), or None where the variance is not learned. Guidance leaves the
            variance as the conditional one.
        """
        output, fraction = self.network_prediction(x_t, t, condition, guidance), None
        if self.learned_variance:
            output, fraction = output.chunk(2, dim=1)  # each in x_t's shape
            fraction = (fraction + 1) / 2
        return self.process.convert(output, x_t, t, self.parameterisation, target), fraction

    def conditioned(self, condition: Condition, guidance: float = 1.0) -> "ConditionedModel":
        """This model with its condition given once and for all, for samplers and scorers, which pass none.

        Args:
            condition: of one item, which then holds for each of any batch, or of as many as every batch has.
            guidance: as in `predict`.
        """
        return ConditionedModel(self, condition, guidance)

    def _times(self, x_t: torch.Tensor, t: torch.Tensor | int) -> torch.Tensor:
        if isinstance(t, int):
            return torch.full((x_t.shape[0],), t, dtype=torch.int64, device=x_t.device)
        return t

    def save(self, folder: Path | str) -> Path:
        """Write `weights.safetensors` and `model.json` to `folder`, whole or not at all.

        Raises:
            CheckpointError: the model was not built from a `ModelConfig`.
            ValueError: the folder cannot be written, or holds other files, which replacing it would remove.
        """
        if self.configuration is None:
            raise CheckpointError(
                "model: got one that was not built from a ModelConfig, expected ModelConfig(...).build() for a model to be saved"
            )
        folder = check_replaceable(folder, {WEIGHTS_FILE, DESCRIPTION_FILE})
        with publish_folder(folder) as partial:
            save_file(
                {
                    name: value.detach().cpu().contiguous()
                    for name, value in self.network.state_dict().items()
                },
                partial / WEIGHTS_FILE,
            )
            description = {"format": FORMAT, "model": self.configuration.model_dump()}
            (partial / DESCRIPTION_FILE).write_text(json.dumps(description, indent=2) + "\n")
        return folder

    @classmethod
    def load(cls, folder: Path | str) -> "DiffusionModel":
        """Read what `save` wrote. Nothing is unpickled.

        Raises:
            CheckpointError: a file is missing, truncated, of another program, or the weights do not fit the
                network.
        """
        folder = Path(folder)
        configuration = _read_description(folder / DESCRIPTION_FILE)
        model = configuration.build()
        weights = read_weights(folder / WEIGHTS_FILE)
        load_weights(model.network, weights, folder / WEIGHTS_FILE)
        return model.eval()


class ConditionedModel(DiffusionModel):
    """A diffusion model that always predicts under the same condition; shares the other model's network.

    Made by `DiffusionModel.conditioned`. It cannot be saved: save the model that it was made of.
    """

    def __init__(self, model: DiffusionModel, condition: Condition, guidance: float = 1.0):
        super().__init__(model.network, model.process, model.parameterisation, model.learned_variance)
        self.condition, self.guidance = condition, guidance
        self.training = model.training

    @property
    def evaluations_per_prediction(self) -> int:
        """Network evaluations that `predict` costs a sample."""
        return evaluations(self.guidance)

    def network_prediction(
        self,
        x_t: torch.Tensor,
        t: torch.Tensor | int,
        condition: Condition | None = None,
        guidance: float = 1.0,
    ) -> torch.Tensor:
        """The network's raw output under the condition that was given when this was made.

        Raises:
            ValueError: another condition or guidance is asked for.
        """
        if condition is not None or guidance != 1:
            raise ValueError("condition: got one for a model that is conditioned already, expected None")
        self.condition = self.condition.to(x_t.device)  # sent once, however often it is asked
        return super().network_prediction(x_t, t, self.condition.expand(len(x_t)), self.guidance)


def evaluations(guidance: float = 1.0) -> int:
    """Network evaluations that a prediction costs a sample: two where guidance weighs two predictions, else one."""
    return 1 if guidance in (0, 1) else 2


def check_replaceable(folder: Path | str, names: set[str]) -> Path:
    """`folder` as a path, if writing a model there removes nothing but a model's files, which have these names.

    Raises:
        ValueError: it is a file, or holds something else.
    """
    folder = Path(folder)
    others = sorted({path.name for path in folder.glob("*")} - names)
    if others or folder.is_file():
        what = f"a folder that holds {others[0]!r}" if others else "a file"
        raise ValueError(f"folder: {folder} is {what}, expected a new folder or one with a saved model")
    return folder


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a safetensors file.

    Raises:
        CheckpointError: the file is missing, or is not a whole safetensors file.
    """
    if not path.is_file():
        raise CheckpointError(f"checkpoint: {path} is missing, expected a safetensors file")
    try:
        return load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"checkpoint: {path} is truncated or not a safetensors file ({error}); nothing was loaded"
        ) from error


def load_weights(network: torch.nn.Module, weights: dict[str, torch.Tensor], path: Path) -> None:
    """Copy `weights` into `network` if names and shapes are exactly the network's.

    Raises:
        CheckpointError: they belong to another architecture; the message names the first that differs.
    """
    expected = network.state_dict()
    for name in sorted(expected.keys() ^ weights.keys()):
        where = "is missing from" if name in expected else "is not known to the network but stands in"
        raise CheckpointError(
            f"checkpoint: tensor {name!r} {where} {path}, expected a checkpoint of the same architecture"
        )
    for name, value in expected.items():
        if weights[name].shape != value.shape:
            raise CheckpointError(
                f"checkpoint: tensor {name!r} in {path} has shape {tuple(weights[name].shape)}, expected {tuple(value.shape)}: another architecture"  # noqa: E501
            )
    network.load_state_dict(weights)


def _read_description(path: Path) -> ModelConfig:
    if not path.is_file():
        raise CheckpointError(
            f"checkpoint: {path} is missing, expected a folder written by DiffusionModel.save"
        )
    try:
        description = json.loads(path.read_text())
        if not isinstance(description, dict) or description.get("format") != FORMAT:
            found = description.get("format") if isinstance(description, dict) else type(description).__name__
            raise CheckpointError(f"checkpoint: {path} has format {found!r}, expected {FORMAT!r}")
        return ModelConfig(**description["model"])
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError) as error:
        raise CheckpointError(f"checkpoint: {path} is not a model description ({error})") from error
    except ValidationError as error:
        raise CheckpointError(
            f"checkpoint: {path} describes a model that cannot be built ({error.errors()[0]['loc']}: {error.errors()[0]['msg']})"
        ) from error
