"""Named ways to make a detector: which denoiser, and how what it says becomes a score.

    ddpm     the paper's method: a U-Net (a perceptron for vectors), partial diffusion in ten DDIM steps, squared error
    dit      the same with a diffusion transformer; images only
    dte      diffusion-time estimation (Livernoche et al. 2024): a classifier guesses how noisy its input is
    fast     images: two noise levels, one evaluation each, read as a profile
    profile  ten noise levels, one evaluation each, errors by channel beside what the bottleneck sees
    best     images: ten noise levels, two antithetic noises each, read as a profile
             vectors, fast and best: the exact denoiser of the training rows (`diffad.empirical`), one evaluation, no training

A profile is read two-sided, by its Mahalanobis distance from the profiles of held-out normals: an item is anomalous
where its errors are unlike theirs, larger or smaller, or go together as theirs do not (`diffad.scorers.calibration`).
"""

from collections.abc import Mapping
from dataclasses import dataclass

from diffad.inputs import InputKind
from diffad.scorers import DEFAULT_LEVELS, LevelCalibration
from diffad.scorers.denoiser_profile import NormalDistance

SMALLEST_OF_SIZE = {
    "medium": 64,
    "small": 20,
    "tiny": 0,
}  # pixels from which a U-Net of that size is the default
SMALLEST_OF_PATCH = {8: 128, 4: 32, 2: 0}  # pixels from which a transformer cuts patches of that size

# Errors, on a logarithmic scale and with every rule; or numbers of any sign, by their Mahalanobis distance alone.
CALIBRATIONS = {"levels": LevelCalibration, "rows": NormalDistance}


@dataclass(frozen=True)
class Preset:
    """What a detector is made of, in plain values.

    Attributes:
        network: the denoiser's name, of `diffad.networks.NETWORKS`; None for the exact denoiser of the training rows.
        scorer: of `diffad.scorers.SCORERS`; None where there is no network.
        parameters: of the scorer, or of `EmpiricalDiffusion`.
        rule: how the scorer's profile becomes one number (`ProfileCalibration.combine`); None where the scorer
            gives one number by itself.
        trains_scorer: whether the scorer learns in the denoiser's place, which is then left untrained.
        calibration: of `CALIBRATIONS`: what learns from profiles of held-out normals how far off another is.
    """

    network: str | None
    scorer: str | None
    parameters: Mapping
    rule: str | None = None
    trains_scorer: bool = False
    calibration: str = "levels"


PAPER = {"start": 0.25, "num_steps": 10}
BEST = {"levels": DEFAULT_LEVELS, "num_draws": 2}
EMPIRICAL = Preset(None, None, {})

PRESETS: dict[str, dict[InputKind, Preset]] = {
    "ddpm": {
        "images": Preset("unet", "partial", PAPER),
        "vectors": Preset("mlp", "partial", PAPER),
    },
    "dit": {"images": Preset("dit", "partial", PAPER)},
    "dte": {
        "images": Preset("unet", "time_learned", {}, trains_scorer=True),
        "vectors": Preset("mlp", "time_learned", {}, trains_scorer=True),
    },
    "fast": {
        "images": Preset("unet", "eps_error", {"levels": (0.05, 0.5), "num_draws": 1}, "mahalanobis"),
        "vectors": EMPIRICAL,
    },
    "profile": {
        "images": Preset("unet", "denoiser_profile", {}, "mahalanobis", calibration="rows"),
        "vectors": Preset("mlp", "denoiser_profile", {}, "mahalanobis", calibration="rows"),
    },
    "best": {
        "images": Preset("unet", "eps_error", BEST, "mahalanobis"),
        "vectors": EMPIRICAL,
    },
}


def find_preset(name: str, kind: InputKind) -> Preset:
    """The preset called `name`, for data of that kind.

    Raises:
        ValueError: no preset has that name, or it does not take such data.
    """
    if name not in PRESETS:
        raise ValueError(f"preset: got {name!r}, expected one of {', '.join(PRESETS)}")
    if kind not in PRESETS[name]:
        able = [other for other, kinds in PRESETS.items() if kind in kinds]
        raise ValueError(f"preset: got {name!r} for {kind}, expected one of {', '.join(able)}")
    return PRESETS[name][kind]


def network_defaults(network: str, shape: tuple[int, ...]) -> dict:
    """Parameters of a denoiser for items of `shape`, (height, width, channels) or (features,).

    Raises:
        ValueError: images that are not square.
    """
    if network == "mlp":
        return {"features": shape[0]}
    height, width, channels = shape
    if height != width:
        raise ValueError(f"X: got images of {height} x {width} pixels, expected square ones")
    sizes = (
        {"size": _largest_fitting(SMALLEST_OF_SIZE, height)}
        if network == "unet"
        else {"size": "Ti", "patch": _largest_fitting(SMALLEST_OF_PATCH, height)}
    )
    return {"image_size": height, "channels": channels} | sizes


def _largest_fitting(smallest: Mapping, pixels: int):
    return next(name for name, least in smallest.items() if pixels >= least)
