"""Real digits and the exact denoiser of a Gaussian fitted to them: a good model that needs no training."""

import functools

import numpy as np
import torch
from sklearn.covariance import LedoitWolf
from tiny import digits

from diffad.model import DiffusionModel
from diffad.oracle import GaussianOracle
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule

NUM_STEPS = 100
NUM_NORMALS = 400


def normals():
    """Digits that the model knows, uint8 (400, 8, 8, 1)."""
    return digits(NUM_NORMALS)


def clean():
    """Other digits, uint8 (30, 8, 8, 1)."""
    return digits(NUM_NORMALS + 30)[NUM_NORMALS:]


def corrupted():
    """The same digits under heavy noise, uint8 (30, 8, 8, 1)."""
    noise = np.random.default_rng(0).normal(0, 80, clean().shape)
    return np.clip(clean() + noise, 0, 255).astype(np.uint8)


class OracleWithBottleneck(GaussianOracle):
    """The exact denoiser; its answer passes a named module, as a U-Net's middle does."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.bottleneck = torch.nn.Identity()

    def forward(self, x_t, t):
        return self.bottleneck(super().forward(x_t, t))


@functools.cache
def model(kind="images"):
    """The optimal denoiser of N(mean, covariance) of the normals, in their own shape; "vectors" flattens them."""
    flat = normals().reshape(NUM_NORMALS, -1) / 127.5 - 1
    process = ForwardProcess(make_schedule("cosine", NUM_STEPS))
    shape = (1, 8, 8) if kind == "images" else (64,)
    covariance = torch.tensor(LedoitWolf().fit(flat).covariance_)
    oracle = OracleWithBottleneck(process, torch.tensor(flat.mean(axis=0)).view(shape), covariance)
    oracle.input_kind = kind
    return DiffusionModel(oracle, process)


def as_vectors(images):
    """uint8 (n, 8, 8, 1) -> float32 (n, 64) in [-1, 1]."""
    return (images.reshape(len(images), -1) / 127.5 - 1).astype(np.float32)
