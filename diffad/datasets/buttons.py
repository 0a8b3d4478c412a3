"""Pictures of shirt buttons, drawn from a seed: good ones, and ones with a known defect.

A set that needs no download, for the tutorial on one's own images and for tests: buttons of four holes lie on
cloth, each a little turned, moved, coloured and lit in its own way. That variety is normal. A defect is a hole
too few, a crack, a chipped rim or a stain.
"""

from pathlib import Path

import numpy as np
from PIL import Image

from diffad.datasets.drawing import generator
from diffad.storage import publish_folder

DEFECTS = ("missing_hole", "crack", "chipped_rim", "stain")
SIDE = 64  # pixels a side of a picture
SOFT = 0.02  # half the width over which an edge fades, so that it has no steps; the picture is 2 wide
BUTTON_RADIUS, RIM, HOLE_RADIUS, HOLE_DISTANCE = 0.72, 0.13, 0.095, 0.25


def draw_button(rng: np.random.Generator, defect: str | None = None, side: int = SIDE) -> np.ndarray:
    """One picture of a button on cloth: uint8 (side, side, 3).

    Args:
        rng: draws the button's turn, place, size and colour, the light, the grain and the cloth; the defect last.
        defect: of `DEFECTS`; None for a good button.
        side: pixels a side, 16 or more.

    Raises:
        ValueError: another defect, or a smaller side.
    """
    if defect is not None and defect not in DEFECTS:
        raise ValueError(f"defect: got {defect!r}, expected None or one of {', '.join(DEFECTS)}")
    if side < 16:
        raise ValueError(f"side: got {side}, expected 16 pixels or more")
    rows, columns = (2 * (np.mgrid[:side, :side] + 0.5) / side) - 1  # (2, side, side) in -1..1
    turn, size = rng.uniform(0, np.pi / 2), rng.uniform(0.94, 1.04)
    x, y = _turned(columns - rng.uniform(-0.07, 0.07), rows - rng.uniform(-0.07, 0.07), turn, size)
    colour = np.array([0.84, 0.80, 0.70]) * rng.uniform(0.9, 1.05) + rng.normal(0, 0.015, 3)
    light = rng.uniform(0.92, 1.06) + 0.06 * rng.uniform(-1, 1) * columns
    grain = rng.normal(0, 0.012, (side, side, 3))
    picture, button = _cloth(rng, rows, columns), _inside(BUTTON_RADIUS - np.hypot(x, y))
    shade = _relief(x, y, turn + rng.normal(0, 0.15))
    if defect == "chipped_rim":
        angle = rng.uniform(0, 2 * np.pi)
        button = button * _inside(np.hypot(x - 0.8 * np.cos(angle), y - 0.8 * np.sin(angle)) - 0.27)
    shade = shade * (1 - 0.85 * _holes(x, y, left_out=rng.integers(4) if defect == "missing_hole" else None))
    if defect == "crack":
        shade = shade * (1 - 0.75 * _crack(rng, x, y))
    surface = shade[..., None] * colour
    if defect == "stain":
        surface = surface * (1 - _stain(rng, x, y)[..., None] * np.array([0.35, 0.6, 0.75]))
    picture = picture * (1 - button[..., None]) + surface * button[..., None]
    return np.clip(np.rint(255 * (picture * light[..., None] + grain)), 0, 255).astype(np.uint8)


def write_buttons(folder: Path | str, num_normal: int = 400, num_new: int = 24, seed: int = 0) -> Path:
    """Write PNG pictures: `folder/normal` to train on, and `folder/new`, of which a third is defective.

    The names in `new` tell the truth: `good_00.png`, `crack_01.png`. No detector looks at names.

    Args:
        folder: replaced if it is there.
        num_normal: good buttons to train on, 1 or more.
        num_new: pictures in `new`, 3 or more; every third is defective, the defects in turn.
        seed: of every draw; 0 or more.

    Raises:
        ValueError: too few pictures, or another seed.
    """
    if num_normal < 1 or num_new < 3:
        raise ValueError(
            f"num_normal, num_new: got {num_normal} and {num_new}, expected at least 1 and at least 3"
        )
    rng = generator(seed)
    with publish_folder(Path(folder)) as partial:
        for part in ("normal", "new"):
            (partial / part).mkdir()
        for index in range(num_normal):
            Image.fromarray(draw_button(rng)).save(partial / "normal" / f"{index:04d}.png")
        for index in range(num_new):
            defect = DEFECTS[index // 3 % len(DEFECTS)] if index % 3 == 2 else None
            name = f"{defect or 'good'}_{index:02d}.png"
            Image.fromarray(draw_button(rng, defect)).save(partial / "new" / name)
    return Path(folder)


def _turned(x: np.ndarray, y: np.ndarray, angle: float, size: float) -> tuple[np.ndarray, np.ndarray]:
    """Coordinates in the button's own frame."""
    cos, sin = np.cos(angle) / size, np.sin(angle) / size
    return cos * x + sin * y, cos * y - sin * x


def _inside(distance: np.ndarray) -> np.ndarray:
    """1 where a distance to an edge is positive, 0 where it is negative, and a soft step between."""
    return np.clip(0.5 + distance / (2 * SOFT), 0, 1)


def _cloth(rng: np.random.Generator, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """Blue twill: diagonal ribs; (side, side, 3) in 0..1."""
    ribs = 0.5 + 0.5 * np.sin(2 * np.pi * (4 * (rows + columns) + rng.uniform()))
    return (0.8 + 0.2 * ribs)[..., None] * np.array([0.22, 0.32, 0.48]) * rng.uniform(0.9, 1.1)


def _relief(x: np.ndarray, y: np.ndarray, turn: float) -> np.ndarray:
    """Brightness of a turned button without holes, lit from the upper left of the picture, whatever its turn."""
    radius = np.hypot(x, y)
    towards_light = -np.cos(np.arctan2(y, x) + turn - np.pi / 4) * np.minimum(radius / BUTTON_RADIUS, 1)
    ring = np.exp(-(((radius - (BUTTON_RADIUS - RIM)) / 0.035) ** 2))
    return 0.92 + 0.10 * towards_light - 0.22 * ring


def _holes(x: np.ndarray, y: np.ndarray, left_out: int | None) -> np.ndarray:
    """1 in the holes: four on the diagonals of the button's frame, less the one that is left out."""
    places = [(-1, -1), (-1, 1), (1, -1), (1, 1)]
    distance = HOLE_DISTANCE / np.sqrt(2)
    holes = [
        _inside(HOLE_RADIUS - np.hypot(x - distance * right, y - distance * down))
        for number, (right, down) in enumerate(places)
        if number != left_out
    ]
    return np.maximum.reduce(holes)


def _crack(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """1 on a jagged line across one side of the button."""
    u, v = _turned(x, y, rng.uniform(0, 2 * np.pi), 1)
    corners = np.linspace(-0.9, 0.9, 7)
    line = np.interp(u, corners, 0.42 + rng.uniform(-0.09, 0.09, len(corners)))
    return _inside(0.028 - np.abs(v - line))


def _stain(rng: np.random.Generator, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """0..1: how much a soft, uneven spot covers."""
    angle, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.25, 0.5)
    u, v = x - distance * np.cos(angle), y - distance * np.sin(angle)
    edge = 0.19 + 0.04 * np.cos(3 * np.arctan2(v, u) + rng.uniform(0, 2 * np.pi))
    return np.clip((edge - np.hypot(u, v)) / 0.08, 0, 1)
