"""Each method ready to be trained and to score, on images of any size.

What the weights of a network are does not change what it costs: networks score untrained, and train for a few
updates. Baselines are fitted on all rows that they are given; the limits of `diffad.baselines`, which keep some of them
usable, are lifted, since growth is what is asked.
"""

import contextlib
from collections.abc import Callable

import numpy as np

from diffad.baselines import Baseline, make_baseline
from diffad.efficiency.settings import NETWORK_METHODS, EfficiencySettings
from diffad.model import DiffusionModel, ModelConfig
from diffad.networks import UNET_SIZES
from diffad.scorers import (
    DEFAULT_LEVELS,
    Evaluator,
    OneStepReconstruction,
    PartialDiffusion,
    levels_from_fractions,
)
from diffad.scorers.denoiser_profile import DenoiserDistance, DenoiserProfile, NormalDistance
from diffad.training import Trainer, TrainingConfig

NUM_STEPS, SINGLE_LEVEL, START = (
    1000,
    0.1,
    0.25,
)  # T; t/T of one-step error; t/T where partial diffusion starts
CHUNK = 50  # images whose spectra are held at once


def natural_images(num_images: int, side: int, channels: int, seed: int) -> np.ndarray:
    """Random images whose spectrum falls as 1 / frequency, as that of photographs does.

    Returns:
        uint8 (num_images, side, side, channels). No data set is needed, and none has all sizes.
    """
    generator = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])  # (side, side // 2 + 1)
    frequency[0, 0] = 1 / side
    images = np.empty((num_images, side, side, channels), np.uint8)
    for start in range(0, num_images, CHUNK):
        stop = min(start + CHUNK, num_images)
        white = generator.standard_normal((stop - start, channels, side, side), dtype=np.float32)
        smooth = np.fft.irfft2(np.fft.rfft2(white) / frequency, s=(side, side))
        smooth = 127.5 + 50 * (smooth - smooth.mean()) / smooth.std()
        images[start:stop] = np.clip(smooth, 0, 255).transpose(0, 2, 3, 1)  # (chunk, side, side, channels)
    return images


def build_model(method: str, settings: EfficiencySettings, side: int) -> DiffusionModel:
    """The method's untrained model for images of that side, on the settings' device."""
    kind = NETWORK_METHODS[method][0]
    parameters = {"image_size": side, "channels": settings.channels} | getattr(settings, kind)
    configuration = ModelConfig(network=kind, network_parameters=parameters, num_steps=NUM_STEPS)
    return configuration.build(settings.seed).to(settings.device)


def fit_baseline(method: str, train: np.ndarray, seed: int) -> Baseline:
    """The baseline, fitted on every row of `train`."""
    return make_baseline(method, seed, max_training_rows=None).fit(train)


def network_scorer(
    method: str, settings: EfficiencySettings, side: int
) -> Callable[[np.ndarray], np.ndarray]:
    """uint8 images (n, side, side, channels) -> scores (n,) by the method's untrained network."""
    model = build_model(method, settings, side)
    evaluations = NETWORK_METHODS[method][1]
    evaluator = Evaluator(model, settings.batch(side, evaluations))
    if method in ("one_step", "dit"):
        return OneStepReconstruction(evaluator, levels_from_fractions([SINGLE_LEVEL], NUM_STEPS), 1).scores
    if method == "denoiser_profile":
        levels = levels_from_fractions(DEFAULT_LEVELS, NUM_STEPS)
        scorer = DenoiserDistance(DenoiserProfile(evaluator, levels))
        columns = len(levels) * (settings.channels + UNET_SIZES[settings.unet["size"]][-1])
        usual = np.random.default_rng(settings.seed).standard_normal((2 * columns, columns))
        scorer.distance_ = NormalDistance(usual)  # a distance costs the same whatever it was calibrated on
        return scorer.scores
    return PartialDiffusion(evaluator, round(START * NUM_STEPS), evaluations).scores


@contextlib.contextmanager
def network_training(method: str, settings: EfficiencySettings, train: np.ndarray):
    """A training of the method's network that has begun: yields a function that takes the settings' updates.

    The first update is done: it is the one in which memory is laid out.
    """
    side = train.shape[1]
    configuration = TrainingConfig(
        num_updates=1_000_000, batch_size=settings.batch(side), warmup_updates=0, rate_decay="constant"
    )
    trainer = Trainer(build_model(method, settings, side), train, configuration)

    def updates() -> None:
        for _ in range(settings.updates):
            trainer.step()

    with contextlib.closing(trainer):
        trainer.step()
        yield updates
