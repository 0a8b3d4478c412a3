"""The U-Net denoiser of DDPM (Ho et al. 2020, appendix B), built on diffusers' `UNet2DModel`.

Residual blocks at a falling resolution, attention where the maps are smallest, skip connections across; the
time enters every block as a sinusoidal embedding.
"""

from typing import ClassVar, Literal

import torch
from diffusers import UNet2DModel
from pydantic import BaseModel, ConfigDict, Field, model_validator

from diffad.networks.conditioning import Condition, check_batch, label_index, with_image

# Channels at each resolution, the finest first; multiples of the group-norm's groups. Parameters at one image channel.
UNET_SIZES: dict[str, tuple[int, ...]] = {
    "tiny": (16, 32),  # 0.18 M: 8 px digits, tests
    "mini": (16, 32, 32),  # 0.3 M
    "small": (16, 32, 64),  # 0.69 M: 28 px digits on two cores
    "medium": (32, 64, 128),  # 2.7 M
    "base": (64, 128, 192),  # 7 M
    "large": (64, 128, 256, 256),  # 17.3 M
    "ddpm": (128, 256, 256, 256),  # 35.7 M: Ho et al. 2020, appendix B, for 32 px colour images
}


# Where the DDPM paper's network differs from diffusers' defaults, as in the published google/ddpm-cifar10-32.
PAPER_LAYOUT = {
    "norm_num_groups": 32,
    "norm_eps": 1e-6,
    "attention_head_dim": None,  # one head of the full width
    "downsample_padding": 0,
    "flip_sin_to_cos": False,
    "freq_shift": 1,
}


class UNetConfig(BaseModel):
    """What a U-Net is made of. Unknown keys and impossible values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: int = Field(ge=4, le=1024, description="height and width in pixels")
    channels: int = Field(ge=1, description="image channels: 1 grey, 3 colour")
    size: Literal["tiny", "mini", "small", "medium", "base", "large", "ddpm"] = "small"
    layers_per_block: int = Field(default=1, ge=1, le=4, description='residual blocks a level; 2 in "ddpm"')
    attention: bool = True
    num_classes: int = Field(default=0, ge=0, description="classes it may be told, 0 for none")
    condition_channels: int = Field(default=0, ge=0, description="channels of the image it may be shown")
    learned_variance: bool = False

    @model_validator(mode="before")
    @classmethod
    def _layers_of_the_paper(cls, values: dict) -> dict:
        if isinstance(values, dict) and values.get("size") == "ddpm":
            return {"layers_per_block": 2} | values
        return values

    @model_validator(mode="after")
    def _resolution_can_be_halved(self) -> "UNetConfig":
        factor = 2 ** (len(UNET_SIZES[self.size]) - 1)
        if self.image_size % factor:
            raise ValueError(
                f"image_size: got {self.image_size}, expected a multiple of {factor} for size {self.size!r} (it is halved at each stage)"  # noqa: E501
            )
        return self

    def layout(self) -> dict:
        """The arguments of diffusers' `UNet2DModel` for this network."""
        widths, with_attention = UNET_SIZES[self.size], self.attention
        in_the_paper = self.size == "ddpm"
        # Attention where the map is smallest, as it costs the square of its pixels; in the paper at 16 x 16 of 32 x 32.
        level = 1 if in_the_paper else len(widths) - 1
        blocks = [with_attention and position == level for position in range(len(widths))]
        layout = {
            "sample_size": self.image_size,
            "in_channels": self.channels + self.condition_channels,
            "out_channels": self.channels * (2 if self.learned_variance else 1),
            "block_out_channels": widths,
            "layers_per_block": self.layers_per_block,
            "down_block_types": tuple(
                "AttnDownBlock2D" if attention else "DownBlock2D" for attention in blocks
            ),
            "up_block_types": tuple(
                "AttnUpBlock2D" if attention else "UpBlock2D" for attention in blocks[::-1]
            ),
            "norm_num_groups": 8,
            "attention_head_dim": 16,
            "add_attention": with_attention,
            "num_class_embeds": self.num_classes + 1 if self.num_classes else None,
        }
        return layout | PAPER_LAYOUT if in_the_paper else layout


class DiffusersUNetConfig(BaseModel):
    """A U-Net by the arguments of diffusers' `UNet2DModel`, for one that was made elsewhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    arguments: dict = Field(description="of UNet2DModel; what is left out has diffusers' default")
    learned_variance: bool = False

    @model_validator(mode="after")
    def _can_be_built(self) -> "DiffusersUNetConfig":
        try:
            with torch.device("meta"):  # without memory
                made = UNet2DModel(**self.arguments).config
        except (TypeError, ValueError, ZeroDivisionError, AttributeError) as error:
            raise ValueError(f"arguments: diffusers' UNet2DModel cannot be built ({error})") from error
        if not isinstance(made.sample_size, int):
            raise ValueError(f"arguments: got sample_size {made.sample_size}, expected one number of pixels")
        if made.class_embed_type is not None or made.num_class_embeds is not None:
            raise ValueError(
                "arguments: got a class embedding, expected none: it may lack a row for no label"
            )
        expected = made.in_channels * (2 if self.learned_variance else 1)
        if made.out_channels != expected:
            raise ValueError(
                f"arguments: got out_channels {made.out_channels} for in_channels {made.in_channels}, "
                f"expected {expected} where learned_variance is {self.learned_variance}"
            )
        return self

    def layout(self) -> dict:
        """The arguments of diffusers' `UNet2DModel`."""
        return self.arguments

    @property
    def image_size(self) -> int:
        """Height and width in pixels."""
        return self.arguments["sample_size"]

    @property
    def channels(self) -> int:
        """Image channels."""
        return self.arguments.get("in_channels", 3)

    num_classes: ClassVar[int] = 0
    condition_channels: ClassVar[int] = 0


class UNet(torch.nn.Module):
    """diffusers' U-Net behind the Denoiser protocol. Times are 1..T here and 0..T-1 in diffusers."""

    input_kind = "images"

    def __init__(self, configuration: "UNetConfig | DiffusersUNetConfig"):
        super().__init__()
        self.configuration = configuration
        self.unet = UNet2DModel(**configuration.layout())
        self.to(memory_format=torch.channels_last)  # convolutions on CPU and GPU are faster so

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images it is made for."""
        return self.configuration.image_size, self.configuration.image_size, self.configuration.channels

    @property
    def bottleneck(self) -> torch.nn.Module:
        """The block where the map is smallest: its output is (batch, width, h, w)."""
        return self.unet.mid_block

    def forward(self, x_t: torch.Tensor, t: torch.Tensor, condition: Condition | None = None) -> torch.Tensor:
        """x_t: (batch, channels, size, size); t: (batch,) in 1..T -> (batch, channels or twice that, size,
        size).
        """
        height, width, channels = self.input_shape
        num_classes, extra = self.configuration.num_classes, self.configuration.condition_channels
        check_batch(x_t, (channels, height, width), condition, num_classes, extra)
        x = with_image(x_t, condition, extra)  # (batch, channels + condition_channels, size, size)
        labels = label_index(condition, t, num_classes) if num_classes else None  # (batch,)
        return self.unet(x, t - 1, labels).sample  # (batch, channels or twice that, size, size)
