"""What a diffusion model is trained to minimise, and the bound that this stands for.

losses.py    L_simple, x0- and v-loss, their weightings, L_hybrid
bound.py     every term of the variational lower bound: L_T, L_{t-1}, L_0
times.py     which t a training batch sees: uniform, low-discrepancy, by importance
"""

from diffad.objectives.bound import (
    VariationalBound,
    bits_per_dim,
    discretised_log_likelihood,
    estimate_variational_bound,
    gaussian_kl,
    gaussian_log_likelihood,
    prior_term,
    step_term,
    variational_bound,
    vlb_terms,
)
from diffad.objectives.losses import (
    WEIGHTINGS,
    l_hybrid,
    l_simple,
    min_snr_weight,
    p2_weight,
    simple_weight,
    snr_plus_one_weight,
    truncated_snr_weight,
    v_loss,
    weighted_loss,
    x0_loss,
)
from diffad.objectives.times import ImportanceTimes, LowDiscrepancyTimes, UniformTimes

__all__ = [
    "ImportanceTimes",
    "LowDiscrepancyTimes",
    "UniformTimes",
    "VariationalBound",
    "WEIGHTINGS",
    "bits_per_dim",
    "discretised_log_likelihood",
    "estimate_variational_bound",
    "gaussian_kl",
    "gaussian_log_likelihood",
    "l_hybrid",
    "l_simple",
    "min_snr_weight",
    "p2_weight",
    "prior_term",
    "simple_weight",
    "snr_plus_one_weight",
    "step_term",
    "truncated_snr_weight",
    "v_loss",
    "variational_bound",
    "vlb_terms",
    "weighted_loss",
    "x0_loss",
]
