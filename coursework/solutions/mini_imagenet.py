"""Solutions to the exercises of the chapter on Mini-ImageNet; their examples are run by the tests."""

import numpy as np


def times_as_many_images(half_width: float, margin: float) -> float:
    """How many times the test images it takes until an interval around zero lies within plus or minus the margin.

    >>> times_as_many_images(half_width=4.0, margin=2.0), times_as_many_images(half_width=3.0, margin=0.5)
    (4.0, 36.0)
    """
    # The width of an interval falls like one over the square root of the number of images.
    return (half_width / margin) ** 2


def equal_compute_updates(
    operations: int, batch_size: int, num_updates: int, other_operations: int, other_batch_size: int
) -> int:
    """The updates that another network can make with the operations of a given training.

    Args:
        operations, batch_size, num_updates: of the given training: operations for one image, forwards and
            backwards, images in an update, and updates. Positive whole numbers.
        other_operations, other_batch_size: the same of the other network.

    Returns:
        The largest number of updates that does not cost more.
    """
    budget = operations * batch_size * num_updates
    return budget // (other_operations * other_batch_size)


def worse_one_wins(gap: float, num_trainings: int, seed: int = 0) -> float:
    """How often the worse of two architectures has the better mean of so many trainings.

    The gap between them is in units of the standard deviation between trainings of one architecture.

    >>> [round(worse_one_wins(1.0, trainings), 2) for trainings in (1, 3, 10)]
    [0.24, 0.11, 0.01]
    >>> round(worse_one_wins(0.3, 10), 2)  # a third of the gap takes ten times the trainings
    0.25
    """
    rng = np.random.default_rng(seed)
    better, worse = rng.standard_normal((2, 100_000, num_trainings)).mean(axis=2)
    return float((worse > better + gap).mean())
