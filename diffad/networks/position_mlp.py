"""A denoiser for feature maps that looks at each place by itself and knows where the place is.

A frozen network's features at one place already describe its surroundings; what is normal there depends on where
"there" is: bristles above, a handle below. So one perceptron is shared by all places and told the place by a learned
embedding. Nothing passes from one place to another, so the error of a place is about that place.

Besides the perceptron's answer the output holds x_t, each channel times a gain that depends on the time: the best
answer where features are whitened and Gaussian.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from diffad.networks.conditioning import Condition, TimeAndLabel, check_batch
from diffad.networks.dit import zero_linear
from diffad.networks.mlp import ResidualBlock


class PositionMLPConfig(BaseModel):
    """What a position-conditioned perceptron is made of. Unknown keys and impossible values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    height: int = Field(ge=1, le=1024, description="places from top to bottom")
    width: int = Field(ge=1, le=1024, description="places from left to right")
    channels: int = Field(ge=1, le=16_384, description="features of a place")
    hidden: int = Field(default=128, ge=1, le=16_384, description="hidden units")
    depth: int = Field(default=2, ge=0, le=64, description="residual blocks")
    learned_variance: bool = False


class PositionMLP(nn.Module):
    """One perceptron for all places behind the Denoiser protocol, for maps (batch, channels, height, width)."""

    input_kind = "maps"

    def __init__(self, configuration: PositionMLPConfig):
        super().__init__()
        self.configuration = configuration
        channels, hidden = configuration.channels, configuration.hidden
        places = configuration.height * configuration.width
        self.embedding = TimeAndLabel(hidden)
        self.place = nn.Parameter(0.02 * torch.randn(places, hidden))
        self.input = nn.Linear(channels, hidden)
        self.blocks = nn.ModuleList(ResidualBlock(hidden, 0.0) for _ in range(configuration.depth))
        self.norm = nn.LayerNorm(hidden)
        self.output = zero_linear(hidden, channels * (2 if configuration.learned_variance else 1))
        self.gain = zero_linear(hidden, channels)

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) of one map."""
        return (self.configuration.height, self.configuration.width, self.configuration.channels)

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Tensor:
        """x_t: (batch, channels, height, width); t: (batch,) in 1..T -> the same shape, or twice the channels."""
        height, width, channels = self.input_shape
        check_batch(x_t, (channels, height, width), condition, 0, 0)
        vector = nn.functional.silu(self.embedding(t, None))[:, None]  # (batch, 1, hidden)
        features = x_t.flatten(2).transpose(1, 2)  # (batch, places, channels)
        hidden = self.input(features) + self.place  # (batch, places, hidden)
        for block in self.blocks:
            hidden = block(hidden, vector)  # (batch, places, hidden)
        output = self.output(nn.functional.silu(self.norm(hidden)))  # (batch, places, channels or twice that)
        direct = self.gain(vector) * features  # (batch, places, channels)
        prediction, *variance = output.split(channels, dim=2)
        output = torch.cat([prediction + direct, *variance], dim=2)
        return output.transpose(1, 2).unflatten(2, (height, width))  # (batch, channels or twice that, h, w)
