"""Tables about the data sets, for the book: what they are, what they hold twice, what a leak is worth."""

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import StandardScaler

from diffad.datasets.catalog import CATALOG, find_entry
from diffad.datasets.corruptions import CORRUPTIONS, corrupt
from diffad.datasets.duplicates import count_copies
from diffad.datasets.imageset import content_hashes
from diffad.datasets.loading import available_items, available_parts, is_available, load, load_vectors
from diffad.datasets.split import Split
from diffad.datasets.vector_protocols import LEAK_THRESHOLD, adbench_published_leak, adbench_semi_supervised

_NEIGHBOURS = 5  # as in PyOD's nearest-neighbour detector, which scores by the distance to the fifth


def catalog_table() -> pd.DataFrame:
    """Return one row a data set: the paper's word for it, its authors' split, size and licence."""
    rows = [
        {
            "data set": entry.title,
            "kind": entry.scale,
            "split by its authors": entry.splits.removeprefix("official: ").removeprefix("official, "),
            "download": _size(entry.size),
            "licence": entry.licence,
        }
        for entry in CATALOG.values()
        if entry.name != "folder"
    ]
    return pd.DataFrame(rows).set_index("data set")


def corruption_table(images: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """Return the 15 corruptions: what each does, and by how much it changes images.

    Args:
        images: title to clean images, uint8 (n, height, width, 1).

    Returns:
        Rows are corruptions; columns ``what it does`` (the first sentence of its documentation) and, for each
        of `images`, the root-mean-square change in grey levels.
    """
    rows = []
    for name, function in CORRUPTIONS.items():
        row = {"corruption": name.replace("_", " ")}
        row["what it does"] = inspect.getdoc(function).partition("\n\n")[0].replace("\n", " ")
        for title, clean in images.items():
            row[title] = float(np.sqrt(np.mean((corrupt(clean, name) - clean.astype(np.float64)) ** 2)))
        rows.append(row)
    return pd.DataFrame(rows).set_index("corruption")


def copies_table(names: Sequence[str], home: Path | None = None) -> pd.DataFrame:
    """Count the exact copies in data sets that are in the data home.

    Args:
        names: catalog names, with items where a set has them: image sets, or ADBench tables.
        home: the data home.

    Returns:
        Rows are data sets; ``items``, ``copies`` (repeats of an earlier item of the same part) and
        ``shared`` (different contents found in two parts of an image set, or among both the normals and the
        anomalies of a table).
    """
    rows = []
    for name in names:
        entry, _ = find_entry(name)
        if entry.kind == "vectors":
            table = load_vectors(name, home)
            parts = {str(label): table.vectors[table.labels == label] for label in (0, 1)}
        else:
            parts = {part: load(name, part, home).images for part in available_parts(name, home)}
        counts = count_copies(parts)
        shared = counts.pop("between parts")
        items = sum(len(each) for each in parts.values())
        rows.append({"data set": name, "items": items, "copies": sum(counts.values()), "shared": shared})
    return pd.DataFrame(rows).set_index("data set")


def leak_table(entry_name: str, seeds: Sequence[int] = (0, 1, 2), home: Path | None = None) -> pd.DataFrame:
    """Measure what the duplication leak of the published ADBench harness is worth to a nearest-neighbour
    detector.

    For each set of fewer than 1,000 rows (the harness repeats only those): the share of tested normals that
    were trained on, and the AUROC of the distance to the fifth nearest training row in standardised
    features, under `adbench_published_leak` and under `adbench_semi_supervised`; means over `seeds`.

    Returns:
        Rows with ``set``, ``rows``, ``repeated``, ``leaking`` and ``honest``, shares in [0, 1]. One a set in
        the data home.
    """
    rows = []
    for item in available_items(entry_name, home):
        name = f"{entry_name}/{item}"
        num_rows = len(load_vectors(name, home))
        if num_rows >= LEAK_THRESHOLD:
            continue
        leaking = [_neighbour_auroc(adbench_published_leak(name, seed=seed, home=home)) for seed in seeds]
        honest = [_neighbour_auroc(adbench_semi_supervised(name, seed=seed, home=home)) for seed in seeds]
        rows.append(
            {
                "set": item,
                "rows": num_rows,
                "repeated": np.mean([share for _, share in leaking]),
                "leaking": np.mean([auroc for auroc, _ in leaking]),
                "honest": np.mean([auroc for auroc, _ in honest]),
            }
        )
    return pd.DataFrame(rows, columns=["set", "rows", "repeated", "leaking", "honest"])


def _neighbour_auroc(split: Split) -> tuple[float, float]:
    """Return the AUROC of nearest-neighbour distances and the share of tested normals trained on."""
    scaler = StandardScaler().fit(split.train)
    neighbours = NearestNeighbors(n_neighbors=_NEIGHBOURS).fit(scaler.transform(split.train))
    scores = neighbours.kneighbors(scaler.transform(split.test))[0][:, -1]
    labels = split.reveal(scores).labels
    repeated = np.isin(content_hashes(split.test), content_hashes(split.train))
    return float(roc_auc_score(labels, scores)), float(repeated[labels == 0].mean())


def image_sets_at_hand(home: Path | None = None) -> list[str]:
    """Return the names of all image sets, item by item, that are in the data home."""
    names = []
    for entry in CATALOG.values():
        if entry.kind == "images" and entry.name != "folder" and is_available(entry.name, home):
            names += [f"{entry.name}/{item}" for item in available_items(entry.name, home)] or [entry.name]
    return names


def _size(size: int | None) -> str:
    if size is None:
        return "–"
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
