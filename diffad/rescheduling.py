"""One trained network under another noise schedule.

What a network sees of a noisy image is its signal-to-noise ratio; the number t is only the name of that ratio
under one schedule. So a network trained with one schedule serves any other: ask it at the time where its own
schedule has the same SNR (eq-matched-noise). Two schedules can then be compared without training twice.

Source: Kingma et al. 2021, section 5.1 (the bound depends on the schedule through its end points alone).
"""

import torch
from torch import Tensor

from diffad.networks import Denoiser
from diffad.process import ForwardProcess
from diffad.schedules import NoiseSchedule


def matching_times(trained: NoiseSchedule, asked: NoiseSchedule) -> Tensor:
    """For each t = 0..T of the asked schedule the time of the trained one with the nearest log-SNR.

    Equation: eq-matched-noise.

    Returns:
        int64 (T + 1,), values in 1..T of the trained schedule (entry 0 is 1).
    """
    falling = trained.log_snr[1:]
    middle = (falling[1:] + falling[:-1]) / 2  # borders between neighbours, falling
    return torch.searchsorted(-middle, -asked.log_snr, right=True) + 1


class RescheduledNetwork(torch.nn.Module):
    """A network behind the same protocol, whose t counts the levels of another schedule.

    Args:
        network: trained against `trained`; not copied.
        trained: the process it was trained against.
        asked: the process whose t it shall answer to.
    """

    def __init__(self, network: Denoiser, trained: ForwardProcess, asked: ForwardProcess):
        super().__init__()
        self.network = network
        self.register_buffer("times", matching_times(trained.schedule, asked.schedule))

    def forward(self, x_t: Tensor, t: Tensor) -> Tensor:
        """The network's answer about x_t, floats (batch, ...), at level t int64 (batch,) of the asked
        schedule.
        """
        return self.network(x_t, self.times[t])
