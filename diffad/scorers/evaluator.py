"""One evaluator under every score: (image, level, draw) tuples flattened into full batches.

Scores must not depend on which images happen to be neighbours. So all images share one bank of noise (common
random numbers, in antithetic pairs: draw 2k+1 is minus draw 2k), each noise being a function of (seed, level,
pair) alone, and every batch has one shape: the last is padded. On a CPU an image's score is then the same to the
last bit in any order and any company.
"""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from tqdm.auto import tqdm

from diffad.inputs import check_inputs, network_shape, to_network
from diffad.model import DiffusionModel


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
            NFE an image.
    """

    def __init__(self, model: DiffusionModel, batch_size: int = 250, seed: int = 0, progress: bool = False):
        if batch_size < 1:
            raise ValueError(f"batch_size: got {batch_size}, expected at least 1")
        self.model = model.eval()
        self.batch_size, self.seed, self.progress = batch_size, seed, progress
        self.evaluations = 0
        self.device = next(model.parameters(), torch.empty(0)).device

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
            images: uint8 (n, height, width, channels).
            levels: times in 1..T.
            num_draws: noises a level; even, so that draws come in antithetic pairs, or 1.
            measure: (x_0, predicted x_0), both (batch, channels, height, width) in [-1, 1], -> (batch, ...)
                numbers.
            description: shown before the progress bar.

        Returns:
            float64 (n, levels, ...): the mean over draws of what `measure` gives.
        """
        self._check(images, levels, num_draws)
        bank = self._noise_bank(images.shape, levels, num_draws)  # (levels * draws, c, h, w)
        times = torch.tensor(levels, device=self.device).repeat_interleave(num_draws)  # (levels * draws,)
        copies = len(times)

        def evaluate(image_index: torch.Tensor, copy: torch.Tensor) -> torch.Tensor:
            x_0 = to_network(images[image_index.numpy()], self.device)  # (batch, c, h, w)
            t = times[copy]
            x_t = self.model.process.sample(x_0, t, bank[copy])
            return measure(x_0, self.model.predict(x_t, t, "x0"))

        values = self._in_full_batches(
            len(images) * copies, copies, evaluate, description
        )  # (n * copies, ...)
        values = values.reshape(len(images), len(levels), num_draws, *values.shape[1:])
        return values.mean(axis=2)

    def per_image(
        self,
        images: np.ndarray,
        evaluate_batch: Callable[[torch.Tensor], torch.Tensor],
        evaluations_each: int,
        description: str = "scoring",
    ) -> np.ndarray:
        """Apply `evaluate_batch` to x_0 (batch, channels, height, width) in full batches.

        Args:
            images: uint8 (n, height, width, channels).
            evaluate_batch: x_0 -> (batch, ...) numbers; what it needs of noise it takes from `shared_noise`.
            evaluations_each: how often it asks the network for each image.
            description: shown before the progress bar.

        Returns:
            float64 (n, ...).
        """
        check_inputs(images, "images", self.model.input_kind, self.model.input_shape)
        before = self.evaluations
        values = self._in_full_batches(
            len(images),
            1,
            lambda index, _: evaluate_batch(to_network(images[index.numpy()], self.device)),
            description,
        )
        self.evaluations = before + evaluations_each * len(images)
        return values

    def noise(self, images_shape: Sequence[int], level: int, draw: int = 0) -> torch.Tensor:
        """The shared noise at `level` for data of that shape, (n, h, w, c) or (n, features): (c, h, w) or
        (features,), on the model's device.
        """
        return shared_noise(network_shape(images_shape[1:]), level, draw, self.seed).to(self.device)

    def _noise_bank(self, images_shape: Sequence[int], levels: Sequence[int], num_draws: int) -> torch.Tensor:
        return torch.stack(
            [self.noise(images_shape, level, draw) for level in levels for draw in range(num_draws)]
        )

    def _in_full_batches(
        self,
        total: int,
        copies: int,
        evaluate: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        description: str,
    ) -> np.ndarray:
        """Evaluate tuples 0..total-1, tuple k being copy k % copies of image k // copies; the last batch is
        padded.
        """
        results = []
        bar = tqdm(
            total=total // copies, desc=description, unit="image", disable=not self.progress, mininterval=0.5
        )
        with bar, torch.inference_mode():
            for start in range(0, total, self.batch_size):
                stop = min(start + self.batch_size, total)
                index = torch.arange(start, start + self.batch_size).clamp_(
                    max=total - 1
                )  # padded with the last tuple
                values = evaluate(index // copies, index % copies)[: stop - start]
                results.append(values.to("cpu", torch.float64).numpy())  # the one copy to the host
                self.evaluations += stop - start
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
