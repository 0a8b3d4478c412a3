"""What a denoiser may be told besides the noisy data: a class, an image, or nothing.

A network that takes conditions has one label more than classes. That last one says "no label": it stands for every
item whose condition was dropped, so that one network learns the conditional and the unconditional noise at once, as
classifier-free guidance needs.

Source: Ho & Salimans 2022 (classifier-free guidance).
"""

from dataclasses import dataclass

import torch
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from torch import Tensor

NO_LABEL = -1
NUM_FREQUENCIES = 256  # of the sinusoidal time embedding, as in Peebles & Xie 2023


@dataclass(frozen=True, eq=False)
class Condition:
    """What is known about each item of a batch.

    Attributes:
        labels: int64 (batch,), a class each, -1 for "no label"; None if the network takes no labels.
        image: floats (batch, channels, height, width) in x_t's height and width, scaled to [-1, 1]: a mask, or
            another image of the same thing. All zeros say "no image". None if the network takes no image.

    Raises:
        TypeError: labels that are not int64, or an image that is not floating point.
        ValueError: nothing given, other ranks, a label below -1, or a differing number of labels and images.
    """

    labels: Tensor | None = None
    image: Tensor | None = None

    def __post_init__(self):
        if self.labels is None and self.image is None:
            raise ValueError("condition: got neither labels nor an image, expected at least one of them")
        if self.labels is not None:
            _check_labels(self.labels)
        if self.image is not None:
            _check_image(self.image)
        if self.labels is not None and self.image is not None and len(self.labels) != len(self.image):
            raise ValueError(
                f"condition: got {len(self.labels)} labels and {len(self.image)} images, expected as many of each"
            )

    def __len__(self) -> int:
        return len(self.image if self.labels is None else self.labels)

    def __getitem__(self, index: Tensor | slice) -> "Condition":
        """The condition of some items of the batch: a slice, integer tensor or boolean tensor (batch,)."""
        return self._each(lambda values: values[index])

    def to(self, device: torch.device | str) -> "Condition":
        """The same on `device`."""
        return self._each(lambda values: values.to(device))

    def expand(self, batch: int) -> "Condition":
        """A condition of one item, repeated for a whole batch; one of `batch` items as it is.

        Raises:
            ValueError: it has neither one item nor `batch`.
        """
        if len(self) == batch:
            return self
        if len(self) != 1:
            raise ValueError(f"condition: got {len(self)} items, expected 1 or the batch's {batch}")
        return self._each(lambda values: values.expand(batch, *values.shape[1:]))

    def drop(self, keep: Tensor) -> "Condition":
        """The condition where `keep`, bool (batch,), is true, and "no label" and "no image" elsewhere.

        In training, some are dropped at random; Ho & Salimans 2022, algorithm 1, use a tenth to a fifth.
        """
        if keep.dtype != torch.bool or keep.shape != (len(self),):
            raise ValueError(
                f"keep: got {keep.dtype} of shape {tuple(keep.shape)}, expected booleans ({len(self)},)"
            )
        return Condition(
            None if self.labels is None else self.labels.where(keep, NO_LABEL),
            None if self.image is None else self.image * keep.view(-1, 1, 1, 1).to(self.image.dtype),
        )

    def null(self) -> "Condition":
        """As many items, of which nothing is known."""
        return Condition(
            None if self.labels is None else torch.full_like(self.labels, NO_LABEL),
            None if self.image is None else torch.zeros_like(self.image),
        )

    def _each(self, change) -> "Condition":
        return Condition(
            None if self.labels is None else change(self.labels),
            None if self.image is None else change(self.image),
        )


class TimeAndLabel(torch.nn.Module):
    """The time, and the class if there are any, as one vector a sample: two embeddings added.

    Args:
        width: numbers in the vector.
        num_classes: 0 for none; else the table has a row more, for "no label".
    """

    def __init__(self, width: int, num_classes: int = 0):
        super().__init__()
        self.frequencies = Timesteps(NUM_FREQUENCIES, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.time = TimestepEmbedding(NUM_FREQUENCIES, width)
        self.label = torch.nn.Embedding(num_classes + 1, width) if num_classes else None
        for layer in (self.time.linear_1, self.time.linear_2, *filter(None, [self.label])):
            torch.nn.init.normal_(layer.weight, std=0.02)

    def forward(self, t: Tensor, condition: Condition | None) -> Tensor:
        """t: (batch,) in 1..T -> (batch, width)."""
        waves = self.frequencies(t - 1)  # (batch, 256); the papers count from 0
        vector = self.time(waves.to(self.time.linear_1.weight.dtype))  # (batch, width)
        if self.label is None:
            return vector
        labels = label_index(condition, t, self.label.num_embeddings - 1)  # (batch,)
        return vector + self.label(labels)  # (batch, width)


def label_index(condition: Condition | None, t: Tensor, num_classes: int) -> Tensor:
    """The row of each item's label in a table of num_classes + 1: the last where there is none. int64 (batch,).

    Raises:
        ValueError: a label of num_classes or more. On an accelerator the table's own look-up asserts that, because
            reading the labels back would stall the queue in every step.
    """
    if condition is None or condition.labels is None:
        return torch.full_like(t, num_classes)
    labels = condition.labels
    if labels.device.type == "cpu" and not torch.compiler.is_compiling() and labels.numel():
        if (highest := int(labels.max())) >= num_classes:
            raise ValueError(f"condition: got label {highest}, expected labels in -1..{num_classes - 1}")
    return labels.where(labels >= 0, num_classes)


def with_image(x_t: Tensor, condition: Condition | None, channels: int) -> Tensor:
    """x_t with the condition's image as further channels: (batch, c, h, w) -> (batch, c + channels, h, w)."""
    if not channels:
        return x_t
    if condition is None or condition.image is None:
        return torch.cat([x_t, x_t.new_zeros(len(x_t), channels, *x_t.shape[2:])], dim=1)
    return torch.cat([x_t, condition.image.to(x_t.dtype)], dim=1)


def check_batch(
    x_t: Tensor, shape: tuple[int, ...], condition: Condition | None, num_classes: int, channels: int
) -> None:
    """Refuse noisy data that the network is not made for, and a condition that it does not take.

    Args:
        x_t: noisy data (batch, ...).
        shape: of one item inside the network.
        condition: what is known of the batch.
        num_classes, channels: what the network takes: classes, and channels of the condition's image.

    Raises:
        ValueError: another shape, another number of items, or a label or image where the network takes none.
    """
    if x_t.shape[1:] != shape:
        raise ValueError(f"x_t: got shape {tuple(x_t.shape)}, expected (batch, {', '.join(map(str, shape))})")
    if condition is None:
        return
    if len(condition) != len(x_t):
        raise ValueError(f"condition: got {len(condition)} items, expected the batch's {len(x_t)}")
    if condition.labels is not None and not num_classes:
        raise ValueError("condition: got labels, expected none: the network was built with num_classes 0")
    if condition.image is not None:
        came, expected = tuple(condition.image.shape[1:]), (channels, *shape[1:])
        if not channels:
            raise ValueError(
                "condition: got an image, expected none: the network was built with condition_channels 0"
            )
        if came != expected:
            raise ValueError(f"condition: got images of shape {came}, expected {expected}")


def _check_labels(labels: Tensor) -> None:
    if labels.dtype != torch.int64:
        raise TypeError(f"condition: got labels of {labels.dtype}, expected int64")
    if labels.ndim != 1:
        raise ValueError(f"condition: got labels of shape {tuple(labels.shape)}, expected (batch,)")
    if labels.device.type == "cpu" and labels.numel() and int(labels.min()) < NO_LABEL:
        raise ValueError(f"condition: got label {int(labels.min())}, expected -1 (none) or a class from 0")


def _check_image(image: Tensor) -> None:
    if not image.is_floating_point():
        raise TypeError(f"condition: got an image of {image.dtype}, expected floats in [-1, 1]")
    if image.ndim != 4:
        raise ValueError(
            f"condition: got an image of shape {tuple(image.shape)}, expected (batch, channels, height, width)"
        )
