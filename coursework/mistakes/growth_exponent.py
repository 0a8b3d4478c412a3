"""Typical wrong answers to the exercise `growth_exponent`: its tests must reject each of them."""

import numpy as np


def all_sizes_fitted(numbers, costs):
    return float(np.polyfit(np.log(numbers), np.log(costs), deg=1)[0])


def logarithms_forgotten(numbers, costs):
    larger = slice(len(numbers) // 2, None)
    return float(np.polyfit(numbers[larger], costs[larger], deg=1)[0])


def sizes_predicted_from_costs(numbers, costs):
    larger = slice(len(numbers) // 2, None)
    return float(np.polyfit(np.log(costs[larger]), np.log(numbers[larger]), deg=1)[0])


def half_rounded_down(numbers, costs):
    larger = slice((len(numbers) + 1) // 2, None)
    return float(np.polyfit(np.log(numbers[larger]), np.log(costs[larger]), deg=1)[0])


def only_the_ends(numbers, costs):
    first = len(numbers) // 2
    return float(np.log(costs[-1] / costs[first]) / np.log(numbers[-1] / numbers[first]))
