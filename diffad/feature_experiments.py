"""Detection in feature space, recorded: ADBench's embeddings, and MVTec-AD's images by way of frozen features.

    python -m diffad.feature_experiments embeddings
    python -m diffad.feature_experiments mvtec --category screw

Embeddings: one file for all data sets and seeds, because what is reported is a mean over data sets whose normal rows
differ, with the spread over seeds. Images: a run record a category and protocol, with the maps' own figures beside
it. `official_split` tests the good images that the data set's authors chose; where the copy at hand holds good test
images in a light that hardly any training image has, `redrawn_split` is the fair one, and both are recorded.
"""

import argparse
import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from pydantic import BaseModel, ConfigDict
from scipy.stats import t as student

from diffad.baselines import make_baseline
from diffad.bootstrap import Interval
from diffad.datasets import load
from diffad.datasets.protocols import official_split, redrawn_split
from diffad.datasets.split import Split
from diffad.datasets.vector_protocols import adbench_semi_supervised
from diffad.empirical import EmpiricalDiffusion
from diffad.errors import RecordError
from diffad.evaluation import auroc
from diffad.feature_detection import WHOLE_WEIGHT, FeatureMapDetector, FeatureScores
from diffad.localisation import per_region_overlap, pixel_auroc
from diffad.provenance import Provenance, provenance
from diffad.records import DataDescription, RunRecord, RunScores, new_record, write_record
from diffad.storage import ensure_folder, publish_file

CATEGORIES = (
    "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw", "tile",
    "toothbrush", "transistor", "wood", "zipper",
)  # fmt: skip
TRACKS: dict[str, tuple[str, ...]] = {
    "mvtec-ad-vit": tuple(f"adbench-vit/MVTec-AD_{category}" for category in CATEGORIES),
    "mvtec-ad-resnet18": tuple(f"adbench-resnet18/MVTec-AD_{category}" for category in CATEGORIES),
    "cifar10-resnet18": tuple(f"adbench-resnet18/CIFAR10_{digit}" for digit in (0, 4, 6)),
}
SEEDS = (0, 1, 2, 3, 4)
METHOD = "empirical_diffusion"
EMBEDDING_METHODS = (METHOD, "mahalanobis", "knn")
PROTOCOLS = {"official": official_split, "redrawn": redrawn_split}
EMBEDDINGS_FILE, LOCALISATION_FILE, MAPS_FILE = "embeddings.json", "localisation.json", "maps.npz"


class EmbeddingResult(BaseModel):
    """One method on one split of one data set. auroc in [0, 1]; fingerprint of the split, sealed labels included."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    track: str
    data: str
    seed: int
    method: str
    auroc: float
    fingerprint: str
    seconds: float


class EmbeddingsRecord(BaseModel):
    """AUROC of every method, data set and seed, with what they were computed by."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: str = "diffad-embeddings-1"
    setting: dict
    provenance: Provenance
    results: tuple[EmbeddingResult, ...]
    content_hash: str | None = None

    def mean(self, track: str, method: str = METHOD, confidence: float = 0.95) -> Interval:
        """The mean over a track's data sets, then over seeds, with Student's t interval of the seeds' means.

        Raises:
            RecordError: the record does not hold this track and method.
        """
        rows = [row for row in self.results if (row.track, row.method) == (track, method)]
        if not rows:
            raise RecordError(f"the embeddings' record holds no {method!r} on {track!r}")
        seeds = sorted({row.seed for row in rows})
        means = np.array([np.mean([row.auroc for row in rows if row.seed == seed]) for seed in seeds])
        half = 0.0
        if len(means) > 1:
            half = student.ppf((1 + confidence) / 2, len(means) - 1) * means.std(ddof=1) / len(means) ** 0.5
        return Interval(float(means.mean()), float(means.mean() - half), float(means.mean() + half))


def score_embedding(split: Split, method: str, seed: int) -> np.ndarray:
    """Fit a method on all normals that the split lets be seen, held-out ones included, and score its test rows, (n,).

    Nothing is chosen on held-out rows here, so the published protocol's whole half is trained on.
    """
    seen = np.concatenate([split.train, split.validation])
    if method == METHOD:
        return EmpiricalDiffusion().fit(seen).decision_function(split.test)
    return make_baseline(method, seed).fit(seen).decision_function(split.test)


def run_embeddings(
    results: Path | str = "results",
    seeds: Sequence[int] = SEEDS,
    tracks: Mapping[str, Sequence[str]] = TRACKS,
    methods: Sequence[str] = EMBEDDING_METHODS,
    home: Path | None = None,
    num_jobs: int = 1,
) -> EmbeddingsRecord:
    """Score every data set of every track with every seed's split, in `num_jobs` processes, and record the AUROCs.

    The record goes to results/embeddings/cpu.

    Raises:
        DataNotFound: embeddings are not in the data home; the message names the command that fetches them.
    """
    tasks = [(track, name, seed) for track, names in tracks.items() for name in names for seed in seeds]
    parts = Parallel(num_jobs)(delayed(_embedding_results)(*task, methods, home) for task in tasks)
    rows = [row for part in parts for row in part]
    setting = {"method": METHOD, **EmpiricalDiffusion().get_params(), "protocol": "adbench_semi_supervised"}
    record = EmbeddingsRecord(setting=setting, provenance=provenance("cpu"), results=tuple(rows))
    record = record.model_copy(update={"content_hash": _content_hash(record)})
    folder = ensure_folder(Path(results) / "embeddings" / "cpu")
    with publish_file(folder / EMBEDDINGS_FILE) as path:
        path.write_text(record.model_dump_json(indent=1) + "\n")
    return record


def read_embeddings(results: Path | str = "results") -> EmbeddingsRecord:
    """Read what `run_embeddings` wrote.

    Raises:
        RecordError: it is missing, not such a record, or edited by hand.
    """
    path = Path(results) / "embeddings" / "cpu" / EMBEDDINGS_FILE
    try:
        record = EmbeddingsRecord.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise RecordError(f"{path} is missing or not a record of embeddings ({error})") from error
    if record.content_hash != _content_hash(record):
        raise RecordError(
            f"{path} was edited by hand: its content does not match its content_hash; run it again"
        )
    return record


def run_mvtec(
    category: str,
    protocol: str = "redrawn",
    results: Path | str = "results",
    seed: int = 0,
    progress: bool = True,
) -> RunRecord:
    """Detect a category's defects by `FeatureMapDetector` at its defaults; the record goes to
    results/mvtec-ad-CATEGORY/cpu/PROTOCOL.

    Where the category has masks, `localisation.json` beside the record holds pixel AUROC and per-region overlap.

    Raises:
        ValueError: another protocol.
        DataNotFound: the category is not in the data home.
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f"protocol: got {protocol!r}, expected one of {', '.join(PROTOCOLS)}")
    name = f"mvtec-ad/{category}"
    split = PROTOCOLS[protocol](name, seed=seed)
    detector = FeatureMapDetector(progress=progress)
    started = time.perf_counter()
    detector.fit(split.train, split.validation)
    trained = time.perf_counter()
    found = detector.scores(split.test)
    scored = time.perf_counter()
    by_method = {"features": found.image, "features_places": found.places, "features_whole": found.whole}
    scores = RunScores.of_split(split, by_method)  # here the labels are revealed
    experiment = {
        "protocol": f"{protocol}_split",
        "dataset": name,
        "backbone": detector.extractor.backbone,
        "stages": list(detector.extractor.stages),
        "vector_stages": list(detector.extractor.vector_stages),
        "maps_denoiser": "linear",
        "whole_weight": WHOLE_WEIGHT,
    }
    record = new_record(
        scores,
        name=f"mvtec-ad-{category}-cpu-{protocol}",
        experiment=experiment,
        edition="cpu",
        data=DataDescription(name=name, fingerprint=load(name, "train").fingerprint, split=split.describe()),
        seeds={"split": seed},
        wall_seconds={
            "features/fit": round(trained - started, 3),
            "features/score": round(scored - trained, 3),
        },
        nfe={"features": detector.evaluations_per_image, "features_places": 1, "features_whole": 1},
    )
    folder = Path(results) / f"mvtec-ad-{category}" / "cpu" / protocol
    record = write_record(record, scores, folder)
    _write_localisation(folder, split, found)
    return record


def _embedding_results(
    track: str, name: str, seed: int, methods: Sequence[str], home: Path | None
) -> list[EmbeddingResult]:
    split = adbench_semi_supervised(name, seed=seed, home=home)
    scores, seconds = {}, {}
    for method in methods:
        started = time.perf_counter()
        scores[method] = score_embedding(split, method, seed)
        seconds[method] = round(time.perf_counter() - started, 3)
    labels, *_ = [split.reveal(each).labels for each in scores.values()]  # every method's scores are finished
    return [
        EmbeddingResult(
            track=track,
            data=split.data,
            seed=seed,
            method=method,
            auroc=auroc(labels, scores[method]),
            fingerprint=split.fingerprint,
            seconds=seconds[method],
        )
        for method in methods
    ]


def _write_localisation(folder: Path, split: Split, found: FeatureScores) -> None:
    """Figures of the maps, and the maps themselves at an eighth of the resolution; nothing without masks."""
    masks = split.reveal(found.image).masks
    if masks is None:
        return
    figures = {
        "pixel_auroc": pixel_auroc(masks, found.maps),
        "per_region_overlap": per_region_overlap(masks, found.maps),
        "images": len(masks),
        "pixels_a_side": masks.shape[1],
    }
    with publish_file(folder / MAPS_FILE) as path, open(path, "wb") as file:
        np.savez_compressed(file, maps=found.maps[:, 4::8, 4::8].astype(np.float16))
    with publish_file(folder / LOCALISATION_FILE) as path:
        path.write_text(json.dumps(figures, indent=1) + "\n")


def _content_hash(record: EmbeddingsRecord) -> str:
    content = record.model_dump(mode="json", exclude={"content_hash"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m diffad.feature_experiments`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    vectors = commands.add_parser("embeddings", help="ADBench's embeddings, all seeds")
    vectors.add_argument("--jobs", type=int, default=1, help="processes")
    images = commands.add_parser("mvtec", help="one category's images")
    images.add_argument("--category", choices=CATEGORIES, required=True)
    images.add_argument("--protocol", choices=sorted(PROTOCOLS), default="redrawn")
    for each in commands.choices.values():
        each.add_argument("--results", type=Path, default=Path("results"))
    chosen = parser.parse_args(arguments)
    if chosen.command == "embeddings":
        record = run_embeddings(chosen.results, num_jobs=chosen.jobs)
        for track in TRACKS:
            for method in EMBEDDING_METHODS:
                print(f"{track:20s} {method:22s} {record.mean(track, method).percent()}")
        return
    record = run_mvtec(chosen.category, chosen.protocol, chosen.results)
    print(record.table().query("group == 'mean'").to_string(index=False))


if __name__ == "__main__":
    main()
