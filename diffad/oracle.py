"""Denoisers that need no training: for Gaussians and their mixtures the optimal network is a formula.

    eq-oracle-gaussian    `GaussianOracle`: data N(mean, covariance)
    eq-oracle-mixture     `GaussianMixtureOracle`: data from several Gaussians with diagonal covariance

Noised Gaussian data are Gaussian, so the score of q(x_t), the mean of q(x_0 | x_t), the likelihood and the
bound are all exact. An oracle speaks the network protocol `oracle(x_t, t) -> eps`, so process, objectives,
samplers and likelihoods can be held against the truth; it also shows what a perfectly trained network would
do.

Sources: Efron 2011 (Tweedie's formula); Bishop 2006, section 2.3.3 (linear Gaussian models).
"""

import math

import torch
from torch import Tensor
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal

from diffad.process import ForwardProcess

FLOAT = torch.float64


class GaussianOracle(torch.nn.Module):
    """The optimal denoiser for data N(mean, covariance). Equation: eq-oracle-gaussian.

    Args:
        process: the forward process.
        mean: floats, the shape of one sample (...), flattened to d numbers.
        covariance: floats (d, d), symmetric and positive definite.

    Raises:
        ValueError: if `covariance` is not (d, d), symmetric and positive definite.
    """

    def __init__(self, process: ForwardProcess, mean: Tensor, covariance: Tensor):
        super().__init__()
        mean, covariance = torch.as_tensor(mean, dtype=FLOAT), torch.as_tensor(covariance, dtype=FLOAT)
        size = mean.numel()
        if covariance.shape != (size, size):
            raise ValueError(f"covariance must have shape ({size}, {size}), came {tuple(covariance.shape)}")
        variances, directions = torch.linalg.eigh(covariance)
        if not torch.allclose(covariance, covariance.T) or variances[0] <= 0:
            raise ValueError(
                f"covariance must be symmetric and positive definite, smallest eigenvalue {variances[0]:.3g}"
            )
        self.process = process
        self.register_buffer("mean", mean)
        self.register_buffer("variances", variances)  # (d,) along the principal directions
        self.register_buffer("directions", directions)  # (d, d), columns

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The optimal noise prediction E[eps | x_t], in the shape and dtype of `x_t` (batch, ...)."""
        centred, signal, noise = self._principal(x_t, t)
        eps = noise.sqrt() / (signal * self.variances + noise) * centred
        return self._back(eps, x_t)

    def x0(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The optimal clean-data estimate E[x_0 | x_t]. Bishop 2006, eq. 2.116."""
        centred, signal, noise = self._principal(x_t, t)
        shrunk = signal.sqrt() * self.variances / (signal * self.variances + noise) * centred
        return self._back(shrunk, x_t) + self.mean.to(x_t.dtype)

    def score(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The gradient of log q(x_t)."""
        centred, signal, noise = self._principal(x_t, t)
        return self._back(-centred / (signal * self.variances + noise), x_t)

    def log_prob(self, x_t: Tensor, t: int | Tensor = 0) -> Tensor:
        """log q(x_t) of each sample in nats (batch,), float64; t = 0 is the density of the data."""
        centred, signal, noise = self._principal(x_t, t)
        variance = signal * self.variances + noise
        return -0.5 * (centred.square() / variance + variance.log() + math.log(2 * math.pi)).sum(1)

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """Draws from the data distribution, float64 (num_samples, ...)."""
        z = torch.randn(
            num_samples, self.mean.numel(), generator=generator, dtype=FLOAT, device=generator.device
        )
        x = (z * self.variances.sqrt()) @ self.directions.T
        return x.view(-1, *self.mean.shape) + self.mean

    def entropy(self) -> float:
        """Entropy of the data in nats: the mean negative log-likelihood that no model can beat."""
        return 0.5 * (self.variances.log() + 1 + math.log(2 * math.pi)).sum().item()

    def prior_gap(self) -> float:
        """KL(q(x_T) || N(0, I)) in nats: the bound's slack when every reverse step is exact."""
        signal, noise = _signal_and_noise(self.process, self.process.num_steps)
        variance = signal * self.variances + noise
        mean = signal * self.mean.square().sum()
        return 0.5 * ((variance - 1 - variance.log()).sum() + mean).item()

    def optimal_terms(self, log_variance: Tensor) -> Tensor:
        """Exact expectation of L_1 .. L_{T-1} with the optimal mean and a given variance of the reverse step.

        E||x_0 - E[x_0 | x_t]||^2 is known, so the expected KL needs no sampling.

        Args:
            log_variance: of p(x_{t-1} | x_t) at t = 0..T, float64 (T + 1,); entries 0 and 1 are not used.

        Returns:
            nats, float64 (T - 1,), for t = 2..T.
        """
        schedule = self.process.schedule
        signal, noise = schedule.alpha_bar[2:, None], schedule.one_minus_alpha_bar[2:, None]
        error = (self.variances * noise / (signal * self.variances + noise)).sum(1)  # trace of Cov(x_0 | x_t)
        weight = torch.tensor(
            [self.process.number("posterior_x0", t) for t in range(2, schedule.num_steps + 1)]
        )
        ratio = schedule.posterior_variance[2:].log() - log_variance[2:]
        variance_part = self.mean.numel() * (torch.expm1(ratio) - ratio)
        return 0.5 * (variance_part + weight.to(FLOAT).square() * error * torch.exp(-log_variance[2:]))

    def exact_log_variance(
        self, process: ForwardProcess, t: int | Tensor, like: Tensor, fraction: Tensor | None
    ) -> Tensor:
        """Log variance of the true q(x_{t-1} | x_t), a variance for `diffad.reverse.reverse_step`.

        Only for a diagonal covariance, where the dimensions do not mix. With it each reverse step is exact
        and the bound is tight but for the prior. Broadcastable to `like`.
        """
        diagonal = (self.directions.square() @ self.variances).view(self.mean.shape).to(like.dtype)
        if not torch.allclose(self.directions.square().amax(1), torch.ones((), dtype=FLOAT)):
            raise ValueError(
                "covariance must be diagonal for an exact variance of each dimension, came one that is not"
            )
        beta, alpha = (process.coefficient(name, t, like) for name in ("beta", "alpha"))
        after = process.coefficient("alpha_bar", t, like) * diagonal + process.coefficient(
            "one_minus_alpha_bar", t, like
        )
        before = (after - beta) / alpha
        return (beta * before / after).log()

    def _principal(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """x_t less its mean in principal coordinates (batch, d), alpha_bar and 1 - alpha_bar; float64."""
        signal, noise = _signal_and_noise(self.process, t, x_t)
        centred = x_t.to(FLOAT).flatten(1) - signal.sqrt() * self.mean.flatten()
        return centred @ self.directions, signal, noise

    def _back(self, principal: Tensor, x_t: Tensor) -> Tensor:
        return (principal @ self.directions.T).view(x_t.shape).to(x_t.dtype)


class GaussianMixtureOracle(torch.nn.Module):
    """The optimal denoiser for a mixture of Gaussians with diagonal covariances. Equation: eq-oracle-mixture.

    Args:
        process: the forward process.
        weights: floats (k,), positive; scaled to sum to 1.
        means: floats (k, ...), one sample's shape after the first axis.
        variances: floats broadcastable to `means`, positive.

    Raises:
        ValueError: weights or variances that are not positive, or as many weights as means.
    """

    def __init__(self, process: ForwardProcess, weights: Tensor, means: Tensor, variances: Tensor):
        super().__init__()
        weights, means = torch.as_tensor(weights, dtype=FLOAT), torch.as_tensor(means, dtype=FLOAT)
        variances = torch.as_tensor(variances, dtype=FLOAT).expand(means.shape)
        if weights.shape != means.shape[:1]:
            raise ValueError(
                f"weights must have shape {tuple(means.shape[:1])}, one a mean, came {tuple(weights.shape)}"
            )
        if not (weights > 0).all() or not (variances > 0).all():
            raise ValueError("weights and variances must be positive, came some that are not")
        self.process = process
        self.sample_shape = means.shape[1:]
        self.register_buffer("weights", weights / weights.sum())
        self.register_buffer("means", means.flatten(1))  # (k, d)
        self.register_buffer("variances", variances.flatten(1))  # (k, d)

    def forward(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The optimal noise prediction E[eps | x_t], in the shape and dtype of `x_t` (batch, ...)."""
        _, noise = _signal_and_noise(self.process, t, x_t)
        eps = -noise.sqrt() * self._score(x_t, t)
        return eps.view(x_t.shape).to(x_t.dtype)

    def x0(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The optimal clean-data estimate E[x_0 | x_t], by Tweedie's formula. Efron 2011, eq. 1.4."""
        signal, noise = _signal_and_noise(self.process, t, x_t)
        estimate = (x_t.to(FLOAT).flatten(1) + noise * self._score(x_t, t)) / signal.sqrt()
        return estimate.view(x_t.shape).to(x_t.dtype)

    def score(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        """The gradient of log q(x_t), in the shape and dtype of `x_t`."""
        return self._score(x_t, t).view(x_t.shape).to(x_t.dtype)

    def log_prob(self, x_t: Tensor, t: int | Tensor = 0) -> Tensor:
        """log q(x_t) of each sample in nats (batch,), float64; t = 0 is the density of the data."""
        _, log_joint = self._components(x_t, t)
        return log_joint.logsumexp(1)

    def responsibilities(self, x_t: Tensor, t: int | Tensor = 0) -> Tensor:
        """The probability of each component given x_t; float64 (batch, k)."""
        _, log_joint = self._components(x_t, t)
        return log_joint.softmax(1)

    def sample(self, num_samples: int, generator: torch.Generator) -> Tensor:
        """Draws from the data distribution, float64 (num_samples, ...)."""
        component = torch.multinomial(self.weights, num_samples, replacement=True, generator=generator)
        z = torch.randn(
            num_samples, self.means.shape[1], generator=generator, dtype=FLOAT, device=generator.device
        )
        x = self.means[component] + self.variances[component].sqrt() * z
        return x.view(num_samples, *self.sample_shape)

    def data_distribution(self) -> MixtureSameFamily:
        """The data distribution over flattened samples as a torch distribution: an independent check."""
        components = Independent(Normal(self.means, self.variances.sqrt()), 1)
        return MixtureSameFamily(Categorical(self.weights), components)

    def _components(self, x_t: Tensor, t: int | Tensor) -> tuple[Tensor, Tensor]:
        """Score under each component (batch, k, d), and log joint density of x_t and component (batch, k)."""
        signal, noise = (part.unsqueeze(-1) for part in _signal_and_noise(self.process, t, x_t))
        variance = signal * self.variances + noise  # (batch or 1, k, d)
        centred = x_t.to(FLOAT).flatten(1).unsqueeze(1) - signal.sqrt() * self.means  # (batch, k, d)
        log_density = -0.5 * (centred.square() / variance + variance.log() + math.log(2 * math.pi)).sum(-1)
        return -centred / variance, self.weights.log() + log_density

    def _score(self, x_t: Tensor, t: int | Tensor) -> Tensor:
        scores, log_joint = self._components(x_t, t)
        return (log_joint.softmax(1).unsqueeze(-1) * scores).sum(1)  # (batch, d)


def _signal_and_noise(
    process: ForwardProcess, t: int | Tensor, x_t: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """alpha_bar_t and 1 - alpha_bar_t in float64, (batch, 1) for a tensor t, else (1, 1); t = 0 too."""
    if isinstance(t, Tensor):
        like = x_t.flatten(1).to(FLOAT)
        return process.coefficient("alpha_bar", t, like), process.coefficient("one_minus_alpha_bar", t, like)
    device = None if x_t is None else x_t.device
    numbers = (process.number("alpha_bar", t), process.number("one_minus_alpha_bar", t))
    return tuple(torch.full((1, 1), number, dtype=FLOAT, device=device) for number in numbers)
