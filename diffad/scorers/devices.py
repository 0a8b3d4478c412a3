"""One scorer on several devices, or in several processes: each scores its share of the images.

A score does not depend on an image's neighbours, so nothing has to be exchanged but the scores themselves.
"""

import copy
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Self

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import gather_object

from diffad.scorers.base import Scorer


class AcrossDevices(Scorer):
    """A fitted scorer copied to several devices; each scores a contiguous share of the images in its own thread.

    Scores are those of one device: to the last bit on CPUs, within rounding between a CPU and a GPU.

    Args:
        scorer: fitted if it needs to be.
        devices: at least one, such as ["cuda:0", "cuda:1"].
    """

    def __init__(self, scorer: Scorer, devices: Sequence[torch.device | str]):
        if not len(devices):
            raise ValueError("devices: got none, expected at least one")
        self.scorer, self.evaluator = scorer, scorer.evaluator
        self.logarithmic = scorer.logarithmic
        self.copies = [_copy_to(scorer, torch.device(device)) for device in devices]

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE)."""
        return self.scorer.evaluations_per_image

    def fit(self, normals: np.ndarray) -> Self:
        """Fit the scorer where it was made, and copy it anew."""
        self.scorer.fit(normals)
        self.copies = [_copy_to(self.scorer, copied.evaluator.device) for copied in self.copies]
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """As the scorer's own."""
        return self._shared(images, lambda scorer, share: scorer.scores(share))

    def profile(self, images: np.ndarray) -> np.ndarray:
        """As the scorer's own, where it has one."""
        return self._shared(images, lambda scorer, share: scorer.profile(share))

    def maps(self, images: np.ndarray) -> np.ndarray:
        """As the scorer's own, where it has them."""
        return self._shared(images, lambda scorer, share: scorer.maps(share))

    def _shared(self, images: np.ndarray, evaluate: Callable[[Scorer, np.ndarray], np.ndarray]) -> np.ndarray:
        shares = [share for share in np.array_split(images, len(self.copies)) if len(share)]
        before = sum(copied.evaluator.evaluations for copied in self.copies)
        with ThreadPoolExecutor(len(self.copies)) as pool:
            parts = list(pool.map(evaluate, self.copies, shares))
        after = sum(copied.evaluator.evaluations for copied in self.copies)
        self.evaluator.evaluations += after - before
        return np.concatenate(parts)


def across_processes(evaluate: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Evaluate each process's share of the images and give every process the whole, under `accelerate launch`.

    Args:
        evaluate: images (k, ...) -> numbers (k, ...), such as a scorer's `scores`, on this process's device.
        images: the same in every process, (n, ...).

    Returns:
        numbers (n, ...) in the images' order, equal in all processes.
    """
    state = PartialState()
    shares = np.array_split(np.arange(len(images)), state.num_processes)
    mine = shares[state.process_index]
    part = evaluate(images[mine]) if len(mine) else None
    return np.concatenate([each for each in gather_object([part]) if each is not None])


def _copy_to(scorer: Scorer, device: torch.device) -> Scorer:
    """A copy of the scorer with every network in it on `device`; a progress bar would be drawn over by others."""
    copied = copy.deepcopy(scorer)
    _move(copied, device)
    return copied


def _move(scorer: Scorer, device: torch.device) -> None:
    for value in vars(scorer).values():
        if isinstance(value, torch.nn.Module):
            value.to(device)
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, Scorer):
                _move(part, device)
    scorer.evaluator.model.to(device)
    scorer.evaluator.progress = False
