"""Where a U-Net and a transformer are compared, both were given as many operations of training and the same images."""

from pathlib import Path

import pytest

from diffad.configuration import load_experiment
from diffad.costs import count_flops, on_meta

FOLDER = Path(__file__).parents[1] / "experiments"
PAIRS = {
    "cifar10_one_class": "cifar10_dit",
    "mnist_c": "mnist_c_dit",
    "mini_imagenet": "mini_imagenet_dit",
    "mvtec_pixels": "mvtec_pixels_dit",
}
EDITIONS = ("smoke", "cpu", "gpu")


def training_flops(edition) -> int:
    """Floating-point operations of a whole training."""
    network = on_meta(edition.model.network, edition.model.network_parameters)
    return count_flops(network, backward=True) * edition.training.num_updates * edition.training.batch_size


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("unet", PAIRS)
def test_the_transformer_had_the_compute_of_the_unet(unet: str, edition: str) -> None:
    ours, theirs = (load_experiment(FOLDER / f"{name}.yaml").edition(edition) for name in (unet, PAIRS[unet]))
    assert training_flops(theirs) == pytest.approx(training_flops(ours), rel=0.02)


@pytest.mark.parametrize("edition", EDITIONS)
@pytest.mark.parametrize("unet", PAIRS)
def test_both_have_the_same_splits_and_scores(unet: str, edition: str) -> None:
    ours, theirs = (load_experiment(FOLDER / f"{name}.yaml").edition(edition) for name in (unet, PAIRS[unet]))
    for field in ("dataset", "protocol_parameters", "cells", "scoring", "seed"):
        assert getattr(ours, field) == getattr(theirs, field), field
    assert not set(ours.baselines) & set(theirs.baselines)
