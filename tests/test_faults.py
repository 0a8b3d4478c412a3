"""Each published fault against the property it breaks: the right function passes the test, the faulty one
fails it.
"""

import math

import numpy as np
import pytest
import torch
from closed_form import FLOAT, gaussian_model, generator, make_process
from scipy.stats import norm
from torch.nn.functional import cross_entropy

from diffad import faults
from diffad.objectives import discretised_log_likelihood
from diffad.samplers import ancestral, langevin, partial_diffusion
from diffad.transfers import count_transfers

PROCESS = make_process("cosine", 20)


def normal(*shape, seed=0):
    return torch.randn(shape, generator=generator(seed), dtype=FLOAT)


def broken(function, *arguments):
    with pytest.raises(AssertionError):
        function(*arguments)


def adds_the_noise_of_its_level(sample):
    x_0, noise = normal(100, 2), normal(100, 2, seed=1)
    for t in range(1, 21):
        mean, variance = PROCESS.marginal(x_0, t)
        torch.testing.assert_close(sample(x_0, t, noise), mean + variance.sqrt() * noise)


def test_off_by_one_alpha_bar():
    adds_the_noise_of_its_level(PROCESS.sample)
    broken(adds_the_noise_of_its_level, lambda *a: faults.sample_off_by_one(PROCESS, *a))
    clean = normal(3, 2)
    assert torch.equal(faults.sample_off_by_one(PROCESS, clean, 1, normal(3, 2, seed=1)), clean)


def ends_without_fresh_noise(sampler):
    """Data that are one point: the reverse process must land on it."""
    _, model = gaussian_model(PROCESS, mean=(0.3,), variances=(1e-8,))
    x = sampler(model, normal(500, 1), generator(1))
    assert (x - 0.3).abs().max() < 1e-3


def test_noise_at_the_last_step():
    ends_without_fresh_noise(ancestral)
    broken(ends_without_fresh_noise, faults.ancestral_with_last_noise)


def reaches_zero_when_certain_and_right(loss):
    logits = torch.tensor([[100.0, 0, 0, 0], [0, 100.0, 0, 0]])
    assert loss(logits, torch.tensor([0, 1])) < 1e-6


def test_softmax_before_cross_entropy():
    reaches_zero_when_certain_and_right(cross_entropy)
    broken(reaches_zero_when_certain_and_right, faults.cross_entropy_of_softmax)
    certain = faults.cross_entropy_of_softmax(torch.tensor([[100.0, 0, 0, 0]]), torch.tensor([0]))
    assert certain.item() == pytest.approx(faults.lowest_loss_of_softmax(4))


def is_the_gaussian_probability(log_likelihood):
    x = torch.linspace(-1, 1, 256, dtype=FLOAT)
    ours = log_likelihood(x, torch.tensor(0.0, dtype=FLOAT), torch.tensor(2 * math.log(0.1)))
    edges = np.concatenate([[-np.inf], (np.arange(1, 256) * 2 - 1) / 255 - 1, [np.inf]])
    # log of a difference of CDFs without underflow, on the side where the CDF is small
    expected = np.log(np.diff(norm.cdf(edges / 0.1)), where=edges[1:] <= 0, out=np.zeros(256))
    upper = norm.sf(edges / 0.1)
    expected[edges[1:] > 0] = np.log((upper[:-1] - upper[1:])[edges[1:] > 0])
    np.testing.assert_allclose(ours.numpy(), expected, rtol=1e-6)


def test_tanh_for_the_cdf():
    is_the_gaussian_probability(discretised_log_likelihood)
    broken(is_the_gaussian_probability, faults.tanh_log_likelihood)


def test_tanh_is_close_at_the_centre_and_wrong_in_the_tails():
    mean, log_variance = torch.zeros(1, dtype=FLOAT), torch.full((1,), 2 * math.log(0.1), dtype=FLOAT)
    centre, tail = torch.tensor([1 / 255], dtype=FLOAT), torch.tensor([155 / 255], dtype=FLOAT)

    def error(x):
        return (
            faults.tanh_log_likelihood(x, mean, log_variance)
            - discretised_log_likelihood(x, mean, log_variance)
        ).abs()

    assert error(centre) < 1e-3 and error(tail) > 0.5
    far = torch.ones(1, dtype=FLOAT) - 2 / 255
    assert faults.tanh_log_likelihood(far, mean, log_variance).item() == pytest.approx(math.log(1e-12))
    assert discretised_log_likelihood(far, mean, log_variance) < -45


def depends_on_the_noise(reconstruct):
    _, model = gaussian_model(PROCESS)
    x_0 = normal(5, 3)
    first, second = (reconstruct(model, x_0, 10, 5, normal(5, 3, seed=seed)) for seed in (1, 2))
    assert not torch.equal(first, second)


def test_reconstruction_without_noise():
    depends_on_the_noise(partial_diffusion)
    broken(depends_on_the_noise, faults.partial_diffusion_without_noise)


def settles_on_the_noisy_distribution(walk):
    oracle, model = gaussian_model(PROCESS, mean=(0.0,), variances=(0.2,))
    expected = 0.2 * PROCESS.number("alpha_bar", 10) + PROCESS.number("one_minus_alpha_bar", 10)
    x = walk(model, normal(5000, 1), 10, 0.02, 300, generator(1))
    assert x.var().item() == pytest.approx(expected, rel=0.1)


def test_langevin_sign():
    settles_on_the_noisy_distribution(langevin)
    broken(settles_on_the_noisy_distribution, faults.langevin_with_reversed_sign)


def moves_nothing_after_the_first_call(process):
    x, t = torch.empty(4, 3, device="meta"), torch.ones(4, dtype=torch.int64, device="meta")
    process.sample(x, t, x)
    with count_transfers() as transfers:
        process.sample(x, t, x)
    assert len(transfers) == 0


def test_tables_sent_at_every_call():
    sending = faults.TableSendingProcess(PROCESS)
    moves_nothing_after_the_first_call(PROCESS)
    broken(moves_nothing_after_the_first_call, sending)
    x, noise, t = normal(4, 3), normal(4, 3, seed=1), torch.tensor([1, 5, 10, 20])
    torch.testing.assert_close(sending.sample(x, t, noise), PROCESS.sample(x, t, noise))


def test_counter_sees_copies_and_reads():
    on_meta = torch.empty(3, device="meta")
    with count_transfers() as transfers:
        torch.zeros(3).to("meta")
        torch.empty(3, device="meta").copy_(torch.zeros(3))
        torch.zeros(3).to(torch.float64)
        on_meta + 1
    assert transfers.names == ["aten::_to_copy", "aten::copy_"] and sum(transfers.num_bytes) == 24
