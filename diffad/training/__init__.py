"""Training: minimise L_simple over normal data, keep an exponential moving average, never lose work.

    configuration   how to train, in words
    batches         which items, noise levels and noise a step sees: a function of (seed, step)
    trainer         the moving parts: network, optimiser, moving average, history
    loop            `fit`: steps, validations, checkpoints

Source: Ho et al. 2020, algorithm 1; moving average and warm-up as in its appendix B.
"""

from diffad.training.batches import batch_indices, content_hash, seeded_generator
from diffad.training.configuration import TrainingConfig
from diffad.training.history import TrainingHistory
from diffad.training.loop import fit
from diffad.training.trainer import Trainer

__all__ = [
    "Trainer",
    "TrainingConfig",
    "TrainingHistory",
    "batch_indices",
    "content_hash",
    "fit",
    "seeded_generator",
]
