"""Typical wrong answers to the exercise `auroc`: its tests must reject each of them."""

import numpy as np


def sign_flipped(normal_scores, anomaly_scores):
    difference = normal_scores[:, None] - anomaly_scores[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))


def ties_are_wins(normal_scores, anomaly_scores):
    return float(np.mean(anomaly_scores[:, None] >= normal_scores[None, :]))


def ties_are_losses(normal_scores, anomaly_scores):
    return float(np.mean(anomaly_scores[:, None] > normal_scores[None, :]))


def folded_to_be_at_least_one_half(normal_scores, anomaly_scores):
    difference = anomaly_scores[:, None] - normal_scores[None, :]
    area = float(np.mean((difference > 0) + 0.5 * (difference == 0)))
    return max(area, 1 - area)
