"""How far a reconstruction is from its image. Each takes (x_0, x_hat), shape (batch, channels, height, width)
in [-1, 1].

`_map` functions keep the pixels, (batch, height, width); `distance` gives one number an image, (batch,).
Survey section 3: A = d(x, x_hat), d in {L1, L2, perceptual}.

    l1, l2      the pixels themselves; also for vectors (batch, features)
    ssim        structure within a window, blind to a common shift of brightness
    gradient    edges that appear or vanish
    features    what a frozen network sees (`feature_map`)
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

DistanceMap = Callable[[Tensor, Tensor], Tensor]
# Images (batch, channels, height, width) in [-1, 1] -> maps of a frozen network, (batch, c_i, h_i, w_i) each.
Features = Callable[[Tensor], Sequence[Tensor]]

SSIM_SMALLEST = 6  # pixels a side: the window's reflection at the border needs them
GRADIENT_CONSTANT = 0.0026  # of Xue et al. 2014, for grey levels in [0, 1]


def l2_map(x_0: Tensor, x_hat: Tensor) -> Tensor:
    """Squared difference, mean over channels: (batch, height, width)."""
    return (x_hat - x_0).square().mean(dim=1)


def l1_map(x_0: Tensor, x_hat: Tensor) -> Tensor:
    """Absolute difference, mean over channels: (batch, height, width)."""
    return (x_hat - x_0).abs().mean(dim=1)


def ssim_map(x_0: Tensor, x_hat: Tensor) -> Tensor:
    """(1 - SSIM) / 2 in [0, 1], mean over channels, Gaussian window of 11 pixels: (batch, height, width).

    Source: Wang et al. 2004, eq. 13, by torchmetrics.

    Raises:
        ValueError: images of fewer than 6 pixels a side.
    """
    if min(x_0.shape[2:]) < SSIM_SMALLEST:
        raise ValueError(
            f"distance: 'ssim' got images of {x_0.shape[2]} x {x_0.shape[3]} pixels, expected at least {SSIM_SMALLEST} a side"
        )
    # A fixed range of grey levels: torchmetrics would else take it from the batch, and neighbours would matter.
    _, similarity = structural_similarity_index_measure(
        (x_hat + 1) / 2, (x_0 + 1) / 2, data_range=1.0, reduction="none", return_full_image=True
    )
    return (1 - similarity.mean(dim=1)) / 2


def gradient_map(x_0: Tensor, x_hat: Tensor) -> Tensor:
    """1 - the similarity of gradient magnitudes, in [0, 1]: (batch, height, width).

    Prewitt gradients of the mean over channels. Source: Xue et al. 2014 (GMSD), eqs. 1 to 4.
    """
    one, other = _gradient_magnitude(x_0), _gradient_magnitude(x_hat)
    similarity = (2 * one * other + GRADIENT_CONSTANT) / (one.square() + other.square() + GRADIENT_CONSTANT)
    return 1 - similarity[:, 0]


def feature_map(features: Features) -> DistanceMap:
    """The distance of what a frozen network sees: 1 - cosine similarity at each place, mean over its maps.

    Args:
        features: images (batch, channels, height, width) in [-1, 1] -> maps (batch, c_i, h_i, w_i), coarse or
            fine; on the images' device. Its work is not among the denoiser's evaluations.

    Returns:
        (x_0, x_hat) -> (batch, height, width) in [0, 2]; coarse maps are enlarged bilinearly. Source: Zhang et
        al. 2018 (deep features as a metric); Deng & Li 2022, eqs. 1 and 4 (cosine maps, enlarged and added).
    """

    def distance_of_features(x_0: Tensor, x_hat: Tensor) -> Tensor:
        pairs = zip(features(x_0), features(x_hat), strict=True)
        maps = [1 - F.cosine_similarity(one, other, dim=1) for one, other in pairs]
        size = x_0.shape[2:]
        enlarged = [
            F.interpolate(each[:, None], size, mode="bilinear", align_corners=False)[:, 0] for each in maps
        ]
        return torch.stack(enlarged).mean(dim=0)

    return distance_of_features


DISTANCE_MAPS: dict[str, DistanceMap] = {
    "l1": l1_map,
    "l2": l2_map,
    "ssim": ssim_map,
    "gradient": gradient_map,
}


def distance_map(metric: str | DistanceMap) -> DistanceMap:
    """The per-pixel distance called `metric`, or `metric` itself where it is a function already.

    Raises:
        ValueError: no distance has that name.
    """
    if callable(metric):
        return metric
    if metric not in DISTANCE_MAPS:
        raise ValueError(f"distance: got {metric!r}, expected one of {', '.join(sorted(DISTANCE_MAPS))}")
    return DISTANCE_MAPS[metric]


def distance(metric: str | DistanceMap) -> DistanceMap:
    """The distance called `metric`, one number an image: the mean of its map over the pixels, (batch,)."""
    pixels = distance_map(metric)
    return lambda x_0, x_hat: pixels(x_0, x_hat).reshape(len(x_0), -1).mean(dim=1)


def _gradient_magnitude(x: Tensor) -> Tensor:
    """Length of the Prewitt gradient of images in [-1, 1], as grey levels in [0, 1]: (batch, 1, h, w)."""
    grey = F.pad((x.mean(dim=1, keepdim=True) + 1) / 2, (1, 1, 1, 1), mode="replicate")
    across = torch.tensor([[1.0, 0.0, -1.0]], dtype=x.dtype, device=x.device).expand(3, 3) / 3
    gradients = F.conv2d(grey, torch.stack([across, across.T])[:, None])  # (batch, 2, h, w)
    return gradients.square().sum(dim=1, keepdim=True).sqrt()
