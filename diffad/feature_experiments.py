"""MVTec-AD's images by way of frozen features, recorded: a run record a category and protocol.

    python -m diffad.feature_experiments --category screw

The maps' own figures stand beside the record. `official_split` tests the good images that the data set's authors
chose; where the copy at hand holds good test images in a light that hardly any training image has, `redrawn_split` is
the fair one, and both are recorded.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from diffad.datasets import load
from diffad.datasets.protocols import official_split, redrawn_split
from diffad.datasets.split import Split
from diffad.feature_detection import WHOLE_WEIGHT, FeatureMapDetector, FeatureScores
from diffad.localisation import per_region_overlap, pixel_auroc
from diffad.records import DataDescription, RunRecord, RunScores, new_record, write_record
from diffad.storage import publish_file

CATEGORIES = (
    "bottle", "cable", "capsule", "carpet", "grid", "hazelnut", "leather", "metal_nut", "pill", "screw", "tile",
    "toothbrush", "transistor", "wood", "zipper",
)  # fmt: skip
PROTOCOLS = {"official": official_split, "redrawn": redrawn_split}
LOCALISATION_FILE, MAPS_FILE = "localisation.json", "maps.npz"


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


def main(arguments: Sequence[str] | None = None) -> None:
    """The command `python -m diffad.feature_experiments`."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--category", choices=CATEGORIES, required=True)
    parser.add_argument("--protocol", choices=sorted(PROTOCOLS), default="redrawn")
    parser.add_argument("--results", type=Path, default=Path("results"))
    chosen = parser.parse_args(arguments)
    record = run_mvtec(chosen.category, chosen.protocol, chosen.results)
    print(record.table().query("group == 'mean'").to_string(index=False))


if __name__ == "__main__":
    main()
