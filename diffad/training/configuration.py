"""How to train, in words: a checked, frozen configuration."""

import math
from collections.abc import Callable
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

# Settings that came after the first recorded runs, with the values under which nothing is different from before.
LATER_SETTINGS = {"gradient_accumulation": 1, "compile": False, "patience": None, "condition_dropout": 0.1}


class TrainingConfig(BaseModel):
    """How to train. Unknown keys, wrong types and impossible values are refused with the field's name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    num_updates: int = Field(ge=1, description="optimiser steps")
    batch_size: int = Field(default=64, ge=1, description="images a step, of all processes together")
    gradient_accumulation: int = Field(
        default=1,
        ge=1,
        description="parts in which a step's batch passes the network, one after the other: less memory, the same step",
    )
    learning_rate: float = Field(default=1e-3, gt=0, lt=1)
    warmup_updates: int = Field(default=50, ge=0, description="steps over which the rate rises from 0")
    rate_decay: Literal["constant", "cosine"] = "cosine"
    gradient_clip: float = Field(default=1.0, gt=0, description="largest norm of the gradient")
    ema_decay: float = Field(default=0.995, ge=0, lt=1)
    precision: Literal["fp32", "bf16"] = "fp32"
    compile: bool = Field(
        default=False, description="whether torch.compile makes the network faster, after a slow first step"
    )
    validate_every: int = Field(default=250, ge=1, description="steps between losses on held-out normals")
    patience: int | None = Field(
        default=None,
        ge=1,
        description="validations in a row without a new best after which training stops; the best is then kept",
    )
    condition_dropout: float = Field(
        default=0.1, ge=0, lt=1, description="share of the images whose label a conditional training hides"
    )
    checkpoint_every: int = Field(default=500, ge=1, description="steps between checkpoints")
    checkpoints_kept: int = Field(default=2, ge=1)
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _parts_are_equal(self) -> Self:
        if self.batch_size % self.gradient_accumulation:
            raise ValueError(
                f"gradient_accumulation: got {self.gradient_accumulation}, expected a divisor of batch_size = {self.batch_size}"
            )
        return self

    @model_serializer(mode="wrap")
    def _leave_out_unused_later_settings(self, serialise: Callable[[Self], dict]) -> dict:
        """A run that uses no later setting is written as before there was one: it is still the same run."""
        return {
            name: value
            for name, value in serialise(self).items()
            if name not in LATER_SETTINGS or value != LATER_SETTINGS[name]
        }

    def for_data(self, num_items: int) -> "TrainingConfig":
        """This configuration with a batch of at most `num_items`; for defaults that meet data of any size."""
        if self.batch_size <= num_items:
            return self
        parts = math.gcd(self.gradient_accumulation, num_items)
        return self.model_copy(update={"batch_size": num_items, "gradient_accumulation": parts})

    def learning_rate_at(self, update: int) -> float:
        """The rate of update 0, 1, ...: a linear warm-up, then constant or half a cosine down to 0."""
        if update < self.warmup_updates:
            return self.learning_rate * (update + 1) / (self.warmup_updates + 1)
        if self.rate_decay == "constant":
            return self.learning_rate
        progress = (update - self.warmup_updates) / max(1, self.num_updates - self.warmup_updates)
        return self.learning_rate * (1 + math.cos(math.pi * progress)) / 2
