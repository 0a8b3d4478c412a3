"""One model, every scorer: the record holds them all, from the model and the protocol of the run."""

import numpy as np
import pytest
import yaml

from diffad.comparison import Comparison, comparison_folder, load_comparison, run_comparison
from diffad.errors import RecordError
from diffad.records import mismatches, read_record
from diffad.scorers import SCORERS
from tests.test_experiments import run as finish_run

SCORED = {
    "fast": {"scorer": "denoiser_profile", "parameters": {"levels": [0.1, 0.4]}},
    "slow": {"scorer": "partial", "parameters": {"start": 0.3, "num_steps": 15}},
    "calibrated": {"scorer": "calibrated", "parameters": {"levels": [0.1, 0.4], "num_draws": 1}},
}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The folder of a tiny finished run."""
    folder = tmp_path_factory.mktemp("run")
    finish_run(folder)
    return folder / "results/tiny/smoke"


def comparison(finished, **changes):
    edition = {
        "runs": {"tiny": str(finished)},
        "protocol_parameters": {"per_group": 6},
        "held_out": 25,
    } | changes
    return Comparison.model_validate(
        {"name": "all", "title": "All", "scorers": SCORED, "editions": {"smoke": edition}}
    )


def test_the_record_holds_every_scorer_with_its_cost(finished, tmp_path):
    record = run_comparison(comparison(finished), "smoke", "tiny", tmp_path, progress=False)
    stored, scores = read_record(comparison_folder(comparison(finished), "smoke", "tiny", tmp_path))
    assert stored == record and not mismatches(stored, scores)
    assert set(scores.by_method) == set(SCORED) and len(scores.labels) == 18
    assert record.nfe == {"fast": 2, "slow": 15, "calibrated": 2}
    assert set(record.wall_seconds) == {f"{name}/score" for name in SCORED}
    assert all(len(np.unique(values)) > 9 for values in scores.by_method.values())
    again = run_comparison(comparison(finished), "smoke", "tiny", tmp_path, progress=False)
    assert again.scores_sha256 == record.scores_sha256


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"runs": {"tiny": "nowhere"}}, RecordError, "nowhere"),
        ({"runs": {"other": "nowhere"}}, ValueError, "run_name: got 'tiny', expected one of other"),
        ({"protocol_parameters": {"per_groups": 6}}, TypeError, "per_groups"),
    ],
)
def test_a_run_or_parameter_that_is_not_there_is_refused(finished, tmp_path, changes, error, message):
    with pytest.raises(error, match=message):
        run_comparison(comparison(finished, **changes), "smoke", "tiny", tmp_path, progress=False)


def test_a_parameter_that_a_scorer_does_not_take_is_refused_by_the_scorer_s_name(finished, tmp_path):
    wrong = comparison(finished).model_dump(mode="json")
    wrong["scorers"]["slow"]["parameters"] = {"strat": 0.3}
    with pytest.raises(ValueError, match="scorers.slow: .*strat"):
        run_comparison(Comparison.model_validate(wrong), "smoke", "tiny", tmp_path, progress=False)


def test_an_unknown_scorer_is_refused_by_file_and_field(finished, tmp_path):
    wrong = comparison(finished).model_dump(mode="json")
    wrong["scorers"]["slow"]["scorer"] = "slowest"
    path = tmp_path / "wrong.yaml"
    path.write_text(yaml.safe_dump(wrong))
    with pytest.raises(ValueError, match=r"wrong.yaml:\d+: scorers.slow.scorer: "):
        load_comparison(path)


def test_the_recorded_comparisons_name_scorers_and_editions_that_are_there():
    for name in ("scorers", "fast_against_slow", "denoising_steps"):
        loaded = load_comparison(f"experiments/{name}.yaml")
        assert {each.scorer for each in loaded.scorers.values()} <= set(SCORERS) and "cpu" in loaded.editions
