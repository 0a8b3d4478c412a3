"""Exact models that several tests share: oracles as networks, and noise on which averages are exact."""

import torch

from diffad.model import DiffusionModel
from diffad.oracle import GaussianMixtureOracle, GaussianOracle
from diffad.process import ForwardProcess
from diffad.schedules import make_schedule

FLOAT = torch.float64


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make_process(name="cosine", num_steps=100, **parameters):
    return ForwardProcess(make_schedule(name, num_steps, **parameters))


def gaussian_model(process, mean=(0.1, -0.3, 0.5), variances=(0.05, 0.3, 0.8)):
    """Diagonal Gaussian data and the model whose network is their optimal denoiser."""
    oracle = GaussianOracle(process, torch.tensor(mean), torch.diag(torch.tensor(variances, dtype=FLOAT)))
    return oracle, DiffusionModel(oracle, process)


def correlated_oracle(process, size=4, seed=0):
    """Gaussian data with a full covariance, eigenvalues 0.05 to 1.2."""
    basis = torch.linalg.qr(torch.randn(size, size, generator=generator(seed), dtype=FLOAT))[0]
    covariance = basis @ torch.diag(torch.linspace(0.05, 1.2, size, dtype=FLOAT)) @ basis.T
    return GaussianOracle(process, torch.linspace(-0.2, 0.2, size, dtype=FLOAT), covariance)


def mixture_oracle(process):
    """Three Gaussians in the plane."""
    means = torch.tensor([[-1.0, 0.0], [1.0, 0.5], [0.0, -1.0]])
    return GaussianMixtureOracle(
        process, torch.tensor([0.5, 0.3, 0.2]), means, torch.tensor([[0.02], [0.05], [0.1]])
    )


def exact_noise(num_dimensions):
    """2 d points whose average of any quadratic function is exactly its mean under N(0, I); (2 d, d)."""
    axes = num_dimensions**0.5 * torch.eye(num_dimensions, dtype=FLOAT)
    return torch.cat([axes, -axes])
