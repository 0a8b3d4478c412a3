"""Rows through a function in blocks of one shape, so that a row's rounding does not depend on its neighbours."""

from collections.abc import Callable

import numpy as np

BLOCK = 256  # rows at a time


def in_blocks(function: Callable[[np.ndarray], np.ndarray], rows: np.ndarray) -> np.ndarray:
    """`function` of rows (n, features), called with (BLOCK, features) each time, the last block padded: (n, ...)."""
    results = []
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        padded = np.concatenate([block, np.repeat(block[-1:], BLOCK - len(block), axis=0)])
        results.append(function(padded)[: len(block)])
    return np.concatenate(results)


def learned_arrays(step: object) -> dict[str, np.ndarray]:
    """What a scikit-learn transformer learned: its numbers and arrays, by the name that ends in an underscore."""
    return {name: np.array(value) for name, value in vars(step).items() if name.endswith("_")}


def take_up_arrays(step: object, arrays: dict[str, np.ndarray]) -> None:
    """Give an unfitted transformer what `learned_arrays` took from a fitted one."""
    for name, value in arrays.items():
        setattr(step, name, value.item() if value.ndim == 0 else value)


def part(arrays: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    """Those of `arrays` whose names start with `prefix`, without it."""
    return {name.removeprefix(prefix): value for name, value in arrays.items() if name.startswith(prefix)}
