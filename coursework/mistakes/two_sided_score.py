"""Typical wrong answers to the exercise `two_sided_score`: its tests must reject each of them."""

import numpy as np


def one_sided(normal_errors, errors):
    logs = np.log(normal_errors)
    return ((np.log(errors) - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)).max(axis=1)


def logarithm_forgotten(normal_errors, errors):
    z = (errors - normal_errors.mean(axis=0)) / normal_errors.std(axis=0, ddof=1)
    return np.abs(z).max(axis=1)


def calibrated_on_what_is_tested(normal_errors, errors):
    logs = np.log(np.vstack([normal_errors, errors]))
    z = (np.log(errors) - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)
    return np.abs(z).max(axis=1)


def variance_for_standard_deviation(normal_errors, errors):
    logs = np.log(normal_errors)
    return np.abs((np.log(errors) - logs.mean(axis=0)) / logs.var(axis=0, ddof=1)).max(axis=1)


def levels_averaged(normal_errors, errors):
    logs = np.log(normal_errors)
    return np.abs((np.log(errors) - logs.mean(axis=0)) / logs.std(axis=0, ddof=1)).mean(axis=1)
