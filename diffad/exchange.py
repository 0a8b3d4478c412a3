"""Models to and from others: diffusers' folder format, and the Hugging Face Hub.

    `save_pretrained`   a folder that `diffusers.DDPMPipeline.from_pretrained` opens
    `from_pretrained`   a diffusers DDPM, or a model saved here, from a folder or the Hub
    `push_to_hub`       upload such a folder

A time is 1..T here and 0..T-1 in diffusers. What one side cannot say is refused, never approximated: whether both
mean the same noise levels is checked on the tables themselves, in either direction.
"""

import copy
import re
from pathlib import Path

import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, UNet2DModel
from safetensors import SafetensorError

from diffad.errors import CheckpointError, DataNotFound
from diffad.model import DESCRIPTION_FILE, DiffusionModel, ModelConfig, check_replaceable
from diffad.networks import UNet, make_network
from diffad.process import ForwardProcess
from diffad.schedules import SCHEDULES, NoiseSchedule, from_beta, make_schedule
from diffad.storage import publish_folder

INDEX_FILE = "model_index.json"
PIPELINE_FILES = {INDEX_FILE, "unet", "scheduler", "README.md"}
PREDICTION_TYPES = {"eps": "epsilon", "x0": "sample", "v": "v_prediction"}
SCHEDULERS = {"DDPMScheduler": DDPMScheduler, "DDIMScheduler": DDIMScheduler}
SCHEDULE_NAMES = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "cosine": "squaredcos_cap_v2",
    "sigmoid": "sigmoid",
}
COSINE_IN_DIFFUSERS = {"offset": 0.008, "max_beta": 0.999}
ALPHA_BAR_TOLERANCE = 2e-6  # diffusers multiplies its table in float32
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")


def save_pretrained(model: DiffusionModel, folder: Path | str) -> Path:
    """Write a U-Net as a diffusers `DDPMPipeline`: model_index.json, unet/ and scheduler/, whole or not at all.

    Args:
        model: a U-Net without conditions, on any device.
        folder: a new one, or one that holds such a pipeline.

    Raises:
        ValueError: a network that diffusers' pipeline has no place for (`DiffusionModel.save` writes any), noise
            that the pipeline cannot undo, or a folder with other files.
    """
    folder = check_replaceable(folder, PIPELINE_FILES)
    unet, scheduler = _unet_alone(model), scheduler_of(model)
    with publish_folder(folder) as partial:
        DDPMPipeline(unet, scheduler).save_pretrained(partial, safe_serialization=True)
    return folder


def from_pretrained(
    name: Path | str, revision: str | None = None, token: str | None = None
) -> DiffusionModel:
    """Open a diffusers DDPM, or a model that `DiffusionModel.save` wrote. Nothing is unpickled.

    Args:
        name: a folder, or a repository "owner/name" of the Hugging Face Hub, which is downloaded to its cache.
        revision: branch, tag or commit of the repository.
        token: of the Hub, for a private repository.

    Returns:
        The model in evaluation mode. A schedule that diffusers keeps as a bare table of betas has no name here:
        such a model works, but `DiffusionModel.save` refuses it.

    Raises:
        DataNotFound: neither a folder nor a repository that can be had.
        CheckpointError: files are missing, or the pipeline says something that has no equal here.
    """
    folder = Path(name)
    if not folder.is_dir():
        folder = _download(str(name), revision, token)
    if (folder / DESCRIPTION_FILE).is_file():
        return DiffusionModel.load(folder)
    if not (folder / INDEX_FILE).is_file():
        raise CheckpointError(
            f"checkpoint: {folder} holds neither {INDEX_FILE} nor {DESCRIPTION_FILE}, "
            "expected a diffusers pipeline or a saved model"
        )
    return _open_pipeline(folder)


def push_to_hub(folder: Path | str, repository: str, private: bool = False, token: str | None = None) -> str:
    """Upload a folder that `save_pretrained` or `DiffusionModel.save` wrote to the Hugging Face Hub.

    Args:
        folder: the saved model.
        repository: "owner/name"; made if it is not there yet.
        private: whether a new repository is private.
        token: of the Hub; None uses the one that `hf auth login` stored.

    Returns:
        The address of the repository.

    Raises:
        CheckpointError: the folder holds no model.
        ValueError: a repository's name that is not "owner/name", or the Hub refuses.
    """
    folder = Path(folder)
    if not any((folder / name).is_file() for name in (INDEX_FILE, DESCRIPTION_FILE)):
        raise CheckpointError(f"checkpoint: {folder} holds no model, expected a folder that was saved")
    if not REPOSITORY.fullmatch(repository):
        raise ValueError(f"repository: got {repository!r}, expected 'owner/name'")
    hub = _hub()
    api = hub.HfApi(token=token)
    try:
        address = api.create_repo(repository, private=private, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=str(folder), commit_message="Upload a diffusion model"
        )
    except (hub.errors.HfHubHTTPError, OSError) as error:
        raise ValueError(f"repository: {repository} could not be written ({_first_line(error)})") from error
    return str(address)


def scheduler_of(model: DiffusionModel) -> DDPMScheduler:
    """diffusers' scheduler with the model's noise levels, parameterisation and variance.

    Raises:
        ValueError: a schedule that ends in pure noise with a network that predicts eps, which says nothing about
            the data there.
    """
    schedule = model.process.schedule
    if schedule.alpha_bar[-1] == 0 and model.parameterisation == "eps":
        raise ValueError(
            "model: got one that predicts eps at zero terminal SNR, where diffusers' sampler divides by zero; expected v or x0"
        )
    scheduler = DDPMScheduler(
        num_train_timesteps=schedule.num_steps,
        variance_type="learned_range" if model.learned_variance else "fixed_small",
        prediction_type=PREDICTION_TYPES[model.parameterisation],
        **_beta_arguments(schedule),
    )
    _check_same_levels(schedule, scheduler, "model")
    return scheduler


def _beta_arguments(schedule: NoiseSchedule) -> dict:
    """How a DDPMScheduler is told these betas: by name where it knows the schedule, else one by one."""
    parameters = dict(schedule.parameters)
    base = parameters.pop("base") if schedule.name == "zero_terminal" else schedule.name
    if base in SCHEDULE_NAMES and (base != "cosine" or parameters == COSINE_IN_DIFFUSERS):
        ends = {key: value for key, value in parameters.items() if key in ("beta_start", "beta_end")}
        rescaled = schedule.name == "zero_terminal"
        return {"beta_schedule": SCHEDULE_NAMES[base], "rescale_betas_zero_snr": rescaled, **ends}
    return {"trained_betas": schedule.beta[1:].tolist()}


def _check_same_levels(schedule: NoiseSchedule, scheduler: DDPMScheduler, argument: str) -> None:
    ours, theirs = schedule.alpha_bar[1:], scheduler.alphas_cumprod.double()
    gap = (ours - theirs).abs().max().item() if ours.shape == theirs.shape else float("inf")
    if not gap <= ALPHA_BAR_TOLERANCE:
        raise ValueError(
            f"{argument}: alpha_bar of schedule {schedule.name!r} and of diffusers differ by {gap:.2g}, "
            f"expected at most {ALPHA_BAR_TOLERANCE}"
        )


def _unet_alone(model: DiffusionModel) -> UNet2DModel:
    """The diffusers U-Net of a model, copied to the CPU in the plain memory format."""
    network = model.network
    if not isinstance(network, UNet):
        raise ValueError(
            f"model: got a {type(network).__name__}, expected a U-Net, all that diffusers' DDPMPipeline "
            "opens; DiffusionModel.save writes any network"
        )
    if network.configuration.num_classes or network.configuration.condition_channels:
        raise ValueError(
            "model: got a U-Net that takes conditions, expected one without: diffusers' DDPMPipeline passes "
            "none; DiffusionModel.save writes it"
        )
    unet = copy.deepcopy(network.unet).to("cpu", memory_format=torch.contiguous_format)
    unet.register_to_config(_name_or_path="")
    return unet.eval()


def _open_pipeline(folder: Path) -> DiffusionModel:
    """The model in a folder of diffusers' format; older ones keep every file in the folder itself."""
    scheduler = _read_scheduler(folder / "scheduler" if (folder / "scheduler").is_dir() else folder)
    unet = _read_unet(folder / "unet" if (folder / "unet").is_dir() else folder)
    schedule, variance_type = _schedule_of(scheduler), scheduler.config.get("variance_type", "fixed_small")
    _check_same_levels(schedule, scheduler, "checkpoint")
    meaning = {
        "parameterisation": _parameterisation_of(scheduler),
        "learned_variance": variance_type == "learned_range",
    }
    words = {
        "network": "diffusers_unet",
        "network_parameters": {
            "arguments": {key: value for key, value in unet.config.items() if not key.startswith("_")},
            "learned_variance": meaning["learned_variance"],
        },
    }
    try:
        with torch.device("meta"):  # the weights are there already
            network = make_network(words["network"], words["network_parameters"])
    except ValueError as error:
        raise CheckpointError(f"checkpoint: {folder} has no equal here ({error})") from error
    network.unet = unet.to(memory_format=torch.channels_last)
    configuration = None
    if schedule.name in SCHEDULES:
        configuration = ModelConfig(
            **words,
            **meaning,
            schedule=schedule.name,
            schedule_parameters=schedule.parameters,
            num_steps=schedule.num_steps,
        )
    return DiffusionModel(network, ForwardProcess(schedule), **meaning, configuration=configuration).eval()


def _read_scheduler(folder: Path) -> DDPMScheduler | DDIMScheduler:
    """The scheduler that a pipeline samples with; the two whose network sees x_t as it is here."""
    try:
        name = DDPMScheduler.load_config(folder, local_files_only=True).get("_class_name")
        if name not in SCHEDULERS:
            raise CheckpointError(
                f"checkpoint: {folder} has scheduler {name!r}, expected {' or '.join(SCHEDULERS)}"
            )
        scheduler = SCHEDULERS[name].from_pretrained(folder, local_files_only=True)
    except (OSError, NotImplementedError, TypeError) as error:
        raise CheckpointError(
            f"checkpoint: no scheduler can be read in {folder} ({_first_line(error)})"
        ) from error
    if scheduler.config.get("variance_type") == "learned":
        raise CheckpointError(
            f"checkpoint: {folder} has variance_type 'learned', expected a fixed one or 'learned_range'"
        )
    return scheduler


def _read_unet(folder: Path) -> UNet2DModel:
    """The U-Net in `folder`, on the CPU, with every weight read from safetensors."""
    try:
        name = UNet2DModel.load_config(folder, local_files_only=True).get("_class_name")
        if name != UNet2DModel.__name__:
            raise CheckpointError(f"checkpoint: {folder} holds a {name}, expected a UNet2DModel")
        unet, report = UNet2DModel.from_pretrained(
            folder, use_safetensors=True, local_files_only=True, output_loading_info=True
        )
    except (OSError, RuntimeError, TypeError, ValueError, SafetensorError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(
            f"checkpoint: no U-Net can be read in {folder}, expected its config.json and safetensors ({_first_line(error)})"
        ) from error
    for problem in ("missing_keys", "unexpected_keys", "mismatched_keys", "error_msgs"):
        if report.get(problem):
            raise CheckpointError(
                f"checkpoint: {folder} has {problem} {report[problem][0]!r}, expected the weights of its own config.json"
            )
    return unet


def _parameterisation_of(scheduler: DDPMScheduler) -> str:
    meant = scheduler.config.prediction_type
    for ours, theirs in PREDICTION_TYPES.items():
        if theirs == meant:
            return ours
    raise CheckpointError(
        f"checkpoint: got prediction_type {meant!r}, expected one of {', '.join(PREDICTION_TYPES.values())}"
    )


def _schedule_of(scheduler: DDPMScheduler) -> NoiseSchedule:
    """The schedule here that a diffusers scheduler means; "tabulated" where it lists its betas."""
    config = scheduler.config
    if config.trained_betas is not None and not config.get("rescale_betas_zero_snr"):
        return from_beta(torch.tensor(config.trained_betas, dtype=torch.float64), "tabulated")
    names = {theirs: ours for ours, theirs in SCHEDULE_NAMES.items()}
    if config.beta_schedule not in names or config.trained_betas is not None:
        what = "rescaled trained_betas" if config.trained_betas is not None else repr(config.beta_schedule)
        raise CheckpointError(f"checkpoint: got beta_schedule {what}, expected one of {', '.join(names)}")
    name = names[config.beta_schedule]
    ends = {} if name == "cosine" else {"beta_start": config.beta_start, "beta_end": config.beta_end}
    if config.get("rescale_betas_zero_snr"):
        return make_schedule("zero_terminal", config.num_train_timesteps, base=name, **ends)
    return make_schedule(name, config.num_train_timesteps, **ends)


def _download(name: str, revision: str | None, token: str | None) -> Path:
    """The Hub's repository `name` in the local cache: its JSON and safetensors files alone."""
    if not REPOSITORY.fullmatch(name):
        raise DataNotFound(f"name: {name} is not there, expected a folder or a repository 'owner/name'")
    hub = _hub()
    try:
        return Path(
            hub.snapshot_download(
                name, revision=revision, token=token, allow_patterns=["*.json", "*.safetensors"]
            )
        )
    except (hub.errors.HfHubHTTPError, OSError) as error:
        raise DataNotFound(
            f"name: {name} is neither a folder nor a repository that can be had ({_first_line(error)})"
        ) from error


def _hub():
    try:
        import huggingface_hub
    except ImportError as error:
        raise ValueError(
            "huggingface_hub is not installed, expected it: pip install 'diffad[hub]'"
        ) from error
    return huggingface_hub


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
