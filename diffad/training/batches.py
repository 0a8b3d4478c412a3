"""Which images, noise levels and noise a step sees: a function of (seed, step) alone.

So a resumed run continues exactly where it stopped without a random state to be saved, and several processes draw
the same global batch and take each its share of it.
"""

import dataclasses
import functools
import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch

from diffad.inputs import to_network
from diffad.networks.conditioning import Condition
from diffad.objectives import LowDiscrepancyTimes

# Which stream of random numbers, so that no two share a seed.
BATCHES, TIMES, VALIDATION, CONDITIONS = range(4)


def seeded_generator(*seed: int) -> torch.Generator:
    """A CPU generator whose stream is a function of the whole tuple, e.g. (seed, stream, update)."""
    state = int(np.random.SeedSequence(seed).generate_state(1, np.uint64)[0])
    return torch.Generator().manual_seed(state & 0x7FFF_FFFF_FFFF_FFFF)


def batch_indices(num_images: int, batch_size: int, update: int, seed: int) -> np.ndarray:
    """Which images update 0, 1, ... sees: epochs of reshuffled images, cut into full batches across their
    borders.

    Args:
        num_images: size of the training set.
        batch_size: images an update; may exceed `num_images`.

    Returns:
        int64 (batch_size,).
    """
    first = update * batch_size
    epochs = range(first // num_images, (first + batch_size - 1) // num_images + 1)
    order = np.concatenate([_epoch_order(num_images, epoch, seed) for epoch in epochs])
    start = first - epochs[0] * num_images
    return order[start : start + batch_size]


@functools.lru_cache(maxsize=2)  # an update looks at one epoch's order, or at two where one ends
def _epoch_order(num_images: int, epoch: int, seed: int) -> np.ndarray:
    return np.random.default_rng([seed, BATCHES, epoch]).permutation(num_images)


def content_hash(images: np.ndarray) -> str:
    """sha256 over shape and content of an array (n, ...); a memory-mapped one is read in parts."""
    digest = hashlib.sha256(repr(images.shape).encode())
    for start in range(0, len(images), 4096):
        digest.update(np.ascontiguousarray(images[start : start + 4096]))
    return digest.hexdigest()


@dataclass(frozen=True)
class Batch:
    """What the loss of one step is made of, on the training device."""

    x_0: torch.Tensor  # (batch, ...) as networks take it
    t: torch.Tensor  # int64 (batch,)
    noise: torch.Tensor  # like x_0
    condition: Condition | None = None

    def parts(self, number: int) -> Iterator["Batch"]:
        """The batch in parts of equal size, `number` of them or fewer; the last may be smaller."""
        size = math.ceil(len(self.x_0) / number)
        for start in range(0, len(self.x_0), size):
            part = slice(start, start + size)
            condition = None if self.condition is None else self.condition[part]
            yield Batch(self.x_0[part], self.t[part], self.noise[part], condition)


@dataclass(frozen=True)
class BatchSource:
    """Cuts batches from data at rest.

    Args:
        seed: of the training.
        times: draws the noise levels.
        device: where batches go.
        process: this process's number, and of how many that share each training batch.
    """

    seed: int
    times: LowDiscrepancyTimes
    device: torch.device
    process: tuple[int, int] = (0, 1)

    def training(
        self,
        inputs: np.ndarray,
        batch_size: int,
        update: int,
        conditions: Condition | None = None,
        condition_dropout: float = 0.0,
    ) -> Batch:
        """This process's share of the batch of update 0, 1, ..., of which all processes draw the same.

        A share `condition_dropout` of the conditions is hidden at random (Ho & Salimans 2022, algorithm 1).
        """
        # Sorted, so that a memory-mapped file is read in order.
        indices = np.sort(batch_indices(len(inputs), batch_size, update, self.seed))
        batch = self._draw(inputs, indices, (self.seed, TIMES, update), self.process)
        if conditions is None:
            return batch
        generator = seeded_generator(self.seed, CONDITIONS, update)
        keep = torch.rand(batch_size, generator=generator) >= condition_dropout
        share = _share(batch_size, self.process)
        condition = conditions[torch.from_numpy(indices[share])].drop(keep[share])
        return dataclasses.replace(batch, condition=condition.to(self.device))

    def validation(self, inputs: np.ndarray, limit: int = 512, size: int = 128) -> Iterator[Batch]:
        """The first `limit` held-out items, `size` at a time, at the same noise every time; in each process all."""
        for start in range(0, min(len(inputs), limit), size):
            indices = np.arange(start, min(start + size, len(inputs)))
            yield self._draw(inputs, indices, (self.seed, VALIDATION, start), (0, 1))

    def _draw(
        self, inputs: np.ndarray, indices: np.ndarray, seed: tuple[int, ...], process: tuple[int, int]
    ) -> Batch:
        """A process's share of the items at `indices`; levels and noise are drawn for all of them, so that they do
        not depend on how many processes there are.
        """
        generator, share = seeded_generator(*seed), _share(len(indices), process)
        x_0 = to_network(inputs[indices[share]])
        t, _ = self.times.draw(len(indices), generator)
        noise = torch.randn((len(indices), *x_0.shape[1:]), generator=generator)
        return Batch(self._send(x_0), self._send(t[share]), self._send(noise[share]))

    def _send(self, tensor: torch.Tensor) -> torch.Tensor:
        """`tensor` on the device. From pinned memory a GPU fetches it by itself, so that this batch can be made
        while the one before is still learned from.
        """
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)


def _share(size: int, process: tuple[int, int]) -> slice:
    """Which of `size` items are a process's, when (number, count) says which of how many processes it is."""
    number, count = process
    return slice(number * (size // count), (number + 1) * (size // count))
