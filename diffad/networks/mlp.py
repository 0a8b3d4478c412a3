"""A residual multilayer perceptron for vectors: tables, and embeddings of frozen networks.

The output starts at exactly zero. Besides the perceptron's answer it holds x_t itself, each feature times a gain
that depends on the time: the best linear answer for whitened features, which a hidden layer narrower than the input
could not give.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from diffad.networks.conditioning import Condition, TimeAndLabel, check_batch
from diffad.networks.dit import zero_linear


class MLPConfig(BaseModel):
    """What a residual perceptron is made of. Unknown keys and impossible values are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    features: int = Field(ge=1, le=100_000, description="numbers in a vector")
    width: int = Field(default=256, ge=1, le=16_384, description="hidden units")
    depth: int = Field(default=3, ge=0, le=64, description="residual blocks")
    dropout: float = Field(default=0.0, ge=0, lt=1)
    num_classes: int = Field(default=0, ge=0, description="classes it may be told, 0 for none")
    learned_variance: bool = False


class MLP(nn.Module):
    """A residual perceptron behind the Denoiser protocol, for vectors (batch, features)."""

    input_kind = "vectors"

    def __init__(self, configuration: MLPConfig):
        super().__init__()
        self.configuration = configuration
        features, width = configuration.features, configuration.width
        outputs = features * (2 if configuration.learned_variance else 1)
        self.embedding = TimeAndLabel(width, configuration.num_classes)
        self.input = nn.Linear(features, width)
        self.blocks = nn.ModuleList(
            ResidualBlock(width, configuration.dropout) for _ in range(configuration.depth)
        )
        self.norm = nn.LayerNorm(width)
        self.output = zero_linear(width, outputs)
        self.gain = zero_linear(width, features)

    @property
    def input_shape(self) -> tuple[int]:
        """(features,) of one vector."""
        return (self.configuration.features,)

    @property
    def bottleneck(self) -> nn.Module:
        """The middle block: its output is (batch, width)."""
        return self.blocks[len(self.blocks) // 2]

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Tensor:
        """x_t: (batch, features); t: (batch,) in 1..T -> (batch, features or twice that)."""
        check_batch(x_t, self.input_shape, condition, self.configuration.num_classes, 0)
        vector = nn.functional.silu(self.embedding(t, condition))  # (batch, width)
        hidden = self.input(x_t)  # (batch, width)
        for block in self.blocks:
            hidden = block(hidden, vector)  # (batch, width)
        output = self.output(nn.functional.silu(self.norm(hidden)))  # (batch, features or twice that)
        direct = self.gain(vector) * x_t  # (batch, features)
        if not self.configuration.learned_variance:
            return output + direct  # (batch, features)
        prediction, variance = output.chunk(2, dim=1)  # (batch, features) each
        return torch.cat([prediction + direct, variance], dim=1)  # (batch, 2 * features)


class ResidualBlock(nn.Module):
    """Two layers around a residual connection, the time added between them; starts as the identity."""

    def __init__(self, width: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, width)
        self.time = nn.Linear(width, width)
        self.dropout = nn.Dropout(dropout)
        self.second = zero_linear(width, width)

    def forward(self, hidden: Tensor, vector: Tensor) -> Tensor:
        """hidden, vector: (batch, width) -> (batch, width)."""
        inner = self.first(nn.functional.silu(self.norm(hidden)))  # (batch, width)
        inner = nn.functional.silu(inner + self.time(vector))  # (batch, width)
        return hidden + self.second(self.dropout(inner))  # (batch, width)
