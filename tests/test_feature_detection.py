"""Both diffusion models on frozen features find a square that does not belong, and say where it is."""

import numpy as np
import pytest
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

from diffad.feature_detection import FeatureMapDetector
from diffad.features import FeatureExtractor
from diffad.localisation import pixel_auroc
from diffad.training import TrainingConfig

QUICK = TrainingConfig(num_updates=40, batch_size=8, learning_rate=3e-3, warmup_updates=2, ema_decay=0.9)


def stripes(num_images, seed):
    """Faintly noisy stripes, uint8 (n, 64, 64, 3)."""
    wave = 128 + 60 * np.sin(np.arange(64) / 3)[None, None, :, None]
    noise = np.random.default_rng(seed).normal(0, 6, (num_images, 64, 64, 3))
    return np.clip(wave + noise, 0, 255).astype(np.uint8)


def with_squares(images):
    """The same with a flat grey square each, and where it is: (n, 64, 64) booleans."""
    odd, masks = images.copy(), np.zeros(images.shape[:3], bool)
    for number in range(len(odd)):
        place = slice(8 * (number % 4), 8 * (number % 4) + 20)
        odd[number, place, 20:40], masks[number, place, 20:40] = 120, True
    return odd, masks


@pytest.fixture(scope="module", params=[None, QUICK], ids=["linear", "trained"])
def detector(request):
    return FeatureMapDetector(FeatureExtractor(), request.param).fit(stripes(24, 0), stripes(6, 1))


def test_defects_are_found_and_mapped(detector):
    odd, masks = with_squares(stripes(8, 3))
    found = detector.scores(np.concatenate([stripes(8, 2), odd]))
    labels = np.repeat([0, 1], 8)
    for scores in (found.image, found.places, found.whole):
        assert scores.dtype == np.float64 and roc_auc_score(labels, scores) > 0.95
    assert found.maps.shape == (16, 64, 64)
    assert pixel_auroc(np.concatenate([np.zeros_like(masks), masks]), found.maps) > 0.7
    assert np.abs(np.median(found.places[:8])) < 6 and np.abs(np.median(found.whole[:8])) < 6
    assert detector.evaluations_per_image == (2 if detector.model_ is None else 3)


def test_scores_do_not_depend_on_company(detector):
    images = stripes(5, 4)
    np.testing.assert_allclose(
        detector.scores(images[3:4]).image, detector.scores(images).image[3:4], rtol=1e-3, atol=1e-3
    )


def test_errors_name_what_is_wrong(detector):
    with pytest.raises(NotFittedError):
        FeatureMapDetector(detector.extractor).scores(stripes(1, 0))
    with pytest.raises(ValueError, match="images: got"):
        detector.scores(stripes(1, 0)[:, :32])
    with pytest.raises(ValueError, match="expected at least 3 and 2"):
        FeatureMapDetector(detector.extractor).fit(stripes(2, 0), stripes(2, 1))
