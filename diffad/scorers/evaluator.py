"""One evaluator under every score: (image, level, draw) tuples flattened into full batches.

Scores must not depend on which images happen to be neighbours. So all images share one bank of noise (common
random numbers, in antithetic pairs: draw 2k+1 is minus draw 2k), each noise being a function of (seed, level,
pair) alone, and every batch has one shape: the last is padded. On a CPU an image's score is then the same to the
last bit in any order and any company.

The evaluator counts what the network is really asked, by a hook on its forward pass: no scorer can forget a call.
"""

from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import torch
from tqdm.auto import tqdm

from diffad.inputs import check_inputs, network_shape, to_network
from diffad.model import DiffusionModel

# (x_0, t, noise) -> (batch, ...) numbers; x_0 and noise (batch, ...) in the network's units, t int64 (batch,).
EvaluateLevel = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def shared_noise(shape: Sequence[int], level: int, draw: int, seed: int) -> torch.Tensor:
    """The noise that every image meets at `level` in `draw`: standard normal, float32, of `shape`, on the
    CPU.

    Draws 2k and 2k + 1 are each other's negative, which cancels the odd part of the error that a draw brings.
    """
    state = np.random.SeedSequence([seed, level, draw // 2]).generate_state(1, np.uint64)[0]
    generator = torch.Generator().manual_seed(int(state) & 0x7FFF_FFFF_FFFF_FFFF)
    noise = torch.randn(tuple(shape), generator=generator)
    return -noise if draw % 2 else noise


class Evaluator:
    """Evaluates a model on (image, level, draw) tuples in full batches.

    Args:
        model: a trained model; it is put in evaluation mode and stays on its device.
        batch_size: tuples a batch, at least 1.
        seed: of the noise bank.
        progress: whether to show a progress bar.

    Attributes:
        evaluations: network evaluations counted so far, padding excluded; divided by the images it gives the
            NFE an image. A row of a network's input is one evaluation.
        clamp: bound on estimates of clean data: 1 for images, None for vectors and maps, which have none.

    Raises:
        ValueError: `batch_size` below 1.
        TypeError: the model's network is no `torch.nn.Module`, so that its calls cannot be counted.
    """

    def __init__(self, model: DiffusionModel, batch_size: int = 250, seed: int = 0, progress: bool = False):
        if batch_size < 1:
            raise ValueError(f"batch_size: got {batch_size}, expected at least 1")
        if not isinstance(model.network, torch.nn.Module):
            raise TypeError(
                f"model: got a network of type {type(model.network).__name__}, expected a torch.nn.Module"
            )
        self.model = model.eval()
        self.batch_size, self.seed, self.progress = batch_size, seed, progress
        self.evaluations = 0
        self.clamp = 1.0 if model.input_kind == "images" else None

    @property
    def device(self) -> torch.device:
        """Where the model is, and so where everything is computed."""
        first = next(chain(self.model.parameters(), self.model.buffers()), None)
        return torch.device("cpu") if first is None else first.device

    def one_step(
        self,
        images: np.ndarray,
        levels: Sequence[int],
        num_draws: int,
        measure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        description: str = "scoring",
    ) -> np.ndarray:
        """Noise each image to each level, predict the clean image in one evaluation, and measure the two.

        Args:
            measure: (x_0, predicted x_0), both (batch, channels, height, width) in [-1, 1], -> (batch, ...)
                numbers. Other arguments and the result as in `per_level`.
        """

        def evaluate(x_0: torch.Tensor, t: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
            x_t = self.model.process.sample(x_0, t, noise)
            return measure(x_0, self.model.predict(x_t, t, "x0"))

        return self.per_level(images, levels, num_draws, evaluate, description)

    def per_level(
        self,
        images: np.ndarray,
        levels: Sequence[int],
        num_draws: int,
        evaluate: EvaluateLevel,
        description: str = "scoring",
    ) -> np.ndarray:
        """Evaluate each image at each level with each draw of the shared noise.

        Args:
            images: images, vectors or maps at rest, (n, ...): see `diffad.inputs`.
            levels: times in 1..T.
            num_draws: noises a level; even, so that draws come in antithetic pairs, or 1.
            evaluate: (x_0, t, noise) -> (batch, ...) numbers.
            description: shown before the progress bar.

        Returns:
            float64 (n, levels, ...): the mean over draws of what `evaluate` gives.
        """
        self._check(images, levels, num_draws)
        draws = [(level, draw) for level in levels for draw in range(num_draws)]
        bank = torch.stack([self.noise(images.shape, level, draw) for level, draw in draws])
        times = torch.tensor([level for level, _ in draws], device=self.device)  # (levels * draws,)
        copies = len(draws)

        def evaluate_tuples(index: np.ndarray) -> torch.Tensor:
            """Tuple k is copy k % copies of image k // copies."""
            copy = torch.from_numpy(index % copies).to(self.device)
            return evaluate(to_network(images[index // copies], self.device), times[copy], bank[copy])

        values = self._in_full_batches(len(images) * copies, copies, evaluate_tuples, (), description)
        return values.reshape(len(images), len(levels), num_draws, *values.shape[1:]).mean(axis=2)

    def per_image(
        self,
        images: np.ndarray,
        evaluate_batch: Callable[[torch.Tensor], torch.Tensor],
        description: str = "scoring",
        networks: Sequence[torch.nn.Module] = (),
    ) -> np.ndarray:
        """Apply `evaluate_batch` to x_0 (batch, ...) in full batches.

        Args:
            images: images, vectors or maps at rest, (n, ...).
            evaluate_batch: x_0 -> (batch, ...) numbers; what it needs of noise it takes from `noise`.
            description: shown before the progress bar.
            networks: further networks whose evaluations count, such as a scorer's own classifier.

        Returns:
            float64 (n, ...).
        """
        check_inputs(images, "images", self.model.input_kind, self.model.input_shape)

        def evaluate(index: np.ndarray) -> torch.Tensor:
            return evaluate_batch(to_network(images[index], self.device))

        return self._in_full_batches(len(images), 1, evaluate, networks, description)

    def noise(self, images_shape: Sequence[int], level: int, draw: int = 0) -> torch.Tensor:
        """The shared noise at `level` for data of that shape, (n, h, w, c) or (n, features): (c, h, w) or
        (features,), on the model's device.
        """
        return shared_noise(network_shape(images_shape[1:]), level, draw, self.seed).to(self.device)

    def _in_full_batches(
        self,
        total: int,
        copies: int,
        evaluate: Callable[[np.ndarray], torch.Tensor],
        networks: Sequence[torch.nn.Module],
        description: str,
    ) -> np.ndarray:
        """Evaluate tuples 0..total-1, `copies` of them an image; the last batch is padded with the last tuple."""
        results = []
        bar = tqdm(
            total=total // copies, desc=description, unit="image", disable=not self.progress, mininterval=0.5
        )
        with bar, torch.inference_mode(), _CountedRows([self.model.network, *networks]) as counted:
            for start in range(0, total, self.batch_size):
                stop = min(start + self.batch_size, total)
                before = counted.rows
                index = np.minimum(np.arange(start, start + self.batch_size), total - 1)
                values = evaluate(index)[: stop - start]
                results.append(values.to("cpu", torch.float64).numpy())  # the one copy to the host
                self.evaluations += (counted.rows - before) * (stop - start) // self.batch_size
                bar.update(stop // copies - start // copies)
        return np.concatenate(results)

    def _check(self, images: np.ndarray, levels: Sequence[int], num_draws: int) -> None:
        check_inputs(images, "images", self.model.input_kind, self.model.input_shape)
        if not len(levels) or not all(1 <= level <= self.model.num_steps for level in levels):
            raise ValueError(
                f"levels: got {list(levels)}, expected at least one time in 1..{self.model.num_steps}"
            )
        if num_draws != 1 and (num_draws < 1 or num_draws % 2):
            raise ValueError(f"num_draws: got {num_draws}, expected 1 or an even number (antithetic pairs)")


class _CountedRows:
    """Counts the rows that networks are asked about while it is entered."""

    def __init__(self, networks: Sequence[torch.nn.Module]):
        self.networks, self.rows = networks, 0

    def __enter__(self) -> "_CountedRows":
        self._hooks = [network.register_forward_pre_hook(self._count) for network in self.networks]
        return self

    def __exit__(self, *_) -> None:
        for hook in self._hooks:
            hook.remove()

    def _count(self, network: torch.nn.Module, arguments: tuple) -> None:
        self.rows += len(arguments[0])
