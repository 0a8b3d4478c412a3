"""Looking into a denoiser: what it sees, where it looks, where its parameters are, and which of them learn.

Everything is measured on the network itself, by gradients, by hooks or by counting; nothing follows from a drawing
of the architecture.
"""

import contextlib
from collections.abc import Callable, Iterator
from operator import attrgetter

import torch
from timm.layers import Attention
from torch import Tensor, nn

from diffad.model import DiffusionModel
from diffad.networks import Condition, Denoiser, DiT, UNet
from diffad.objectives import l_simple

# --- what it sees ---


def receptive_field(
    model: DiffusionModel, x_t: Tensor, t: int, row: int, column: int, target: str = "eps"
) -> Tensor:
    """How strongly one pixel of the prediction depends on each pixel of the noisy image.

    Args:
        model: any diffusion model of images.
        x_t: noisy images (batch, channels, height, width); gradients are taken at each of them.
        t: their time, 1..T.
        row, column: the pixel of the prediction, its channels added.
        target: the prediction that is meant, as in `DiffusionModel.predict`.

    Returns:
        Root mean square, over images and channels, of the prediction's derivative by each pixel: (height, width).

    Raises:
        ValueError: a pixel outside the image.

    Equation: eq-receptive-field. Source: Luo et al. 2016.
    """
    height, width = x_t.shape[2:]
    if not (0 <= row < height and 0 <= column < width):
        raise ValueError(f"row, column: got {row}, {column}, expected a pixel of {height} x {width}")
    x_t = x_t.detach().clone().requires_grad_()
    with torch.enable_grad():
        # The images of a batch do not meet in the network, so the sum's gradient is each image's own.
        (gradient,) = torch.autograd.grad(model.predict(x_t, t, target)[:, :, row, column].sum(), x_t)
    return gradient.square().mean(dim=(0, 1)).sqrt()  # (height, width)


def distances(height: int, width: int, row: int, column: int) -> Tensor:
    """Distance of every pixel or patch from one of them, in pixels or patches: (height, width)."""
    rows, columns = torch.arange(height)[:, None] - row, torch.arange(width)[None] - column
    return torch.hypot(rows.double(), columns.double())


def reach(field: Tensor, row: int, column: int) -> float:
    """Mean distance in pixels from which a prediction is drawn: each pixel counts as its strength.

    The pixel itself counts at distance 0, so a prediction from that pixel alone has reach 0. The figure depends on
    what is predicted: at much noise eps is mostly the noisy pixel itself, x_0 is not.

    Args:
        field: from `receptive_field`, (height, width).
        row, column: the pixel that was predicted.

    Returns:
        NaN where the prediction depends on no pixel.
    """
    strengths = field.double()
    return (strengths * distances(*field.shape, row, column)).sum().div(strengths.sum()).item()


@contextlib.contextmanager
def opened(network: nn.Module, seed: int = 0, spread: float = 0.02) -> Iterator[nn.Module]:
    """The network with normal weights of that spread wherever all are zero; the zeros come back at the end.

    An untrained network with zero gates depends on nothing. This shows what its wiring alone would let through.
    """
    generator = torch.Generator().manual_seed(seed)
    zeros = [parameter for parameter in network.parameters() if not parameter.any()]
    with torch.no_grad():
        for parameter in zeros:
            parameter.normal_(std=spread, generator=generator)
    try:
        yield network
    finally:
        with torch.no_grad():
            for parameter in zeros:
                parameter.zero_()


# --- where it looks ---


@torch.no_grad()
def attention_maps(network: DiT, x_t: Tensor, t: int, condition: Condition | None = None) -> Tensor:
    """The attention of every block of a diffusion transformer, as the network computed it.

    Args:
        network: it is left as it was.
        x_t: noisy images (batch, channels, size, size).
        t: their time, 1..T.
        condition: what is known of each.

    Returns:
        (depth, batch, heads, tokens, tokens): the share that each token (last but one) takes from each other
        (last). Rows add up to 1. Tokens count row by row.
    """
    maps = []
    layers = [module for module in network.modules() if isinstance(module, Attention)]
    fused = [layer.fused_attn for layer in layers]
    # The fused kernel never writes the shares down; without it they pass through the layer of attention dropout.
    hooks = [layer.attn_drop.register_forward_hook(lambda *call: maps.append(call[2])) for layer in layers]
    try:
        for layer in layers:
            layer.fused_attn = False
        network(x_t, torch.full((len(x_t),), t, device=x_t.device), condition)
    finally:
        for layer, hook, was in zip(layers, hooks, fused, strict=True):
            layer.fused_attn = was
            hook.remove()
    return torch.stack(maps)


def attention_distance(maps: Tensor, grid: int) -> Tensor:
    """How far each head looks: the mean distance between a token and those it takes from, weighted by the shares.

    Args:
        maps: (..., tokens, tokens), rows that add up to 1; tokens of a square grid.
        grid: tokens a side.

    Returns:
        (...), in patches. All tokens alike give the mean distance between two patches of the grid.
    """
    each = torch.stack([distances(grid, grid, *divmod(token, grid)) for token in range(grid * grid)])
    return (maps.double() * each.flatten(1).to(maps.device)).sum(-1).mean(-1)


# --- where its parameters are ---


def parameter_parts(network: Denoiser) -> dict[str, list[nn.Parameter]]:
    """Part of the architecture -> its parameters; every parameter stands in exactly one part.

    Raises:
        TypeError: neither a `UNet` nor a `DiT`.
    """
    if not isinstance(network, UNet | DiT):
        raise TypeError(f"network: got {type(network).__name__}, expected a UNet or a DiT")
    part_of = _part_of_unet if isinstance(network, UNet) else _part_of_dit
    parts: dict[str, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        parts.setdefault(part_of(name), []).append(parameter)
    return parts


def count_parts(network: Denoiser) -> dict[str, int]:
    """Part of the architecture -> how many numbers are learned in it; see `parameter_parts`."""
    return {
        part: sum(parameter.numel() for parameter in parameters)
        for part, parameters in parameter_parts(network).items()
    }


def _part_of_unet(name: str) -> str:
    if "time_emb" in name or "class_embedding" in name:
        return "time and class"
    if "attentions" in name:
        return "attention"
    if "down_blocks" in name:
        return "convolutions, going down"
    if "up_blocks" in name:
        return "convolutions, going up"
    return "convolutions, middle" if "mid_block" in name else "input and output"


def _part_of_dit(name: str) -> str:
    if "modulation" in name:
        return "adaLN-Zero"
    if ".attention." in name:
        return "attention"
    if ".mlp." in name:
        return "perceptrons"
    return "time and class" if name.startswith("embedding") else "input and output"


# --- which of them learn ---


def share_that_learns(
    model: DiffusionModel,
    x_0: Tensor,
    num_updates: int,
    learning_rate: float,
    make_optimiser: Callable[..., torch.optim.Optimizer] = torch.optim.AdamW,
    seed: int = 0,
) -> list[dict[str, float]]:
    """In each of the first updates: the share of every part's parameters whose gradient is not zero.

    The model is trained on L_simple of one batch meanwhile.

    Args:
        model: of a `UNet` or `DiT`.
        x_0: a batch of clean data in the network's units, (batch, channels, height, width).
        num_updates: updates to look at.
        learning_rate: of the optimiser.
        make_optimiser: (parameters, lr=...) -> an optimiser.
        seed: of times and noise.

    Returns:
        One dictionary an update, part -> share in [0, 1]. The parts are those of `parameter_parts`.
    """
    generator = torch.Generator().manual_seed(seed)
    parts = parameter_parts(model.network)
    optimiser = make_optimiser(model.network.parameters(), lr=learning_rate)
    shares = []
    for _ in range(num_updates):
        t = torch.randint(1, model.num_steps + 1, (len(x_0),), generator=generator)
        noise = torch.randn(x_0.shape, generator=generator)
        optimiser.zero_grad()
        l_simple(model, x_0, t, noise).mean().backward()
        shares.append({part: _share_not_zero(map(attrgetter("grad"), each)) for part, each in parts.items()})
        optimiser.step()
    return shares


def _share_not_zero(gradients: Iterator[Tensor]) -> float:
    values = torch.cat([gradient.flatten() for gradient in gradients])
    return (values != 0).double().mean().item()
