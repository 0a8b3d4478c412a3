"""Typical wrong answers to the exercise `standardise`: its tests must reject each of them."""

import numpy as np


def each_part_by_itself(train, test):
    def own(rows):
        spread = rows.std(axis=0)
        return (rows - rows.mean(axis=0)) / np.where(spread == 0, 1.0, spread)

    return own(train), own(test)


def tested_rows_leak_into_the_mean(train, test):
    both = np.vstack([train, test])
    spread = np.where(both.std(axis=0) == 0, 1.0, both.std(axis=0))
    return (train - both.mean(axis=0)) / spread, (test - both.mean(axis=0)) / spread


def variance_for_standard_deviation(train, test):
    spread = np.where(train.var(axis=0) == 0, 1.0, train.var(axis=0))
    return (train - train.mean(axis=0)) / spread, (test - train.mean(axis=0)) / spread


def divided_by_zero(train, test):
    with np.errstate(all="ignore"):
        mean, spread = train.mean(axis=0), train.std(axis=0)
        return (train - mean) / spread, (test - mean) / spread
