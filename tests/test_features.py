"""Features of a frozen network: shapes, sameness and the weights that come with a package."""

import numpy as np
import pytest
import timm
from tiny import noise_images

from diffad.features import FeatureExtractor, make_backbone


@pytest.fixture(scope="module")
def extractor():
    return FeatureExtractor(batch_size=2)


def test_maps_and_vectors_have_the_stages_channels_and_the_first_ones_resolution(extractor):
    features = extractor.extract(noise_images(3, shape=(64, 64, 3)))
    assert features.maps.shape == (3, 8, 8, 40 + 112) and features.vectors.shape == (3, 320)
    assert features.maps.dtype == features.vectors.dtype == np.float32
    np.testing.assert_array_equal(extractor.maps(noise_images(3, shape=(64, 64, 3))), features.maps)


def test_an_images_features_do_not_depend_on_its_batch(extractor):
    images = noise_images(3, shape=(32, 32, 3))
    np.testing.assert_allclose(
        extractor.vectors(images)[2], extractor.vectors(images[2:])[0], rtol=1e-4, atol=1e-5
    )


def test_grey_images_are_seen_as_three_equal_channels_and_resized(extractor):
    grey = noise_images(2, shape=(32, 32, 1))
    np.testing.assert_allclose(
        extractor.vectors(grey), extractor.vectors(grey.repeat(3, axis=3)), rtol=1e-4, atol=1e-5
    )
    larger = FeatureExtractor(side=64, pretrained=False, neighbourhood=1)
    assert larger.maps(grey).shape == (2, 8, 8, 152)


def test_the_packages_weights_are_trained_ones(extractor):
    """Trained batch normalisation has seen data; a fresh one has mean 0. The classifier knows its ImageNet classes."""
    assert extractor.network.bn1.running_mean.abs().max() > 0.01
    fresh = make_backbone("efficientnet_lite0", pretrained=False)
    assert not fresh.bn1.running_mean.any()
    assert not any(parameter.requires_grad for parameter in fresh.parameters()) and not fresh.training


def test_any_timm_network_will_do():
    vit = FeatureExtractor("test_vit", stages=(0,), vector_stages=(1,), pretrained=False, side=160)
    features = vit.extract(noise_images(1, shape=(32, 32, 3)))
    assert features.maps.shape == (1, 10, 10, 64) and features.vectors.shape == (1, 64)


def test_errors_name_what_is_wrong(extractor):
    with pytest.raises(ValueError, match="backbone: got 'nosuch'"):
        FeatureExtractor("nosuch")
    for stages in ((), (3, 2), (5,), (-1,)):
        with pytest.raises(ValueError, match=r"stages: got .* expected rising numbers in 0..4"):
            FeatureExtractor(stages=stages, pretrained=False)
    with pytest.raises(ValueError, match="neighbourhood: got 2"):
        FeatureExtractor(neighbourhood=2)
    with pytest.raises(ValueError, match="images: got"):
        extractor.maps(noise_images()[0])
    assert timm.is_model("efficientnet_lite0")
