"""Typical wrong answers to the exercise `sample_forward`: its tests must reject each of them."""

import numpy as np


def square_roots_forgotten(x_0, t, noise, beta):
    alpha_bar = np.prod(1 - beta[:t])
    return alpha_bar * x_0 + (1 - alpha_bar) * noise


def one_step_too_few(x_0, t, noise, beta):
    alpha_bar = np.prod(1 - beta[1:t])
    return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise


def variance_for_standard_deviation(x_0, t, noise, beta):
    alpha_bar = np.prod(1 - beta[:t])
    return np.sqrt(alpha_bar) * x_0 + (1 - alpha_bar) * noise


def one_step_too_many(x_0, t, noise, beta):
    alpha_bar = np.prod(1 - beta[: t + 1])
    return np.sqrt(alpha_bar) * x_0 + np.sqrt(1 - alpha_bar) * noise
