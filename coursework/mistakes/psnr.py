"""Typical wrong answers to the exercise `psnr`: its tests must reject each of them."""

import numpy as np


def _squared(images, rebuilt):
    return ((images - rebuilt) ** 2).reshape(len(images), -1)


def range_of_one(images, rebuilt):
    return 10 * np.log10(1 / _squared(images, rebuilt).mean(axis=1))


def mean_over_all_images(images, rebuilt):
    return np.full(len(images), 10 * np.log10(4 / _squared(images, rebuilt).mean()))


def natural_logarithm(images, rebuilt):
    return 10 * np.log(4 / _squared(images, rebuilt).mean(axis=1))


def mean_absolute_error(images, rebuilt):
    return 20 * np.log10(2 / np.abs(images - rebuilt).reshape(len(images), -1).mean(axis=1))
