"""The smallest model, images and settings that still take every path, for the tests of training and scoring."""

import numpy as np
import torch
from sklearn.datasets import load_digits

from diffad.model import DiffusionModel, ModelConfig
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule
from diffad.training import TrainingConfig, fit

NETWORK = {"image_size": 8, "channels": 1, "size": "tiny"}
TINY = ModelConfig(network_parameters=NETWORK, num_steps=50)


def digits(num_images=64):
    """Real 8 x 8 digits, uint8 (n, 8, 8, 1)."""
    return (load_digits().images[:num_images, :, :, None] * 255 / 16).round().astype(np.uint8)


def noise_images(num_images=12, seed=0, shape=(8, 8, 1)):
    """uint8 noise (n, *shape)."""
    return np.random.default_rng(seed).integers(0, 256, (num_images, *shape), dtype=np.uint8)


def settings(**changes):
    """Six updates of eight images."""
    return TrainingConfig(
        **{"num_updates": 6, "batch_size": 8, "warmup_updates": 2, "validate_every": 3, "checkpoint_every": 2}
        | changes
    )


def trained(images=None, folder=None, seed=0, validation=None, **changes):
    """A tiny model after `fit`, and its history."""
    model = TINY.build(seed)
    images = digits() if images is None else images
    history = fit(model, images, settings(seed=seed, **changes), validation, folder, progress=False)
    return model, history


def weights(model):
    """Every tensor of the network by name."""
    return {name: value.detach().clone() for name, value in model.network.state_dict().items()}


def same_weights(one, other):
    """Whether two models have bitwise equal weights."""
    one, other = weights(one), weights(other)
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


class PoisonedNetwork(torch.nn.Module):
    """One weight. From its `update`-th call in training on, its output or its gradient is NaN."""

    def __init__(self, update, where="output"):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.tensor(0.5))
        self.update, self.where, self.calls = update, where, 0

    def forward(self, x_t, t):
        self.calls += self.training
        output = self.weight * x_t
        if self.calls >= self.update:
            if self.where == "output":
                return output * float("nan")
            output.register_hook(lambda gradient: gradient * float("nan"))
        return output


class CountingNetwork(torch.nn.Module):
    """Counts the samples that it is asked about and keeps their times; answers with a fraction of x_t."""

    def __init__(self, factor=0.3):
        super().__init__()
        self.factor, self.num_samples, self.batch_sizes, self.times = factor, 0, [], []

    def forward(self, x_t, t):
        self.num_samples += len(x_t)
        self.batch_sizes.append(len(x_t))
        self.times.append(t.clone())
        return self.factor * x_t


def wrapped(network, num_steps=50):
    """A DiffusionModel around any network."""
    return DiffusionModel(network, ForwardProcess(make_schedule("cosine", num_steps)))


BAD_IMAGES = {
    "NaN": (np.full((2, 8, 8, 1), np.nan), ValueError, "NaN or infinite"),
    "infinite": (np.full((2, 8, 8, 1), np.inf), ValueError, "NaN or infinite"),
    "rank 3": (np.zeros((2, 8, 8), np.uint8), ValueError, "rank 3"),
    "rank 5": (np.zeros((2, 8, 8, 1, 1), np.uint8), ValueError, "rank 5"),
    "two channels": (np.zeros((2, 8, 8, 2), np.uint8), ValueError, "2 channels"),
    "channels first": (np.zeros((2, 1, 8, 8), np.uint8), ValueError, "8 channels"),
    "floats in [0, 1]": (np.ones((2, 8, 8, 1)), ValueError, "float64 with values from 1.0 to 1.0"),
    "ints up to 1000": (np.full((2, 8, 8, 1), 1000), ValueError, "values from 1000 to 1000"),
    "booleans": (np.ones((2, 8, 8, 1), bool), TypeError, "bool"),
    "strings": (np.full((2, 8, 8, 1), "a"), TypeError, "dtype"),
    "objects": (np.full((2, 8, 8, 1), None), TypeError, "object"),
    "no image": (np.zeros((0, 8, 8, 1), np.uint8), ValueError, "at least one image"),
    "no pixel": (np.zeros((2, 0, 8, 1), np.uint8), ValueError, "at least one pixel"),
    "empty floats": (np.zeros((0, 8, 8, 1)), ValueError, "no values"),
    "a list": ([[0]], TypeError, "list"),
    "a tensor": (torch.zeros(2, 8, 8, 1, dtype=torch.uint8), TypeError, "Tensor"),
}
