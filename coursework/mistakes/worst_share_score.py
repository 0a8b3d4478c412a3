"""Typical wrong answers to the exercise `worst_share_score`: its tests must reject each of them."""

import numpy as np


def line_drawn_over_all_images(maps, share):
    line = np.quantile(maps, 1 - share)
    return np.array([each[each >= line].mean() if (each >= line).any() else 0.0 for each in maps])


def best_pixels_taken(maps, share):
    pixels = np.sort(maps.reshape(len(maps), -1), axis=1)
    return pixels[:, : max(1, round(share * pixels.shape[1]))].mean(axis=1)


def quantile_for_the_mean_above_it(maps, share):
    return np.quantile(maps.reshape(len(maps), -1), 1 - share, axis=1)


def divided_by_all_pixels(maps, share):
    pixels = np.sort(maps.reshape(len(maps), -1), axis=1)
    num_worst = max(1, round(share * pixels.shape[1]))
    return pixels[:, -num_worst:].sum(axis=1) / pixels.shape[1]
