"""What a network costs: floating-point operations, counted by torch, and seconds, measured.

Operations are counted on torch's meta device, which keeps shapes and no numbers, so a network of any size and an
image of any size cost nothing to count. One multiplication and one addition are two operations.
"""

import contextlib
import time
from collections.abc import Iterator

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from diffad.inputs import network_shape
from diffad.networks import make_network


def on_meta(kind: str, parameters: dict) -> nn.Module:
    """The network that `make_network` would build, without its numbers: for counting only.

    Raises:
        ValueError: as `diffad.networks.make_network`.
    """
    with torch.device("meta"):
        return make_network(kind, parameters)


def count_flops(network: nn.Module, batch_size: int = 1, backward: bool = False) -> int:
    """Floating-point operations of one evaluation of `batch_size` items: matrix products and convolutions.

    Args:
        network: a denoiser with an `input_shape`, on any device; one from `on_meta` costs nothing to count.
        batch_size: items that are evaluated together.
        backward: whether the gradient by the parameters is counted too, as a training step needs it.

    Returns:
        The count. Norms, activations and additions are left out, as is usual; so is the softmax of attention.
    """
    device = next(network.parameters()).device
    x_t = torch.zeros(batch_size, *network_shape(network.input_shape), device=device)
    t = torch.ones(batch_size, dtype=torch.int64, device=device)
    keeping = contextlib.nullcontext() if backward else torch.no_grad()
    # The fused kernels of attention differ by device, and not all are known to the counter; plain products are.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter, keeping:
        prediction = network(x_t, t)
        if backward:
            torch.autograd.grad(prediction.sum(), list(network.parameters()), allow_unused=True)
    return counter.get_total_flops()


@torch.inference_mode()
def seconds_an_evaluation(
    network: nn.Module, batch_size: int = 1, least_repeats: int = 3, least_seconds: float = 0.2
) -> float:
    """Time of one evaluation: the median of at least so many, over at least so many seconds, after one that warms up.

    On a CPU it is the processor's time, that of all threads added, which other programs on a busy machine do not
    lengthen; with one thread it is how long an idle core takes. On an accelerator it is the wall's.

    Args:
        network: with numbers, on the device to be measured.
        batch_size: items that are evaluated together.

    Raises:
        ValueError: a network on the meta device, which computes nothing.
    """
    device = next(network.parameters()).device
    if device.type == "meta":
        raise ValueError("network: got one on the meta device, expected one with numbers: it is to be timed")
    generator = torch.Generator().manual_seed(0)
    x_t = torch.randn(batch_size, *network_shape(network.input_shape), generator=generator).to(device)
    t = torch.ones(batch_size, dtype=torch.int64, device=device)
    durations = list(_durations(network, (x_t, t), least_repeats, least_seconds))
    return sorted(durations[1:])[(len(durations) - 1) // 2]


def _durations(network: nn.Module, arguments: tuple, repeats: int, seconds: float) -> Iterator[float]:
    clock = time.process_time if arguments[0].device.type == "cpu" else time.perf_counter
    begun, done = clock(), 0
    while done <= repeats or clock() - begun < seconds:
        started = clock()
        network(*arguments)
        if arguments[0].is_cuda:
            torch.cuda.synchronize()
        yield clock() - started
        done += 1
