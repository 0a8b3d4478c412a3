"""Masked inpainting: hide half of an image, let the model paint it anew, and see whether it comes back.

A checkerboard hides every other cell, its complement the rest, so that each pixel is painted once without being
seen. Unlike partial diffusion, which must choose a noise level between "nothing changed" and "everything
forgotten", the visible half says what the hidden one should be.

Sources: Liu et al. 2023 (lift, map, detect); Lugmayr et al. 2022 (RePaint: the visible part of every x_t is the
noised image).
"""

from collections.abc import Callable, Sequence

import torch

from diffad.inputs import network_shape
from diffad.samplers import ddim_step, ddim_timesteps, predict_x0
from diffad.scorers.distances import DistanceMap
from diffad.scorers.evaluator import Evaluator
from diffad.scorers.reconstruction import WalkReconstruction, check_start


def checkerboard(height: int, width: int, cells: int) -> torch.Tensor:
    """True where the top left cell's colour stands, bool (height, width); `cells` cells along each side.

    Where a side is no multiple of `cells`, cells differ by one pixel.

    Raises:
        ValueError: fewer than 2 cells, or more than pixels.
    """
    if not 2 <= cells <= min(height, width):
        raise ValueError(
            f"cells: got {cells}, expected 2..{min(height, width)} for {height} x {width} pixels"
        )
    rows, columns = torch.arange(height) * cells // height, torch.arange(width) * cells // width
    return (rows[:, None] + columns) % 2 == 0


class MaskedInpainting(WalkReconstruction):
    """Error of both halves of a checkerboard, each painted by DDIM steps while the other is held to the image.

    Images and maps; vectors have no neighbourhood.

    Args:
        evaluator: of a trained model.
        num_steps: DDIM steps a mask, 1..start.
        cells: of the checkerboard along a side.
        start: the level at which hidden pixels are pure noise, 1..T.
        metric: as in `OneStepReconstruction`; Liu et al. use a perceptual one.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        num_steps: int,
        cells: int,
        start: int,
        metric: str | DistanceMap = "l2",
    ):
        super().__init__(evaluator, metric)
        check_start(start, evaluator.model.num_steps)
        if not 1 <= num_steps <= start:
            raise ValueError(f"num_steps: got {num_steps}, expected 1..{start} (start)")
        self.start, self.num_steps, self.cells = start, num_steps, cells

    @property
    def evaluations_per_image(self) -> int:
        """Network evaluations an image (NFE): two masks."""
        return 2 * self.num_steps

    def reconstruct(self, images_shape: Sequence[int]) -> Callable[[torch.Tensor], torch.Tensor]:
        """x_0 -> the picture in which each pixel is the one painted while it was hidden."""
        if len(images_shape) == 2:
            raise ValueError("images: got vectors, expected images or maps: a checkerboard needs two axes")
        evaluator, model = self.evaluator, self.evaluator.model
        timesteps = ddim_timesteps(self.start, self.num_steps)
        noises = {t: evaluator.noise(images_shape, t) for t in timesteps[:-1]}
        _, height, width = network_shape(images_shape[1:])
        board = checkerboard(height, width, self.cells).to(evaluator.device)

        def visible_at(x_0: torch.Tensor, t: int) -> torch.Tensor:
            return x_0 if t == 0 else model.process.sample(x_0, t, noises[t].expand_as(x_0))

        def paint(x_0: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
            # Hidden pixels begin as noise alone, without the trace of the image that q(x_start) would keep.
            x = torch.where(hidden, noises[self.start].expand_as(x_0), visible_at(x_0, self.start))
            for t, t_next in zip(timesteps[:-1], timesteps[1:], strict=True):
                x0_hat = predict_x0(model, x, t, evaluator.clamp)
                x = ddim_step(model.process, x, x0_hat, t, t_next)
                x = torch.where(hidden, x, visible_at(x_0, t_next))
            return x

        return lambda x_0: torch.where(board, paint(x_0, board), paint(x_0, ~board))
