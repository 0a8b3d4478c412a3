"""Shares of variance are those of a known function, and a setting that does nothing has none."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import qmc

from diffad.bootstrap import Interval
from diffad.importance import MADE_UP, NOTHING, TOLD, WITH_CAUTION, Importance, total_shares

DESIGN = pd.DataFrame(qmc.Sobol(3, seed=0).random(256), columns=["strong", "weak", "idle"])
RESPONSE = 2 * DESIGN["strong"] + DESIGN["weak"]  # variances 4 : 1


def test_shares_of_a_sum_are_those_of_its_parts():
    found = total_shares(DESIGN, RESPONSE, num_replicates=20)
    assert found.r_squared.estimate > 0.95
    assert found.shares["strong"].estimate == pytest.approx(0.8, abs=0.1)
    assert found.shares["weak"].estimate == pytest.approx(0.2, abs=0.06)
    assert abs(found.shares["idle"].estimate) < 0.02 and abs(found.shares[MADE_UP].estimate) < 0.02
    assert found.ranked()[:2] == ["strong", "weak"]


def test_a_setting_without_an_order_is_shuffled_as_one():
    """The middle of three values stands out: its columns are found together, and its name once."""
    kind = np.arange(256) * 7 % 3
    features = pd.DataFrame({f"kind={value}": (kind == value).astype(int) for value in range(3)})
    found = total_shares(features.assign(idle=DESIGN["idle"]), (kind == 1).astype(float), num_replicates=10)
    assert set(found.shares) == {"kind", "idle", MADE_UP}
    assert found.shares["kind"].estimate == pytest.approx(1, abs=0.1)


def test_noise_is_nobody_s_share():
    noise = np.random.default_rng(0).normal(size=64)
    found = total_shares(DESIGN.iloc[:64], noise, num_replicates=20)
    assert found.r_squared.low < 0 and all(each.low < 0.1 for each in found.shares.values())


@pytest.mark.parametrize(
    ("explained", "trust"),
    [
        (Interval(0.6, 0.2, 0.8), TOLD),
        (Interval(0.4, -0.2, 0.9), WITH_CAUTION),
        (Interval(0.1, 0.05, 0.3), NOTHING),
    ],
)
def test_what_is_not_predicted_is_not_attributed(explained, trust):
    """The control may have any share: it is no setting."""
    shares = {"rate": Interval(0.3, 0.1, 0.5), MADE_UP: Interval(0.9, 0, 1), "depth": Interval(0, 0, 0)}
    found = Importance(shares, explained)
    assert found.strongest() == "rate" and found.trust() == trust


def test_noise_is_attributed_to_nothing():
    noise = np.random.default_rng(0).normal(size=64)
    assert total_shares(DESIGN.iloc[:64], noise, num_replicates=10).trust() == NOTHING
    assert total_shares(DESIGN, RESPONSE, num_replicates=5).trust() == TOLD


def test_rows_of_one_run_are_never_both_fitted_and_tested():
    """Each run has a response of its own that its rows share: seen rows would give it away."""
    runs = np.repeat(np.arange(32), 4)
    response = np.random.default_rng(1).normal(size=32)[runs]
    features = pd.DataFrame({"run": runs.astype(float) * 7 % 32, "level": np.tile(np.arange(4.0), 32)})
    apart = total_shares(features, response, runs, num_replicates=15)
    leaking = total_shares(features, response, num_replicates=15)
    assert apart.r_squared.estimate < 0.1 < leaking.r_squared.estimate


def test_the_same_seed_gives_the_same_shares():
    one, other = (total_shares(DESIGN[:32], RESPONSE[:32], num_replicates=5, seed=3) for _ in range(2))
    assert one == other


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"response": np.ones(256)}, "all the same"),
        ({"response": np.append(RESPONSE[1:], np.nan)}, "not finite"),
        ({"response": RESPONSE[:9]}, "got lengths"),
        ({"runs": np.zeros(256)}, "at least 8"),
        ({"features": DESIGN.rename(columns={"idle": MADE_UP})}, "random numbers"),
    ],
)
def test_what_says_nothing_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        total_shares(**{"features": DESIGN, "response": RESPONSE} | changes)
