"""Typical wrong answers to the exercise `tally`: its tests must reject each of them."""

import numpy as np


def _counted(mean, reach):
    won, lost = int((mean - reach > 0).sum()), int((mean + reach < 0).sum())
    return won, len(mean) - won - lost, lost


def root_of_the_number_forgotten(differences, quantile):
    return _counted(differences.mean(axis=1), quantile * differences.std(axis=1, ddof=1))


def deviation_of_a_population(differences, quantile):
    splits = differences.shape[1]
    return _counted(differences.mean(axis=1), quantile * differences.std(axis=1) / np.sqrt(splits))


def every_mean_counts(differences, quantile):
    return _counted(differences.mean(axis=1), 0.0)


def one_spread_for_all_files(differences, quantile):
    splits = differences.shape[1]
    return _counted(differences.mean(axis=1), quantile * differences.std(ddof=1) / np.sqrt(splits))
