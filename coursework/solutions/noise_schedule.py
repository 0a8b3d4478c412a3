"""Solutions to the exercises of the chapter on the noise schedule; their examples are run by the tests."""

import numpy as np


def cosine_share(log_snr: float) -> float:
    """The share of the way at which the plain cosine schedule, alpha_bar = cos(pi u / 2)^2, has this log-SNR.

    >>> [round(cosine_share(log_snr), 2) for log_snr in (4.0, 0.0, -4.0)]
    [0.09, 0.5, 0.91]
    """
    # SNR = cos^2 / sin^2 = 1 / tan(pi u / 2)^2, solved for u.
    return float(2 / np.pi * np.arctan(np.exp(-log_snr / 2)))


def matching_times(log_snr: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """The times at which a schedule comes nearest to the wanted log-SNRs.

    Args:
        log_snr: of the schedule at t = 0..T, (T + 1,), falling; `log_snr[0]` is infinite, as nothing is noised.
        wanted: finite log-SNRs, (k,), in any order.

    Returns:
        (k,), whole numbers in 1..T: the time whose log-SNR is nearest, the earlier one of two equally near.
    """
    distance = np.abs(log_snr[None, 1:] - wanted[:, None])
    return 1 + distance.argmin(axis=1)


def share_of_training(schedule: str, low: float, high: float) -> float:
    """The share of a training's draws of t that fall between two log-SNRs, for T = 1000.

    >>> [round(share_of_training(name, 0, 4), 2) for name in ("linear", "cosine", "log-linear")]
    [0.22, 0.41, 0.2]
    >>> [round(share_of_training(name, -30, -4), 2) for name in ("linear", "cosine", "log-linear")]  # noise already
    [0.37, 0.09, 0.3]
    """
    u = np.arange(1, 1001) / 1000
    if schedule == "linear":
        alpha_bar = np.cumprod(1 - np.linspace(1e-4, 0.02, 1000))
    elif schedule == "cosine":
        alpha_bar = np.cos(np.pi / 2 * np.minimum(u, 0.9999)) ** 2
    else:
        alpha_bar = 1 / (1 + np.exp(-(10 - 20 * u)))
    log_snr = np.log(alpha_bar / (1 - alpha_bar))
    return float(((low <= log_snr) & (log_snr < high)).mean())
