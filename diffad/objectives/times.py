"""Which noise levels t a training batch sees.

Every sampler has `draw(batch, generator) -> (t, weight)`: t an int64 tensor (batch,) in 1..T, weight a float
tensor (batch,) whose product with the loss keeps the expectation of the uniform mean. Draws are made on the
generator's device, so a generator that lives where training runs costs no copy.
"""

import torch
from torch import Tensor

from diffad.schedules import check_num_steps


class UniformTimes:
    """t uniform on 1..T, each draw independent. Ho et al. 2020, algorithm 1.

    Args:
        num_steps: T, 1..10,000.
    """

    def __init__(self, num_steps: int):
        self.num_steps = check_num_steps(num_steps)

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """t int64 (batch,) in 1..T, and weights of 1."""
        device = generator.device
        t = torch.randint(1, self.num_steps + 1, (batch,), generator=generator, device=device)
        return t, torch.ones(batch, device=device)


class LowDiscrepancyTimes:
    """t spread evenly over 1..T within each batch, from one uniform draw; each t is still uniform by itself.

    The batch mean of a loss varies less, since no batch can miss a whole range of t. Equation:
    eq-low-discrepancy.
    Source: Kingma et al. 2021, appendix I.1.
    """

    def __init__(self, num_steps: int):
        self.num_steps = check_num_steps(num_steps)

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """t int64 (batch,) in 1..T, in random order, and weights of 1."""
        position = low_discrepancy_uniform(batch, generator)
        t = (position * self.num_steps).long().clamp(max=self.num_steps - 1) + 1
        return t, torch.ones(batch, device=generator.device)


def low_discrepancy_uniform(batch: int, generator: torch.Generator) -> Tensor:
    """Numbers (u + i / batch) mod 1 from one uniform u, in random order; float64 (batch,) in [0, 1)."""
    device = generator.device
    offset = torch.rand(1, generator=generator, device=device, dtype=torch.float64)
    position = (offset + torch.arange(batch, device=device, dtype=torch.float64) / batch) % 1.0
    return position[torch.randperm(batch, generator=generator, device=device)]


class ImportanceTimes:
    """t drawn in proportion to the root mean square of its recent losses, which levels the terms of the
    bound.

    Until every t has been seen `history` times, draws are uniform. Equation: eq-importance-times.
    Source: Nichol & Dhariwal 2021, eq. 18.

    Args:
        num_steps: T.
        history: losses remembered for each t, at least 1.
        uniform_share: probability of a uniform draw, in (0, 1), so that no t is ever forgotten.
    """

    def __init__(self, num_steps: int, history: int = 10, uniform_share: float = 0.001):
        self.num_steps = check_num_steps(num_steps)
        if history < 1:
            raise ValueError(f"history must be at least 1, came {history}")
        if not 0 < uniform_share < 1:
            raise ValueError(f"uniform_share must lie in (0, 1), came {uniform_share}")
        self.uniform_share = uniform_share
        self.losses = torch.zeros(num_steps, history, dtype=torch.float64)
        self.counts = torch.zeros(num_steps, dtype=torch.int64)

    def probabilities(self) -> Tensor:
        """The chance of t = 1..T; float64 (T,), sums to 1."""
        uniform = torch.full((self.num_steps,), 1 / self.num_steps, dtype=torch.float64)
        root_mean_square = self.losses.square().mean(1).sqrt()
        if (self.counts < self.losses.shape[1]).any() or root_mean_square.sum() == 0:
            return uniform
        share = root_mean_square / root_mean_square.sum()
        return self.uniform_share * uniform + (1 - self.uniform_share) * share

    def draw(self, batch: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """t int64 (batch,) in 1..T, and weights 1 / (T p_t)."""
        probabilities = self.probabilities().to(generator.device)
        index = torch.multinomial(probabilities, batch, replacement=True, generator=generator)
        return index + 1, (1 / (self.num_steps * probabilities[index])).float()

    def update(self, t: Tensor, losses: Tensor) -> None:
        """Remember the unweighted losses (batch,) seen at t (batch,)."""
        if t.shape != losses.shape or t.ndim != 1:
            raise ValueError(f"losses must have the shape of t, {tuple(t.shape)}, came {tuple(losses.shape)}")
        for level, loss in zip((t - 1).tolist(), losses.detach().double().tolist(), strict=True):
            self.losses[level] = self.losses[level].roll(-1)
            self.losses[level, -1] = loss
            self.counts[level] += 1
