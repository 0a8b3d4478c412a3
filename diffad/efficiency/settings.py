"""What is measured: the methods, the sizes, and where measuring stops.

Two axes are walked, one at a time: pixels (images of rising side, equally many rows) and rows (one side). A cell is
one method at one point of one axis; it is measured in several rounds, so that whatever else the machine does meets
all methods alike.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, model_validator

from diffad.baselines import BASELINES

Axis = Literal["pixels", "rows"]
Phase = Literal["training", "scoring"]

# Method -> (which network, network evaluations an image, phases that are its own). The DDPM scores ask one and the
# same U-Net, so its training is measured once, with the first of them.
NETWORK_METHODS: dict[str, tuple[str, int, tuple[Phase, ...]]] = {
    "one_step": ("unet", 1, ("training", "scoring")),
    "denoiser_profile": ("unet", 10, ("scoring",)),
    "partial_diffusion": ("unet", 10, ("scoring",)),
    "partial_diffusion_250": ("unet", 250, ("scoring",)),
    "dit": ("dit", 1, ("training", "scoring")),
}
LONG_WALK = 100  # evaluations an image from which a sixteenth of the images is scored at a time


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Cell(_Model):
    """One method at one point: what one process measures in one round."""

    method: str
    axis: Axis
    side: int
    rows: int
    phases: tuple[Phase, ...]

    @property
    def size(self) -> int:
        """The place on its axis: the side in pixels, or the rows."""
        return self.side if self.axis == "pixels" else self.rows


class Measurement(_Model):
    """One phase of one cell in one round.

    Attributes:
        images: images that the seconds are for: rows that a baseline was fitted on, images that a network saw in its
            updates, or images scored.
        calls: how often the phase was repeated until the clock could tell; seconds are those of one call.
        peak_bytes: peak of resident memory above what the imports take, the images themselves included; None where
            the system does not tell.
        device_bytes: peak of an accelerator's memory; None on a CPU.
        stopped: why there are no numbers; None where there are.
    """

    method: str
    axis: Axis
    side: int
    rows: int
    phase: Phase
    round: int = Field(ge=0)
    images: int = Field(default=0, ge=0)
    calls: int = Field(default=0, ge=0)
    cpu_seconds: FiniteFloat | None = None
    wall_seconds: FiniteFloat | None = None
    peak_bytes: int | None = None
    device_bytes: int | None = None
    stopped: str | None = None

    @property
    def size(self) -> int:
        """As `Cell.size`."""
        return self.side if self.axis == "pixels" else self.rows


class EfficiencySettings(_Model):
    """The grid, the caps and the networks. Unknown keys and impossible values are refused with the field's name."""

    methods: tuple[str, ...] = Field(default=(*NETWORK_METHODS, *BASELINES), min_length=1)
    sides: tuple[int, ...] = Field(
        default=(8, 16, 32, 64, 128, 256), min_length=1, description="pixels a side"
    )
    rows_at_each_side: int = Field(default=500, ge=64)
    rows: tuple[int, ...] = Field(default=(250, 500, 1000, 2000, 4000, 8000, 16000), description="rising")
    side_for_rows: int = Field(default=16, ge=8)
    channels: Literal[1, 3] = 1
    scored_images: int = Field(default=100, ge=1, description="images that a baseline scores in one call")
    rounds: int = Field(default=3, ge=1)
    cap_seconds: int = Field(
        default=20, ge=1, description="of the processor (CPU) or the wall (GPU), for one call"
    )
    cap_bytes: int = Field(default=6_000_000_000, ge=1_000_000, description="of memory above the imports")
    images_seen: int = Field(
        default=25_600, ge=1, description="the training budget that a network's seconds are stated for"
    )
    updates: int = Field(default=4, ge=1, description="training steps that are timed")
    pixels_at_once: int = Field(default=2**16, ge=64, description="most pixels in a network's batch")
    images_at_once: int = Field(default=64, ge=1, description="most images in a network's batch")
    unet: dict[str, Any] = Field(default={"size": "small"})
    dit: dict[str, Any] = Field(default={"size": "mini", "patch": 4})
    device: Literal["cpu", "cuda"] = "cpu"
    seed: int = Field(default=0, ge=0)

    @model_validator(mode="after")
    def _can_be_measured(self) -> "EfficiencySettings":
        known = [*NETWORK_METHODS, *(BASELINES if self.device == "cpu" else ())]
        if unknown := [name for name in self.methods if name not in known]:
            raise ValueError(
                f"methods: got {unknown[0]!r} on {self.device}, expected some of {', '.join(known)}"
            )
        for name, values in (("sides", self.sides), ("rows", self.rows)):
            if any(after <= before for before, after in zip(values, values[1:], strict=False)):
                raise ValueError(f"{name}: got {list(values)}, expected rising numbers, each once")
        if any(value < 64 for value in self.rows):
            raise ValueError(f"rows: got {min(self.rows)}, expected at least 64, a network's batch")
        if any(side < 8 or side % 8 for side in (*self.sides, self.side_for_rows)):
            raise ValueError(f"sides: got {list(self.sides)}, expected multiples of 8")
        return self

    def batch(self, side: int, evaluations: int = 1) -> int:
        """Images in a network's batch: as many as `pixels_at_once` and `images_at_once` allow, at least one."""
        share = 4 if evaluations >= LONG_WALK else 1
        return max(1, min(self.images_at_once // share, self.pixels_at_once // share // side**2))

    def cells(self) -> list[Cell]:
        """Every cell, the smallest size of an axis first, all methods at it before the next."""
        return [
            Cell(method=method, axis=axis, side=side, rows=rows, phases=phases)
            for axis, points in (
                ("pixels", [(side, self.rows_at_each_side) for side in self.sides]),
                ("rows", [(self.side_for_rows, rows) for rows in self.rows]),
            )
            for side, rows in points
            for method in self.methods
            for phases in _processes_of(method, axis)
        ]


def _processes_of(method: str, axis: Axis) -> list[tuple[Phase, ...]]:
    """Phases that share a process. A baseline scores with what it has just learned; a network can be asked untrained."""
    if method not in NETWORK_METHODS:
        return [("training", "scoring")]
    own = NETWORK_METHODS[method][2]
    # What scoring by a network costs cannot depend on the rows that it was trained on.
    return [(phase,) for phase in own if axis == "pixels" or phase == "training"]
