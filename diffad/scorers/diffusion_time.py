"""Diffusion-time estimation: how much noise would have to be added to normal data to look like this?

An anomaly lies off the data, and so does a noisy sample; the noise level at which a sample would be at home is a
score. No denoiser is asked: of the model only the forward process is used.

    NonParametricTime   from the distances to the nearest normal data
    LearnedTime         from a classifier of noise levels

Source: Livernoche et al. 2024 (DTE). Noise is added to x_0 as it stands (variance exploding), sigma_t being the
process's sqrt(1 - alpha_bar_t).
"""

from collections.abc import Sequence
from typing import Self

import numpy as np
import torch
from sklearn.neighbors import NearestNeighbors

from diffad.inputs import check_inputs, to_network
from diffad.scorers.base import Scorer, check_fitted
from diffad.scorers.evaluator import Evaluator

HIDDEN_SIZES = (256, 512, 256)


class NonParametricTime(Scorer):
    """The noise variance at which an item would be at home, from its nearest normal neighbours.

    Seen from a sample x at distance r from a normal item, the variance that explains r has the inverse-gamma
    posterior with shape d / 2 - 1 and scale r^2 / 2, whose mode is r^2 / d. r^2 is the mean over `num_neighbours`.

    Args:
        evaluator: gives the kind and shape of the data; no network is asked.
        num_neighbours: at least 1.

    Attributes:
        normals_: float32 (n_normals, d), what it was fitted on, in the network's units.

    Source: Livernoche et al. 2024, section 3.2 (DTE-NP).
    """

    def __init__(self, evaluator: Evaluator, num_neighbours: int = 5):
        if num_neighbours < 1:
            raise ValueError(f"num_neighbours: got {num_neighbours}, expected at least 1")
        self.evaluator, self.num_neighbours = evaluator, num_neighbours

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE): none."""
        return 0

    def fit(self, normals: np.ndarray) -> Self:
        """Keep normal data (n, ...), at least `num_neighbours` of them: best those the model was trained on."""
        flat = self._flat(normals, "normals")
        if len(flat) < self.num_neighbours:
            raise ValueError(
                f"normals: got {len(flat)}, expected at least {self.num_neighbours} (num_neighbours)"
            )
        self.normals_ = flat
        self._search = NearestNeighbors(n_neighbors=self.num_neighbours, algorithm="brute").fit(flat)
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Estimated noise variance of data at rest (n, ...): float64 (n,), higher = more anomalous."""
        check_fitted(self, "normals_")
        flat = self._flat(images, "images")
        neighbours = self._search.kneighbors(flat, return_distance=False)  # (n, num_neighbours)
        # The search works in blocks, whose rounding depends on the neighbours in the block: measure anew, row by row.
        squared = np.stack(
            [
                np.square(flat.astype(np.float64) - self.normals_[neighbours[:, rank]]).sum(axis=1)
                for rank in range(self.num_neighbours)
            ],
            axis=1,
        )
        return squared.mean(axis=1) / flat.shape[1]

    def _flat(self, data: np.ndarray, argument: str) -> np.ndarray:
        model = self.evaluator.model
        check_inputs(data, argument, model.input_kind, model.input_shape)
        return to_network(data).flatten(1).numpy()


class LearnedTime(Scorer):
    """The noise level that a classifier sees in an item, to which no noise was added.

    A multilayer perceptron learns to tell from x_t into which of `num_bins` equal spans of 1..T its t falls; the
    score is the expected span. Its last layer gives logits: the cross entropy applies the softmax, once.

    Args:
        evaluator: gives the data's kind and shape, the process, device, batch size and seed; its model's network
            is not asked.
        num_bins: spans of time, 2 or more.
        num_updates, batch_size, learning_rate, weight_decay: of Adam.
        dropout: share of hidden units left out while training, in [0, 1).

    Attributes:
        classifier_: the trained network, (batch, d) -> logits (batch, num_bins).
        losses_: cross entropy of each update, float64 (num_updates,), nats.

    Source: Livernoche et al. 2024, section 3.3 (DTE-C): widths 256, 512, 256, seven bins, Adam at 1e-4.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        num_bins: int = 7,
        num_updates: int = 10_000,
        batch_size: int = 64,
        learning_rate: float = 1e-4,
        weight_decay: float = 5e-4,
        dropout: float = 0.5,
    ):
        if not 2 <= num_bins <= evaluator.model.num_steps:
            raise ValueError(f"num_bins: got {num_bins}, expected 2..{evaluator.model.num_steps}")
        if num_updates < 1 or batch_size < 1:
            raise ValueError(
                f"num_updates, batch_size: got {num_updates} and {batch_size}, expected at least 1"
            )
        self.evaluator, self.num_bins = evaluator, num_bins
        self.num_updates, self.batch_size = num_updates, batch_size
        self.learning_rate, self.weight_decay, self.dropout = learning_rate, weight_decay, dropout

    @property
    def evaluations_per_image(self) -> int:
        """Evaluations an image (NFE), of the classifier."""
        return 1

    def fit(self, normals: np.ndarray) -> Self:
        """Train the classifier on normal data (n, ...); a function of the evaluator's seed."""
        model, device, seed = self.evaluator.model, self.evaluator.device, self.evaluator.seed
        check_inputs(normals, "normals", model.input_kind, model.input_shape)
        x_0 = to_network(normals, device).flatten(1)  # (n, d)
        generator = torch.Generator(device).manual_seed(seed)
        devices = [device] if device.type == "cuda" else []
        with torch.random.fork_rng(devices):  # dropout and initial weights have no generator of their own
            torch.manual_seed(seed)
            self.classifier_ = classifier(x_0.shape[1], self.num_bins, self.dropout).to(device)
            self.losses_ = self._train(x_0, generator)
        self.classifier_.eval()
        return self

    def scores(self, images: np.ndarray) -> np.ndarray:
        """Expected noise level of data at rest (n, ...), as a share of T: float64 (n,) in (0, 1)."""
        check_fitted(self, "classifier_")
        middles = (torch.arange(self.num_bins, device=self.evaluator.device) + 0.5) / self.num_bins

        def expected(x_0: torch.Tensor) -> torch.Tensor:
            return (self.classifier_(x_0.flatten(1)).softmax(dim=1) * middles).sum(dim=1)

        return self.evaluator.per_image(images, expected, networks=[self.classifier_])

    def _train(self, x_0: torch.Tensor, generator: torch.Generator) -> np.ndarray:
        process, device = self.evaluator.model.process, x_0.device
        optimiser = torch.optim.Adam(
            self.classifier_.parameters(), self.learning_rate, weight_decay=self.weight_decay
        )
        losses, size = [], (self.batch_size,)
        for _ in range(self.num_updates):
            batch = x_0[torch.randint(len(x_0), size, generator=generator, device=device)]
            t = torch.randint(1, process.num_steps + 1, size, generator=generator, device=device)
            spread = process.coefficient("sqrt_one_minus_alpha_bar", t, batch)
            noise = torch.randn(batch.shape, generator=generator, device=device)
            span = (t - 1) * self.num_bins // process.num_steps
            loss = torch.nn.functional.cross_entropy(self.classifier_(batch + spread * noise), span)
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
            losses.append(loss.detach())
        return torch.stack(losses).to("cpu", torch.float64).numpy()


def classifier(
    num_features: int, num_bins: int, dropout: float, hidden_sizes: Sequence[int] = HIDDEN_SIZES
) -> torch.nn.Sequential:
    """A multilayer perceptron (batch, num_features) -> logits (batch, num_bins), with dropout after each hidden
    layer but the first.
    """
    layers: list[torch.nn.Module] = []
    for number, (before, after) in enumerate(zip([num_features, *hidden_sizes], hidden_sizes, strict=False)):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
        layers += [torch.nn.Dropout(dropout)] if number else []
    return torch.nn.Sequential(*layers, torch.nn.Linear(hidden_sizes[-1], num_bins))
