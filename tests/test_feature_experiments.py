"""Records of detection in feature space: written, read back, refused when edited."""

import json

import numpy as np
import pytest

from diffad.errors import RecordError
from diffad.feature_experiments import (
    EMBEDDINGS_FILE,
    METHOD,
    read_embeddings,
    run_embeddings,
    run_mvtec,
)

TRACKS = {"small": ("adbench-resnet18/CIFAR10_0", "adbench-vit/MVTec-AD_bottle")}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    home, results = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("results")
    for seed, path in enumerate(("CV_by_ResNet18/CIFAR10_0", "CV_by_ViT/MVTec-AD_bottle")):
        rng = np.random.default_rng(seed)
        vectors, labels = rng.normal(size=(60, 5)) + 2, np.repeat([0, 1], [50, 10])
        vectors[50:, 0] += 3
        (home / "adbench" / path).parent.mkdir(parents=True)
        np.savez(home / "adbench" / f"{path}.npz", X=vectors, y=labels)
    run_embeddings(results, (0, 1, 2), TRACKS, (METHOD, "knn"), home)
    return results


def test_every_method_data_set_and_seed_is_recorded_and_the_mean_is_over_both(results):
    record = read_embeddings(results)
    assert len(record.results) == 2 * 3 * 2
    rows = [row for row in record.results if row.method == METHOD]
    by_seed = [np.mean([row.auroc for row in rows if row.seed == seed]) for seed in (0, 1, 2)]
    interval = record.mean("small")
    assert interval.estimate == pytest.approx(np.mean(by_seed))
    half = 4.302653 * np.std(by_seed, ddof=1) / 3**0.5  # Student's t, two degrees of freedom
    assert interval.high - interval.estimate == pytest.approx(half, rel=1e-5)
    assert len({row.fingerprint for row in record.results}) == 6
    with pytest.raises(RecordError, match="holds no 'lof'"):
        record.mean("small", "lof")


def test_an_edited_record_is_refused(results, tmp_path):
    path = tmp_path / "embeddings" / "cpu" / EMBEDDINGS_FILE
    path.parent.mkdir(parents=True)
    content = json.loads((results / "embeddings" / "cpu" / EMBEDDINGS_FILE).read_text())
    content["results"][0]["auroc"] = 0.999
    path.write_text(json.dumps(content))
    with pytest.raises(RecordError, match="edited by hand"):
        read_embeddings(tmp_path)
    with pytest.raises(RecordError, match="missing"):
        read_embeddings(tmp_path / "nowhere")


def test_another_protocol_is_refused():
    with pytest.raises(ValueError, match="protocol: got 'fair', expected one of official, redrawn"):
        run_mvtec("screw", "fair")
