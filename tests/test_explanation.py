"""An explanation says what the detector computed, and its words follow from its numbers."""

import dataclasses
import json

import numpy as np
import pytest
from small_detector import digits, small_detector

from diffad.explanation import (
    Explanation,
    LevelFinding,
    Region,
    as_json,
    explain_image,
    in_words,
    unusual_region,
)


@pytest.fixture(scope="module")
def detector():
    return small_detector(false_positive_rate=0.1).fit(digits())


def made_up(**changes) -> Explanation:
    levels = (LevelFinding(50, 1000, 0.25, -4.0), LevelFinding(500, 1000, 3.0, 2.5))
    given = {
        "image": np.zeros((4, 4, 1), np.uint8),
        "error_map": np.ones((4, 4), np.float32),
        "score": 4.0,
        "threshold": 3.0,
        "false_positive_rate": 0.05,
        "normal_scores": np.array([1.0, 2.0, 4.0, 5.0]),
        "p_value": 0.6,
        "levels": levels,
        "rule": "max_abs",
        "region": Region(0.0, 0.25, 0.5, 1.0, 7.0),
    }
    return Explanation(**given | changes)


def test_the_score_the_map_and_the_p_value_are_the_detectors(detector):
    for image in (digits(3)[2], 255 - digits(1)[0]):
        explanation = explain_image(detector, image)
        score = detector.decision_function(image[None])
        assert explanation.score == score[0]
        assert explanation.p_value == detector.p_values(score)[0]
        assert explanation.anomalous == bool(detector.predict(image[None])[0])
        assert np.array_equal(explanation.error_map, detector.maps(image[None])[0])


def test_the_levels_make_up_the_score(detector):
    explanation = explain_image(detector, digits(1)[0])
    assert [level.step for level in explanation.levels] == [50, 200, 500]
    assert explanation.score == pytest.approx(max(abs(level.z) for level in explanation.levels))
    assert abs(explanation.by_weight[0].z) == pytest.approx(explanation.score)
    for level, scale in zip(explanation.levels, detector.calibration_.scale_, strict=True):
        assert np.log(level.times_usual) == pytest.approx(level.z * scale)


def test_a_one_sided_rule_ranks_levels_by_what_is_harder(detector):
    assert [level.step for level in made_up().by_weight] == [50, 500]
    assert [level.step for level in made_up(rule="mean").by_weight] == [500, 50]


@pytest.mark.parametrize(
    ("rows", "columns", "place"),
    [
        (slice(0, 2), slice(0, 3), "upper left"),
        (slice(7, 9), slice(4, 5), "lower"),
        (slice(4, 5), slice(8, 9), "right"),
        (slice(3, 6), slice(3, 6), "middle"),
    ],
)
def test_the_region_is_the_patch_round_the_largest_error(rows, columns, place):
    error_map = np.ones((9, 9), np.float32)
    error_map[rows, columns] = 5
    error_map[rows.start, columns.start] = 6
    if place != "middle":
        error_map[4, 4] = max(error_map[4, 4], 2.9)  # less than half as far above usual
    region = unusual_region(error_map)
    found = [9 * each for each in (region.top, region.bottom, region.left, region.right)]
    assert found == pytest.approx([rows.start, rows.stop, columns.start, columns.stop])
    size = (rows.stop - rows.start) * (columns.stop - columns.start)
    assert region.times_usual == pytest.approx(5 + 1 / size) and region.place == place


def test_a_map_without_anything_unusual_has_a_region_too():
    assert unusual_region(np.full((3, 3), 0.5, np.float32)).times_usual == pytest.approx(0.5)


def test_the_words_say_the_numbers():
    text = in_words(made_up(), "a.png")
    assert "a.png is called anomalous: it scores 4, above the threshold of 3\n" in text
    assert "at most 5.0% of normal images score above it" in text
    assert "0.6: of 4 held-out normal images, 2 score as high or higher" in text
    lines = text.splitlines()
    assert "t = 50 of 1000: 0.25 times the usual error, z = -4.0 (easier" in lines[3]
    assert "t = 500 of 1000: 3 times the usual error, z = +2.5 (harder" in lines[4]
    assert "where       upper right: rows 0% to 25% from the top" in text and "7 times the usual" in text


def test_the_words_follow_the_verdict_and_the_count():
    text = in_words(made_up(score=2.5, normal_scores=np.array([1.0, 3.0])))
    assert "is not called anomalous: it scores 2.5, not above" in text and "1 scores as high" in text
    assert "none score as high" in in_words(made_up(score=9.0))
    assert "all score as high" in in_words(made_up(score=0.5))


def test_the_json_values_are_plain_and_complete(detector):
    explanation = explain_image(detector, digits(1)[0])
    values = json.loads(json.dumps(as_json(explanation), allow_nan=False))
    assert values["num_held_out"] == len(detector.normal_scores_)
    assert [level["step"] for level in values["levels"]] == [50, 200, 500]
    left_out = {"image", "error_map", "normal_scores"}
    assert {field.name for field in dataclasses.fields(Explanation)} - left_out <= values.keys()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((1, 8, 8, 1), np.uint8), r"image: got shape \(1, 8, 8, 1\), expected one uint8 array"),
        ("digit.png", "image: got str, expected one uint8 array"),
        (np.zeros((9, 8, 1), np.uint8), r"image: .*\(9, 8, 1\), expected \(8, 8, 1\)"),
        (np.zeros((8, 8, 1)), "image: .*expected uint8"),
    ],
)
def test_what_is_no_image_of_the_detectors_size_is_refused(detector, image, message):
    with pytest.raises((ValueError, TypeError), match=message):
        explain_image(detector, image)
