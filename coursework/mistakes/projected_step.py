"""Typical wrong answers to the exercise `projected_step`: its tests must reject each of them."""

import numpy as np


def sign_forgotten(pixels, originals, gradient, size, epsilon):
    moved = pixels + size * gradient
    return np.clip(np.clip(moved, originals - epsilon, originals + epsilon), 0, 255)


def ball_moves_along(pixels, originals, gradient, size, epsilon):
    moved = pixels + size * np.sign(gradient)
    return np.clip(np.clip(moved, pixels - epsilon, pixels + epsilon), 0, 255)


def range_of_pixels_forgotten(pixels, originals, gradient, size, epsilon):
    return np.clip(pixels + size * np.sign(gradient), originals - epsilon, originals + epsilon)


def ball_forgotten(pixels, originals, gradient, size, epsilon):
    return np.clip(pixels + size * np.sign(gradient), 0, 255)


def downhill(pixels, originals, gradient, size, epsilon):
    moved = pixels - size * np.sign(gradient)
    return np.clip(np.clip(moved, originals - epsilon, originals + epsilon), 0, 255)
