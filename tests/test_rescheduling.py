"""A network under another schedule: the oracle, asked this way, must answer as the other schedule's own
oracle.
"""

import torch
from closed_form import gaussian_model, generator, make_process

from diffad.model import DiffusionModel
from diffad.objectives import estimate_variational_bound, gaussian_log_likelihood
from diffad.rescheduling import RescheduledNetwork, matching_times
from diffad.schedules import make_schedule


def test_its_own_schedule_changes_nothing():
    for name in ("linear", "cosine", "zero_terminal"):
        schedule = make_schedule(name, 100)
        times = matching_times(schedule, schedule)
        assert times[1:].tolist() == list(range(1, 101)) and times[0] == 1


def test_matched_levels_have_nearly_the_same_noise():
    trained, asked = make_schedule("cosine", 1000), make_schedule("linear", 1000)
    matched = trained.log_snr[matching_times(trained, asked)]
    inside = slice(1, 1000)
    assert (
        matched[inside] - asked.log_snr[inside]
    ).abs().max() < 0.7  # at most half a step of the trained schedule
    assert (matched[50:700] - asked.log_snr[50:700]).abs().max() < 0.02


def test_a_rescheduled_oracle_is_the_other_schedules_oracle():
    trained, asked = make_process("cosine", 1000), make_process("linear", 1000)
    oracle, _ = gaussian_model(trained)
    exact, model = gaussian_model(asked)
    rescheduled = DiffusionModel(RescheduledNetwork(oracle, trained, asked), asked)
    x_t = torch.randn(50, 3, generator=generator(), dtype=torch.float64)
    t = torch.arange(50, 1000, 19)
    torch.testing.assert_close(rescheduled.predict(x_t, t), exact(x_t, t), rtol=0, atol=0.02)
    x_0 = exact.sample(500, generator())
    bounds = [
        estimate_variational_bound(m, x_0, generator(1), likelihood=gaussian_log_likelihood).total.mean()
        for m in (model, rescheduled)
    ]
    torch.testing.assert_close(bounds[0], bounds[1], rtol=0.01, atol=0)
