"""Typical wrong answers to the exercise `gaussian_kl`: its tests must reject each of them."""

import numpy as np


def half_forgotten(mean_1, variance_1, mean_2, variance_2):
    ratio = variance_1 / variance_2
    return ratio - 1 - np.log(ratio) + (mean_1 - mean_2) ** 2 / variance_2


def the_other_way_round(mean_1, variance_1, mean_2, variance_2):
    ratio = variance_2 / variance_1
    return 0.5 * (ratio - 1 - np.log(ratio) + (mean_1 - mean_2) ** 2 / variance_1)


def standard_deviation_taken_for_variance(mean_1, variance_1, mean_2, variance_2):
    ratio = (variance_1 / variance_2) ** 2
    return 0.5 * (ratio - 1 - np.log(ratio) + (mean_1 - mean_2) ** 2 / variance_2**2)


def sign_of_the_logarithm_flipped(mean_1, variance_1, mean_2, variance_2):
    ratio = variance_1 / variance_2
    return 0.5 * (ratio - 1 + np.log(ratio) + (mean_1 - mean_2) ** 2 / variance_2)
