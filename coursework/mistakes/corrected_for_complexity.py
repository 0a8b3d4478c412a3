"""Typical wrong answers to the exercise `corrected_for_complexity`: its tests must reject each of them."""

import numpy as np


def line_fitted_to_what_is_tested(normal_errors, normal_bits, errors, bits):
    if len(errors) < 2:
        return np.zeros(len(errors))
    slope, intercept = np.polyfit(bits, errors, deg=1)
    return errors - (intercept + slope * bits)


def sign_flipped(normal_errors, normal_bits, errors, bits):
    slope, intercept = np.polyfit(normal_bits, normal_errors, deg=1)
    return intercept + slope * bits - errors


def error_divided_by_bits(normal_errors, normal_bits, errors, bits):
    return errors / bits


def bits_predicted_from_errors(normal_errors, normal_bits, errors, bits):
    slope, intercept = np.polyfit(normal_errors, normal_bits, deg=1)
    return bits - (intercept + slope * errors)
