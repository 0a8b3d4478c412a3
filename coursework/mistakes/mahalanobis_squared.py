"""Typical wrong answers to the exercise `mahalanobis_squared`: its tests must reject each of them."""

import numpy as np


def _shrunk(train, shrinkage):
    covariance = np.cov(train, rowvar=False, ddof=0)
    target = np.trace(covariance) / len(covariance) * np.eye(len(covariance))
    return (1 - shrinkage) * covariance + shrinkage * target


def _distance(train, rows, matrix):
    centred = rows - train.mean(axis=0)
    return np.einsum("ij,jk,ik->i", centred, matrix, centred)


def covariance_not_inverted(train, rows, shrinkage):
    return _distance(train, rows, _shrunk(train, shrinkage))


def square_root_taken(train, rows, shrinkage):
    return np.sqrt(_distance(train, rows, np.linalg.inv(_shrunk(train, shrinkage))))


def centred_on_what_is_tested(train, rows, shrinkage):
    return _distance(rows, rows, np.linalg.inv(_shrunk(train, shrinkage)))


def shrinkage_forgotten(train, rows, shrinkage):
    return _distance(train, rows, np.linalg.pinv(_shrunk(train, 0.0)))


def correlations_forgotten(train, rows, shrinkage):
    return (((rows - train.mean(axis=0)) / train.std(axis=0)) ** 2).sum(axis=1)
