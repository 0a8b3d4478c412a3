"""Plasma fractals by the diamond-square algorithm: the fog of MNIST-C."""

import numpy as np


def plasma_fractal(side: int, decay: float, rng: np.random.Generator) -> np.ndarray:
    """Return a height map of cloudy noise, wrapped around at the borders.

    Starting from one corner, the centres of the squares and then the corners between them are set to the mean
    of their four neighbours plus a uniform random displacement; the grid is halved until each cell is set
    (Fournier, Fussell & Carpenter 1982, "Computer rendering of stochastic models").

    Args:
        side: pixels a side, a power of two.
        decay: the displacement shrinks by decay^2 at each halving; a smaller number is rougher.
        rng: source of the displacements.

    Returns:
        float64 (side, side), scaled to span exactly [0, 1].

    Raises:
        ValueError: `side` is not a power of two of at least 2.
    """
    if side < 2 or side & (side - 1):
        raise ValueError(f"side must be a power of two of at least 2, got {side}")
    heights = np.zeros((side, side))
    step, amplitude = side, 1.0
    while step >= 2:
        half = step // 2

        def displaced(neighbour_sum: np.ndarray, amplitude: float = amplitude) -> np.ndarray:
            return neighbour_sum / 4.0 + rng.uniform(-amplitude, amplitude, neighbour_sum.shape)

        corners = heights[::step, ::step]
        along_rows = corners + np.roll(corners, -1, axis=0)
        heights[half::step, half::step] = displaced(along_rows + np.roll(along_rows, -1, axis=1))
        centres = heights[half::step, half::step]
        along_columns = corners + np.roll(corners, -1, axis=1)
        heights[::step, half::step] = displaced(along_columns + centres + np.roll(centres, 1, axis=0))
        heights[half::step, ::step] = displaced(along_rows + centres + np.roll(centres, 1, axis=1))
        step, amplitude = half, amplitude / decay**2
    heights -= heights.min()
    return heights / heights.max()
