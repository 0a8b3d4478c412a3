"""Solutions to the exercises of the chapter on bugs in the wild; their examples are run by the tests."""

import numpy as np


def cross_entropy(logits: np.ndarray, targets: np.ndarray) -> float:
    """The mean of -log p(target), with p the softmax of the logits.

    Args:
        logits: (n, classes), any finite numbers, also large ones.
        targets: (n,), the right class of each row.
    """
    shifted = logits - logits.max(axis=1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return float(-log_p[np.arange(len(targets)), targets].mean())


def softmax_floor(num_classes: int) -> float:
    """The least loss that a network can reach whose probabilities are fed to a loss that takes their softmax again.

    >>> round(softmax_floor(7), 2), round(float(np.log(7)), 2)  # and what guessing would cost
    (1.17, 1.95)
    """
    # The best that it can say is probability 1 for the right class and 0 for the others.
    return float(np.log(np.e + num_classes - 1) - 1)


def tail_scores(rows: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """A score of the kind of ECOD: how far out in its own tail each feature lies, among reference rows, summed.

    >>> rng = np.random.default_rng(0)
    >>> train, tested = rng.standard_normal((200, 3)), rng.standard_normal((5, 3))
    >>> alone = np.array([tail_scores(row[None], np.vstack([train, row[None]]))[0] for row in tested])
    >>> bool(np.allclose(tail_scores(tested, np.vstack([train, tested])), alone))  # ranked with its batch
    False
    >>> alone = np.array([tail_scores(row[None], train)[0] for row in tested])
    >>> bool(np.allclose(tail_scores(tested, train), alone))  # ranked among the training rows only
    True
    """
    lower = (reference[None, :, :] <= rows[:, None, :]).mean(axis=1)
    upper = (reference[None, :, :] >= rows[:, None, :]).mean(axis=1)
    rarest = np.maximum(np.minimum(lower, upper), 1 / len(reference))
    return -np.log(rarest).sum(axis=1)
