"""Typical wrong answers to the exercise `ddim_step`: its tests must reject each of them."""

import numpy as np


def levels_swapped(x_t, noise, t, s, alpha_bar):
    x_0 = (x_t - np.sqrt(1 - alpha_bar[s]) * noise) / np.sqrt(alpha_bar[s])
    return np.sqrt(alpha_bar[t]) * x_0 + np.sqrt(1 - alpha_bar[t]) * noise


def off_by_one_in_t(x_t, noise, t, s, alpha_bar):
    x_0 = (x_t - np.sqrt(1 - alpha_bar[t - 1]) * noise) / np.sqrt(alpha_bar[t - 1])
    return np.sqrt(alpha_bar[s]) * x_0 + np.sqrt(1 - alpha_bar[s]) * noise


def square_roots_forgotten(x_t, noise, t, s, alpha_bar):
    x_0 = (x_t - (1 - alpha_bar[t]) * noise) / alpha_bar[t]
    return alpha_bar[s] * x_0 + (1 - alpha_bar[s]) * noise


def sign_flipped(x_t, noise, t, s, alpha_bar):
    x_0 = (x_t - np.sqrt(1 - alpha_bar[t]) * noise) / np.sqrt(alpha_bar[t])
    return np.sqrt(alpha_bar[s]) * x_0 - np.sqrt(1 - alpha_bar[s]) * noise
