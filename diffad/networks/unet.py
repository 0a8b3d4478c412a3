"""The U-Net denoiser of DDPM (Ho et al. 2020, appendix B), built on diffusers' `UNet2DModel`.

Residual blocks at a falling resolution, attention where the maps are smallest, skip connections across; the
time enters every block as a sinusoidal embedding.
"""

from typing import Literal

import torch
from diffusers import UNet2DModel
from pydantic import BaseModel, ConfigDict, Field, model_validator

# Channels at each resolution, the finest first; multiples of the group-norm's 8 groups. Parameters at one image channel.
UNET_SIZES: dict[str, tuple[int, ...]] = {
    "tiny": (16, 32),  # 0.18 M: 8 px digits, tests
    "small": (16, 32, 64),  # 0.69 M: 28 px digits on two cores
    "medium": (32, 64, 128),  # 2.7 M
    "large": (64, 128, 256, 256),  # 17.3 M
}


class UNetConfig(BaseModel):
    """What a U-Net is made of. Unknown keys and impossible values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: int = Field(ge=4, le=1024, description="height and width in pixels")
    channels: int = Field(ge=1, description="image channels: 1 grey, 3 colour")
    size: Literal["tiny", "small", "medium", "large"] = "small"
    layers_per_block: int = Field(default=1, ge=1, le=4)
    attention: bool = True
    learned_variance: bool = False

    @model_validator(mode="after")
    def _resolution_can_be_halved(self) -> "UNetConfig":
        factor = 2 ** (len(UNET_SIZES[self.size]) - 1)
        if self.image_size % factor:
            raise ValueError(
                f"image_size: got {self.image_size}, expected a multiple of {factor} for size {self.size!r} (it is halved at each stage)"
            )
        return self


class UNet(torch.nn.Module):
    """diffusers' U-Net behind the Denoiser protocol. Times are 1..T here and 0..T-1 in diffusers."""

    kind = "unet"
    input_kind = "images"

    def __init__(self, configuration: UNetConfig):
        super().__init__()
        self.configuration = configuration
        widths = UNET_SIZES[configuration.size]
        down_blocks = ["DownBlock2D"] * len(widths)
        up_blocks = ["UpBlock2D"] * len(widths)
        if configuration.attention:  # where the map is smallest: attention costs the square of its pixels
            down_blocks[-1], up_blocks[0] = "AttnDownBlock2D", "AttnUpBlock2D"
        self.unet = UNet2DModel(
            sample_size=configuration.image_size,
            in_channels=configuration.channels,
            out_channels=configuration.channels * (2 if configuration.learned_variance else 1),
            block_out_channels=widths,
            layers_per_block=configuration.layers_per_block,
            down_block_types=tuple(down_blocks),
            up_block_types=tuple(up_blocks),
            norm_num_groups=8,
            attention_head_dim=16,
            add_attention=configuration.attention,
        )
        self.to(memory_format=torch.channels_last)  # convolutions on CPU and GPU are faster so

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images it is made for."""
        return self.configuration.image_size, self.configuration.image_size, self.configuration.channels

    def forward(self, x_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """x_t: (batch, channels, size, size); t: (batch,) in 1..T -> (batch, channels or twice that, size,
        size).
        """
        return self.unet(x_t, t - 1).sample
