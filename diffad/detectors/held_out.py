"""Which normals a detector is trained on, and which it keeps to be calibrated on."""

import numpy as np

from diffad.datasets.drawing import generator, hold_out


def split_held_out(
    hashes: np.ndarray, count: int, seed: int, argument: str = "images"
) -> tuple[np.ndarray, np.ndarray]:
    """Divide normals at random into those to train on and `count` held out; no content stands among both.

    Args:
        hashes: one content hash a normal item, uint64 (n,).
        count: how many to hold out, below n.
        seed: of the draw.
        argument: what the items are called in the error.

    Returns:
        Sorted indices of the training items and of those held out. A training item that equals a held-out one is
        in neither.

    Raises:
        ValueError: every item equals one that is held out.
    """
    training, held_out = hold_out(np.arange(len(hashes)), count / len(hashes), generator(seed))
    training = training[~np.isin(hashes[training], hashes[held_out])]
    if not len(training):
        raise ValueError(
            f"{argument}: all of them are also among those held out, expected {argument} that differ"
        )
    return training, held_out
