"""Typical wrong answers to the exercise `permutation_share`: its tests must reject each of them."""

import numpy as np


def _error(predict, settings, results):
    return np.mean((results - predict(settings)) ** 2)


def half_forgotten(predict, settings, results, column, order):
    shuffled = settings.copy()
    shuffled[:, column] = settings[order, column]
    rise = _error(predict, shuffled, results) - _error(predict, settings, results)
    return float(rise / results.var())


def error_in_place_of_its_rise(predict, settings, results, column, order):
    shuffled = settings.copy()
    shuffled[:, column] = settings[order, column]
    return float(_error(predict, shuffled, results) / (2 * results.var()))


def whole_rows_shuffled(predict, settings, results, column, order):
    rise = _error(predict, settings[order], results) - _error(predict, settings, results)
    return float(rise / (2 * results.var()))


def shuffled_in_place(predict, settings, results, column, order):
    before = _error(predict, settings, results)
    settings[:, column] = settings[order, column]
    return float((_error(predict, settings, results) - before) / (2 * results.var()))


def divided_by_the_standard_deviation(predict, settings, results, column, order):
    shuffled = settings.copy()
    shuffled[:, column] = settings[order, column]
    rise = _error(predict, shuffled, results) - _error(predict, settings, results)
    return float(rise / (2 * results.std()))
