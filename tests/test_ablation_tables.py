"""Tables of ablations say what the numbers behind them say."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from diffad import ablation_tables as tables
from diffad import sensitivity_tables
from diffad.ablations import (
    LOG_SNR_RANGE,
    SCORED_LEVELS,
    WALK_STARTS,
    Cell,
    Measured,
    Quality,
    Walk,
    reference_log_snr,
)
from diffad.bootstrap import Interval
from diffad.importance import MADE_UP, Importance
from diffad.run_record import RunScores
from diffad.sensitivity import SETTINGS, design

START = reference_log_snr(WALK_STARTS)[0]


def measured(values, log_snr=START):
    return Measured(log_snr=log_snr, t=1, values=tuple(values))


def quality(shift=0.0, images=6):
    """Every number a known function of `shift`."""
    spread = np.linspace(-1, 1, images)
    walks = tuple(
        Walk(
            num_steps=steps,
            psnr=measured(20 + shift + steps + spread),
            ssim=measured(0.5 + 0.1 * spread),
            sharpness=measured(0.8 + 0.01 * steps + 0 * spread),
        )
        for steps in (1, 5)
    )
    levels = [*LOG_SNR_RANGE, *reference_log_snr(SCORED_LEVELS)]
    return Quality(
        name="run",
        record_of_model="0",
        num_images=images,
        seed=0,
        eps_error=tuple(measured(0.1 + shift + 0 * spread, level) for level in levels),
        walks=walks,
        bits_per_dim={"total": 3 + shift, "denoising": 1.0, "reconstruction": 2 + shift},
        bits_per_dim_error={"total": 0.1},
        source_hash="0",
        device="CPU",
    )


def cell(shift=0.0):
    def interval(method):
        return Interval(0.8 + shift / 100, 0.7, 0.9)

    experiment = {"scoring": {"levels": [0.1, 0.2]}}
    return Cell(SimpleNamespace(interval=interval, experiment=experiment), None, None, quality(shift))


CELLS = {"linear-0": cell(0), "linear-1": cell(0.2), "cosine-0": cell(1), "cosine-1": cell(1.2)}


def test_quality_is_read_from_every_training():
    values = tables.quality_values(CELLS)
    assert values[tables.PSNR].values() == {
        "linear": pytest.approx([25, 25.2]),
        "cosine": pytest.approx([26, 26.2]),
    }
    assert values[tables.NOISE].values()["linear"] == pytest.approx([0.1, 0.3])
    assert values[tables.BITS].values()["cosine"] == pytest.approx([4, 4.2])
    table = tables.quality_table(values)
    assert list(table.index) == ["linear", "cosine"] and table.loc["linear", tables.BITS].startswith("3.10")


def test_differences_are_image_by_image():
    once = {"linear-0": cell(0), "cosine-0": cell(1)}
    found = tables.quality_differences(tables.quality_values(once), "linear")["cosine"]
    assert (found[tables.PSNR].low, found[tables.PSNR].high) == pytest.approx(
        (1, 1)
    )  # all images by the same
    assert found[tables.BITS].high == pytest.approx(1 + 1.96 * 0.1 * 2**0.5, abs=1e-3)
    assert tables.quality_difference_table({"cosine": found}).loc["cosine", tables.PSNR].startswith("1.00")


def test_five_steps_are_compared_with_one_on_the_same_training():
    found = tables.five_minus_one(CELLS)
    assert found[tables.PSNR].estimate == pytest.approx(4) and found[
        tables.SHARPNESS
    ].estimate == pytest.approx(0.04)
    assert found[tables.PSNR].high - found[tables.PSNR].low < 1e-9  # the spread between trainings cancels


def test_curves_and_levels_have_a_row_a_training():
    assert tables.eps_error_curves(CELLS, LOG_SNR_RANGE)["cosine"].shape == (2, len(LOG_SNR_RANGE))
    assert tables.level_aurocs(CELLS)["linear"] == pytest.approx(np.array([[80, 80], [80.2, 80.2]]))
    assert tables.bound_table(CELLS).loc["cosine", "last step"] == "3.10"


def test_stability_needs_two_trainings():
    assert tables.values_by_result({"linear-0": cell()}, ["one_step"]) == {}
    found = tables.values_by_result(CELLS | {"sigmoid-0": cell()}, ["one_step"])
    assert set(found[tables.PSNR]) == {"linear", "cosine"}
    assert tables.spread_table(found).loc["linear", tables.PSNR] == f"{0.1 * 2**0.5:.3f}"


def test_a_ratio_of_spreads_has_the_interval_of_f():
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(300):
        found = tables.steadier({"a": rng.normal(size=4), "b": 2 * rng.normal(size=4)}, "a", "b")
        hits += found.low <= 2 <= found.high
    assert 0.91 < hits / 300 < 0.99


def test_verdicts():
    assert tables.changes(Interval(1, 0.5, 2)) == tables.DIFFERS
    assert tables.changes(Interval(1, 0.5, 2), none=1.0) == tables.ALIKE
    assert tables.any_differs([Interval(0, -1, 1), Interval(-2, -3, -1)]) == tables.DIFFERS
    assert tables.times(Interval(1, 0, 3), -2) == Interval(-2, -6, 0)
    assert set(tables.SENTENCES) == {tables.DIFFERS, tables.ALIKE, tables.ONCE, tables.NOT_ASKED}


def test_two_networks_that_differ_say_nothing_of_their_settings():
    once, again = {"a": ["a-0", "a-1"], "b": ["b-0"]}, {"a": ["a-0", "a-1"], "b": ["b-0", "b-1"]}
    assert not tables.trained_again(once, "a", "b") and tables.trained_again(once, "a")
    assert tables.trained_again(again, "a", "b")
    assert tables.of_settings(tables.DIFFERS, False) == tables.ONCE
    assert tables.of_settings(tables.DIFFERS, True) == tables.DIFFERS
    assert tables.of_settings(tables.ALIKE, False) == tables.ALIKE


def test_better_is_less_of_an_error_more_of_a_likeness_and_as_sharp_as_the_original():
    assert tables.better(tables.BITS, 2.4, 2.6) > 0 > tables.better(tables.PSNR, 24, 25)
    assert tables.better(tables.NOISE, 0.1, 0.2) > 0 and tables.better(tables.SSIM, 0.9, 0.8) > 0
    assert tables.better(tables.SHARPNESS, 1.05, 0.9) > 0 > tables.better(tables.SHARPNESS, 1.3, 0.9)
    assert set(tables.BETTER) | {tables.SHARPNESS} == set(tables.DECIMALS)


def test_walks_are_sorted_by_their_steps_and_psnr_is_of_clean_images():
    scores = RunScores(
        np.array([0, 0, 1]), np.array(["clean", "clean", "fog"]), {"far": np.array([0.04, 0.004, 4.0])}
    )
    choices = {
        "far": {"scorer": "partial", "parameters": {"num_steps": 50}},
        "look": {"scorer": "one_level", "parameters": {}},
    }
    record = SimpleNamespace(
        experiment={"scorers": choices},
        interval=lambda name: Interval(0.5, 0.4, 0.6),
        wall_seconds={"far/score": 3.0},
        data=SimpleNamespace(split={"sizes": {"test": 3}}),
    )
    table = tables.walks_table(record, scores)
    assert list(table.index) == [50] and table.loc[50, "milliseconds"] == 1000
    assert table.loc[50, "psnr"].estimate == pytest.approx(25)  # mean of 20 and 30 dB


def study(seed=0):
    rng = np.random.default_rng(seed)
    kinds = [name.rsplit("-", 1)[0] for name in design()]
    rows = {}
    for name, kind in zip(design(), kinds, strict=True):
        settings = {each.name: each.default for each in SETTINGS.values()}
        if kind in SETTINGS:
            settings[kind] = SETTINGS[kind].alone[int(name.rsplit("-", 1)[1])]
        rows[name] = {"kind": kind, **settings, "partial_diffusion": rng.uniform(0.5, 1)}
    return pd.DataFrame.from_dict(rows, orient="index")


def test_each_setting_s_curve_passes_through_the_default():
    table = study()
    panels = sensitivity_tables.one_at_a_time(table, {"walk": "partial_diffusion"})
    default = 100 * table.loc["default-0", "partial_diffusion"]
    for setting in SETTINGS.values():
        values, found = panels[setting.title]
        assert found["walk"][values.index(setting.default)] == default
        place = values.index(setting.alone[0])
        assert found["walk"][place] == 100 * table.loc[f"{setting.name}-0", "partial_diffusion"]
    assert list(sensitivity_tables.settings_table().index) == list(panels)


def test_the_floor_is_the_spread_over_seeds():
    kinds = ["default"] * 4 + ["design"] * 50 + ["size"]
    rng = np.random.default_rng(1)
    values = np.concatenate([rng.normal(size=4), 5 * rng.normal(size=50), [1e6]])
    seeds, whole, share = sensitivity_tables.floor_ratios({"result": values}, kinds)["result"]
    assert seeds == pytest.approx(values[:4].std(ddof=1)) and whole == pytest.approx(values[4:54].std(ddof=1))
    assert share.estimate == pytest.approx((seeds / whole) ** 2)
    assert share.low < share.estimate < share.high
    row = sensitivity_tables.floor_table({"result": values}, kinds).loc["result"]
    assert row["range over the design"] == f"{values[4:54].min():.1f} to {values[4:54].max():.1f}"


def test_ranks_that_agree_are_told_from_those_that_do_not():
    rng = np.random.default_rng(2)
    x = rng.normal(size=40)
    assert sensitivity_tables.rank_correlation(x, -(x**3)).estimate == pytest.approx(-1)
    noise = sensitivity_tables.rank_correlation(x, rng.normal(size=40))
    assert noise.low < 0 < noise.high


def test_importance_says_what_the_forest_cannot_explain():
    found = Importance(
        {"size": Interval(0.5, 0.4, 0.6), MADE_UP: Interval(0, 0, 0.1)}, Interval(0.7, 0.6, 0.8)
    )
    table = sensitivity_tables.importance_table({"loss": found}, {"size": "width"})
    assert list(table.index) == ["width", MADE_UP, "explained by the forest"]
    assert table.loc["explained by the forest", "loss"].startswith("70")
