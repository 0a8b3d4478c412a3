"""Typical wrong answers to the exercise `matching_times`: its tests must reject each of them."""

import numpy as np


def off_by_one(log_snr, wanted):
    return np.abs(log_snr[None, 1:] - wanted[:, None]).argmin(axis=1)


def nearest_in_the_ratio_itself(log_snr, wanted):
    distance = np.abs(np.exp(log_snr[None, 1:]) - np.exp(wanted[:, None]))
    return 1 + distance.argmin(axis=1)


def first_that_is_noisier(log_snr, wanted):
    reached = log_snr[None, 1:] <= wanted[:, None]
    return np.where(reached.any(axis=1), 1 + reached.argmax(axis=1), len(log_snr) - 1)


def searched_as_if_it_rose(log_snr, wanted):
    return np.clip(np.searchsorted(log_snr, wanted), 1, len(log_snr) - 1)
