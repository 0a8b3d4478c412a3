"""What every scorer keeps: an item's score is its own, finite, higher for what is broken, at the stated cost."""

import functools
from pathlib import Path

import exact_digits
import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score
from tiny import BAD_IMAGES, TINY

from diffad.scorers import (
    SCORERS,
    BackgroundRatio,
    CalibratedScorer,
    EpsError,
    Evaluator,
    ProfileScorer,
    ScorerStack,
    make_scorer,
    perturb_images,
)
from diffad.scorers.devices import AcrossDevices
from diffad.scorers.registry import FAMILIES

BATCH = 16
# Fewer updates than by default, and stronger ones: the classifier still has to tell noise from digits.
PARAMETERS = {"time_learned": {"num_updates": 150, "learning_rate": 2e-3, "dropout": 0.0}}
COMBINED = {
    "background": lambda evaluator: BackgroundRatio(
        EpsError(evaluator, [5, 20]), EpsError(Evaluator(TINY.build(), BATCH), [5, 20])
    ),
    "stack": lambda evaluator: ScorerStack(
        [make_scorer("one_level", evaluator), make_scorer("path", evaluator)], [1.0, 0.1]
    ),
    "mahalanobis": lambda evaluator: CalibratedScorer(make_scorer("score_norm", evaluator), "mahalanobis"),
    "path, two-sided": lambda evaluator: CalibratedScorer(make_scorer("path", evaluator), "max_abs"),
    "bound, two-sided": lambda evaluator: CalibratedScorer(make_scorer("bound", evaluator), "max_abs"),
}
NAMES = [*SCORERS, *COMBINED]
VECTOR_NAMES = [name for name, entry in SCORERS.items() if "vectors" in entry.kinds]
MAP_NAMES = [name for name, entry in SCORERS.items() if entry.has_maps]


def unfitted(name, kind="images", batch_size=BATCH):
    """The scorer with its default settings on the exact model."""
    evaluator = Evaluator(exact_digits.model(kind), batch_size)
    if name in COMBINED:
        return COMBINED[name](evaluator)
    return make_scorer(name, evaluator, **PARAMETERS.get(name, {}))


@functools.cache
def fitted(name, batch_size=BATCH):
    """The scorer after it has seen the normals."""
    return unfitted(name, batch_size=batch_size).fit(exact_digits.normals())


@functools.cache
def images():
    """Clean digits, then the same ones corrupted: uint8 (60, 8, 8, 1)."""
    return np.concatenate([exact_digits.clean(), exact_digits.corrupted()])


@functools.cache
def scores(name):
    """Of `images`."""
    return fitted(name).scores(images())


@pytest.mark.parametrize("name", NAMES)
def test_scores_are_finite_float64_and_not_constant(name):
    assert scores(name).shape == (60,) and scores(name).dtype == np.float64
    assert np.isfinite(scores(name)).all() and scores(name).std() > 0


@pytest.mark.parametrize("name", NAMES)
def test_what_is_corrupted_scores_higher(name):
    assert roc_auc_score(np.repeat([0, 1], 30), scores(name)) > 0.8


@pytest.mark.parametrize("name", NAMES)
def test_a_score_depends_on_neither_order_nor_neighbours(name):
    chosen = np.random.default_rng(0).permutation(60)[:21]
    np.testing.assert_array_equal(fitted(name).scores(images()[chosen]), scores(name)[chosen])
    np.testing.assert_array_equal(fitted(name).scores(images()[-1:]), scores(name)[-1:])


@pytest.mark.parametrize("name", NAMES)
def test_a_score_depends_on_the_batch_size_by_rounding_alone(name):
    scorer = fitted(name)
    evaluators = [scorer.evaluator]
    if name == "background":
        evaluators.append(scorer.background.evaluator)
    for evaluator in evaluators:
        evaluator.batch_size = 7
    try:
        other = scorer.scores(images()[:9])
    finally:
        for evaluator in evaluators:
            evaluator.batch_size = BATCH
    # A difference of logarithms may be next to zero: rounding counts against the size of the scores.
    np.testing.assert_allclose(other, scores(name)[:9], rtol=1e-5, atol=1e-5 * np.abs(scores(name)).max())


@pytest.mark.parametrize("name", NAMES)
def test_the_counted_evaluations_are_the_declared_ones(name):
    scorer = fitted(name)
    evaluators = {id(each): each for each in (scorer.evaluator,)}
    if name == "background":
        evaluators[id(scorer.background.evaluator)] = scorer.background.evaluator
    before = sum(each.evaluations for each in evaluators.values())
    scorer.scores(images()[:13])  # no multiple of the batch
    after = sum(each.evaluations for each in evaluators.values())
    assert after - before == 13 * scorer.evaluations_per_image


@pytest.mark.parametrize("name", NAMES)
def test_several_devices_score_as_one(name):
    across = AcrossDevices(fitted(name), ["cpu", "cpu"])
    before = across.evaluator.evaluations
    np.testing.assert_allclose(across.scores(images()[:19]), scores(name)[:19], rtol=1e-5)
    if name != "background":  # whose second evaluator keeps its own count
        assert across.evaluator.evaluations - before == 19 * across.evaluations_per_image


@pytest.mark.parametrize("name", MAP_NAMES)
def test_maps_have_the_images_shape_and_are_higher_where_something_is_wrong(name):
    scorer, clean = fitted(name), exact_digits.clean()[:12]
    broken = clean.copy()
    broken[:, 2:5, 2:5] = 255 - broken[:, 2:5, 2:5]
    maps = scorer.maps(np.concatenate([clean, broken]))
    assert maps.shape[0] == 24 and maps.shape[-2:] == (8, 8) and maps.dtype == np.float64
    assert np.isfinite(maps).all()
    rise = (maps[12:] - maps[:12]).reshape(12, -1, 8, 8).mean(axis=(0, 1))  # (8, 8)
    inside = np.zeros((8, 8), bool)
    inside[2:5, 2:5] = True
    assert rise[inside].mean() > 2 * abs(rise[~inside].mean())


@pytest.mark.parametrize("name", VECTOR_NAMES)
def test_vectors_are_scored_as_images_are(name):
    scorer = unfitted(name, "vectors").fit(exact_digits.as_vectors(exact_digits.normals()))
    found = scorer.scores(exact_digits.as_vectors(images()))
    assert found.shape == (60,) and found.dtype == np.float64 and np.isfinite(found).all()
    assert roc_auc_score(np.repeat([0, 1], 30), found) > 0.8


@pytest.mark.parametrize("case", BAD_IMAGES)
@pytest.mark.parametrize(
    "name", ["one_step", "inpainting", "bound", "ode_likelihood", "path", "time_learned"]
)
def test_what_is_no_image_is_refused(name, case):
    bad, error, words = BAD_IMAGES[case]
    with pytest.raises(error, match=words):
        fitted(name).scores(bad)


@pytest.mark.parametrize("name", [name for name, entry in SCORERS.items() if entry.needs_normals])
def test_what_has_to_be_fitted_says_so(name):
    with pytest.raises(NotFittedError, match=r"has not been fitted: call fit\(normals\)"):
        unfitted(name).scores(images()[:2])


def test_the_registry_says_what_its_scorers_are():
    for name, entry in SCORERS.items():
        scorer = fitted(name)
        assert entry.family in FAMILIES and entry.title and entry.reference
        assert isinstance(scorer, ProfileScorer) == entry.has_profile, name
        assert hasattr(scorer, "maps") == entry.has_maps, name
        if entry.has_profile:
            profile = scorer.profile(images()[:4])
            assert profile.shape == (4, len(scorer.weights)) if name != "path" else (4, 6)
    assert {entry.family for entry in SCORERS.values()} == set(FAMILIES)


def test_unknown_names_parameters_and_kinds_are_refused():
    evaluator = Evaluator(exact_digits.model())
    with pytest.raises(ValueError, match="name: got 'magic', expected one of ancestral"):
        make_scorer("magic", evaluator)
    with pytest.raises(TypeError, match="colour"):
        make_scorer("partial", evaluator, colour=3)
    with pytest.raises(
        ValueError, match="scorer 'inpainting' got a model of vectors, expected images or maps"
    ):
        make_scorer("inpainting", Evaluator(exact_digits.model("vectors")))


def test_perturbed_images_differ_in_the_stated_share_of_pixels():
    before = exact_digits.normals()
    after = perturb_images(before, 0.2, seed=3)
    assert after.shape == before.shape and after.dtype == np.uint8
    assert abs((after != before).mean() - 0.2) < 0.01
    np.testing.assert_array_equal(after, perturb_images(before, 0.2, seed=3))
    assert not np.array_equal(after, perturb_images(before, 0.2, seed=4))
    with pytest.raises(ValueError, match="rate: got 0"):
        perturb_images(before, 0, seed=3)


def test_every_reference_stands_in_the_bibliography():
    bibliography = (Path(__file__).parents[1] / "book" / "references.bib").read_text()
    missing = [entry.reference for entry in SCORERS.values() if f"{{{entry.reference}," not in bibliography]
    assert not missing
