"""The diffusion transformer (Peebles & Xie 2023): patches as tokens, the time by adaptive layer norm.

The image is cut into patches, each a token; every block lets each token look at all others. The time and the class
enter as a shift, a scale and a gate of each block. The gates start at zero (adaLN-Zero), so an untrained block
changes nothing, and the last layer starts at zero, so an untrained network predicts exactly zero.

The parts are timm's: `PatchEmbed`, `Attention`, `Mlp` and its 2-d sin-cos positions.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from timm.layers import Attention, Mlp, PatchEmbed, build_sincos2d_pos_embed
from torch import Tensor, nn

from diffad.networks.conditioning import Condition, TimeAndLabel, check_batch, with_image

# (depth, width, heads): Peebles & Xie 2023, table 1; Ti as in Touvron et al. 2021. Parameters at patch 2 on 32 x 32 x 4.
DIT_SIZES: dict[str, tuple[int, int, int]] = {
    "mini": (4, 64, 4),  # 0.33 M: 8 px digits, tests; not from a paper
    "Ti": (12, 192, 3),  # 8 M
    "S": (12, 384, 6),  # 33 M
    "B": (12, 768, 12),  # 130 M
    "L": (24, 1024, 16),  # 458 M
    "XL": (28, 1152, 16),  # 675 M
}


class DiTConfig(BaseModel):
    """What a diffusion transformer is made of. Unknown keys and impossible values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    image_size: int = Field(ge=4, le=1024, description="height and width in pixels")
    channels: int = Field(ge=1, description="image channels: 1 grey, 3 colour")
    size: Literal["mini", "Ti", "S", "B", "L", "XL"] = "S"
    patch: Literal[2, 4, 8, 16] = Field(default=4, description="height and width of a patch in pixels")
    num_classes: int = Field(default=0, ge=0, description="classes it may be told, 0 for none")
    condition_channels: int = Field(default=0, ge=0, description="channels of the image it may be shown")
    learned_variance: bool = False

    @model_validator(mode="after")
    def _image_can_be_cut(self) -> "DiTConfig":
        if self.image_size % self.patch:
            fitting = [patch for patch in (2, 4, 8, 16) if self.image_size % patch == 0]
            raise ValueError(
                f"patch: got {self.patch} for image_size {self.image_size}, expected a divisor of it"
                f" ({' or '.join(map(str, fitting)) or 'none of 2, 4, 8, 16 is one'})"
            )
        return self


class DiT(nn.Module):
    """The diffusion transformer behind the Denoiser protocol. Times are 1..T here and 0..T-1 in the paper.

    Attributes:
        positions: fixed sin-cos embedding of each patch's row and column, (1, tokens, width).
    """

    input_kind = "images"

    def __init__(self, configuration: DiTConfig):
        super().__init__()
        self.configuration = configuration
        size, patch = configuration.image_size, configuration.patch
        depth, width, num_heads = DIT_SIZES[configuration.size]
        self.grid = size // patch  # patches a side
        out_channels = configuration.channels * (2 if configuration.learned_variance else 1)
        self.patches = PatchEmbed(
            size, patch, configuration.channels + configuration.condition_channels, width
        )
        self.embedding = TimeAndLabel(width, configuration.num_classes)
        self.blocks = nn.ModuleList(DiTBlock(width, num_heads) for _ in range(depth))
        self.output = OutputLayer(width, patch, out_channels)
        positions = build_sincos2d_pos_embed([self.grid, self.grid], width)[None]
        self.register_buffer("positions", positions, persistent=False)  # a function of the configuration
        self._initialise()

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of the images it is made for."""
        return self.configuration.image_size, self.configuration.image_size, self.configuration.channels

    @property
    def bottleneck(self) -> nn.Module:
        """The middle block: its output is (batch, tokens, width)."""
        return self.blocks[len(self.blocks) // 2]

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Tensor:
        """x_t: (batch, channels, size, size); t: (batch,) in 1..T -> (batch, channels or twice that, size,
        size).
        """
        height, width, channels = self.input_shape
        num_classes, extra = self.configuration.num_classes, self.configuration.condition_channels
        check_batch(x_t, (channels, height, width), condition, num_classes, extra)
        x = with_image(x_t, condition, extra)  # (batch, channels + condition_channels, size, size)
        tokens = self.patches(x)  # (batch, tokens, width)
        tokens = tokens + self.positions  # (batch, tokens, width)
        vector = self.embedding(t, condition)  # (batch, width)
        for block in self.blocks:
            tokens = block(tokens, vector)  # (batch, tokens, width)
        pixels = self.output(tokens, vector)  # (batch, tokens, out_channels * patch * patch)
        pixels = pixels.mT.unflatten(2, (self.grid, self.grid))  # (batch, out * patch * patch, grid, grid)
        return nn.functional.pixel_shuffle(pixels, self.configuration.patch)  # (batch, out, size, size)

    def _initialise(self) -> None:
        """Peebles & Xie 2023, section 3.2: Xavier in the blocks, zero where a block meets the residual stream."""
        for block in self.blocks:
            for layer in (block.attention.qkv, block.attention.proj, block.mlp.fc1, block.mlp.fc2):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)
        nn.init.xavier_uniform_(self.patches.proj.weight.view(len(self.patches.proj.weight), -1))
        nn.init.zeros_(self.patches.proj.bias)


class DiTBlock(nn.Module):
    """Attention and a two-layer perceptron, each shifted, scaled and gated by the time and the class.

    Equation: eq-adaln.
    """

    def __init__(self, width: int, num_heads: int):
        super().__init__()
        self.attention_norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attention = Attention(width, num_heads, qkv_bias=True)
        self.mlp_norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = Mlp(width, 4 * width, act_layer=_TanhGELU)
        self.modulation = zero_linear(width, 6 * width)

    def forward(self, tokens: Tensor, vector: Tensor) -> Tensor:
        """tokens: (batch, tokens, width); vector: (batch, width) -> (batch, tokens, width)."""
        parts = self.modulation(nn.functional.silu(vector))[:, None]  # (batch, 1, 6 * width)
        shift_a, scale_a, gate_a, shift_m, scale_m, gate_m = parts.chunk(6, dim=2)  # (batch, 1, width)
        normed = modulate(self.attention_norm(tokens), shift_a, scale_a)  # (batch, tokens, width)
        tokens = tokens + gate_a * self.attention(normed)  # (batch, tokens, width)
        normed = modulate(self.mlp_norm(tokens), shift_m, scale_m)  # (batch, tokens, width)
        return tokens + gate_m * self.mlp(normed)  # (batch, tokens, width)


class OutputLayer(nn.Module):
    """From tokens to the pixels of their patches; starts at zero."""

    def __init__(self, width: int, patch: int, out_channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.modulation = zero_linear(width, 2 * width)
        self.linear = zero_linear(width, out_channels * patch * patch)

    def forward(self, tokens: Tensor, vector: Tensor) -> Tensor:
        """tokens: (batch, tokens, width); vector: (batch, width) -> (batch, tokens, out_channels * patch**2)."""
        parts = self.modulation(nn.functional.silu(vector))[:, None]  # (batch, 1, 2 * width)
        shift, scale = parts.chunk(2, dim=2)  # (batch, 1, width) each
        return self.linear(modulate(self.norm(tokens), shift, scale))  # (batch, tokens, out * patch**2)


class _TanhGELU(nn.GELU):
    """The GELU that the paper's code uses."""

    def __init__(self):
        super().__init__(approximate="tanh")


def modulate(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Adaptive layer norm: tokens (batch, tokens, width) scaled by 1 + scale and shifted, both (batch, 1, width)."""
    return tokens * (1 + scale) + shift


def zero_linear(features_in: int, features_out: int) -> nn.Linear:
    """A linear layer whose weights and biases start at zero."""
    layer = nn.Linear(features_in, features_out)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
