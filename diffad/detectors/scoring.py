"""A preset's scorer on a trained model, and what it learned itself as plain arrays."""

import numpy as np
import torch

from diffad.detectors.presets import Preset
from diffad.scorers import Evaluator, LearnedTime, Scorer, make_scorer
from diffad.scorers.diffusion_time import classifier


def learn_scorer(
    preset: Preset, evaluator: Evaluator, normals: np.ndarray, **settings
) -> dict[str, np.ndarray]:
    """Fit the scorer of a preset that trains it, and return what it learned.

    Args:
        normals: prepared data to train on, (n, ...).
        settings: of the training, such as num_updates; they go before the preset's parameters.

    Returns:
        The weights of its network by name; `taken_up` gives them to a new scorer.
    """
    scorer = make_scorer(preset.scorer, evaluator, **preset.parameters | settings).fit(normals)
    return {name: value.cpu().numpy() for name, value in scorer.classifier_.state_dict().items()}


def taken_up(preset: Preset, evaluator: Evaluator, learned: dict[str, np.ndarray]) -> Scorer:
    """The preset's scorer, ready to score; `learned` is empty where it learned nothing itself."""
    scorer = make_scorer(preset.scorer, evaluator, **preset.parameters)
    if isinstance(scorer, LearnedTime):
        features = int(np.prod(evaluator.model.input_shape))
        scorer.classifier_ = classifier(features, scorer.num_bins, scorer.dropout)
        weights = {name: torch.from_numpy(np.array(value)) for name, value in learned.items()}
        scorer.classifier_.load_state_dict(weights)
        scorer.classifier_.to(evaluator.device).eval()
    return scorer
