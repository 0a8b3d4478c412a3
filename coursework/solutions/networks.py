"""Solutions to the exercises of the chapter on the two denoisers; their examples are run by the tests."""

import numpy as np


def patchify(images: np.ndarray, patch: int) -> np.ndarray:
    """Cut images into square patches, the tokens of a transformer.

    Args:
        images: (n, channels, height, width); height and width are multiples of `patch`.
        patch: pixels a side of a patch.

    Returns:
        (n, tokens, channels * patch * patch): tokens row by row from the upper left, in each token the first
        channel's pixels row by row, then the next channel's.
    """
    n, channels, height, width = images.shape
    cut = images.reshape(n, channels, height // patch, patch, width // patch, patch)
    cut = cut.transpose(0, 2, 4, 1, 3, 5)  # (n, rows, columns, channels, patch, patch)
    return cut.reshape(n, -1, channels * patch * patch)


def attention_cost(side: int, patch: int, width: int = 192) -> int:
    """Multiplications of one attention matrix, queries times keys, for a square image.

    >>> attention_cost(32, 4) // attention_cost(32, 8)  # half the patch: four times the tokens, each asks each
    16
    >>> attention_cost(256, 4) // attention_cost(32, 4)
    4096
    """
    tokens = (side // patch) ** 2
    return tokens**2 * width


def embedding_similarity(t: float, other: float, width: int = 128) -> float:
    """The cosine of the angle between the sinusoidal embeddings of two times.

    >>> [round(embedding_similarity(500, other), 2) for other in (500, 501, 510, 600)]
    [1.0, 0.97, 0.67, 0.48]
    >>> [round(embedding_similarity(5, other), 2) for other in (5, 6, 15, 105)]  # only the difference counts
    [1.0, 0.97, 0.67, 0.48]
    """
    frequencies = np.exp(-np.log(10_000) * np.arange(width // 2) / (width // 2))
    one, two = (np.concatenate([np.sin(u * frequencies), np.cos(u * frequencies)]) for u in (t, other))
    return float(one @ two / (np.linalg.norm(one) * np.linalg.norm(two)))
