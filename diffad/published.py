"""Results that others published, beside which ours stand: numbers with their source, and nothing else.

None was measured here. Protocols differ; each note says how, and a page that shows such a number says it too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd


@dataclass(frozen=True)
class PublishedResult:
    """One published figure.

    Attributes:
        method: its name.
        auroc: in %.
        reference: key of the book's bibliography.
        learns_from: what was seen beside the normal images.
    """

    method: str
    auroc: float
    reference: str
    learns_from: str


# CIFAR-10, one class normal: mean AUROC over the ten classes, all 10,000 test images, 5,000 training images a class.
ONE_CLASS_CIFAR10 = (
    PublishedResult("Deep SVDD", 64.8, "ruff2018deepsvdd", "normal images alone"),
    PublishedResult("PLAD", 75.1, "cai2022plad", "normal images alone"),
    PublishedResult("GEOM", 86.0, "golan2018geom", "which way an image was turned or shifted"),
    PublishedResult("CSI", 94.3, "tack2020csi", "contrasts, turned images as other classes"),
    PublishedResult("PANDA", 96.2, "reiss2021panda", "a network trained on ImageNet's labels"),
)

# ADBench embeddings (ResNet-18), semi-supervised, means over categories and five seeds: AUROC in %, as printed by
# Livernoche et al. 2024. The harness repeats rows of small sets before it splits them, see the chapter on the data.
LEAKY_SETS = ("CIFAR10", "MNIST-C", "MVTec-AD", "FashionMNIST", "SVHN")
LEAKY_EMBEDDINGS = {
    "IForest": (64.04, 76.75, 77.38, 84.15, 58.99),
    "OCSVM": (67.79, 79.55, 77.44, 88.16, 61.25),
    "COPOD": (54.98, 50.0, 50.0, 50.0, 50.0),
    "KNN": (67.53, 84.11, 81.51, 89.87, 61.69),
    "LOF": (70.30, 87.21, 80.36, 91.60, 63.82),
    "feature bagging": (70.31, 87.33, 80.45, 91.67, 63.93),
    "MCD": (65.15, 75.26, 86.75, 84.37, 58.87),
    "ICL": (63.60, 85.62, 94.75, 90.56, 61.70),
    "SLAD": (66.60, 83.51, 93.24, 89.94, 60.87),
    "DDPM": (67.91, 80.12, 78.00, 88.52, 61.37),
    "DTE, neighbours": (67.82, 84.74, 89.66, 90.14, 62.13),
    "DTE, classifier": (68.53, 86.10, 89.39, 90.21, 62.91),
}
LEAKY_REFERENCE = "livernoche2024dte"

# MVTec-AD, mean of its fifteen categories, all test images, as the papers print it: image AUROC and pixel AUROC in %.
MVTEC_IMAGES = {
    "PatchCore": (99.2, 98.1, "roth2022patchcore"),
    "DDAD, tuned to each category": (99.8, 98.1, "mousakhan2023ddad"),
}

# The best classical detectors on ADBench's embeddings that a first look found, one split each, before any detector of
# this chapter existed: (what, mean AUROC in %). They were the mark to reach.
EMBEDDING_MARKS = {
    "mvtec-ad-vit": ("Mahalanobis, raw features", 93.4),
    "mvtec-ad-resnet18": ("Mahalanobis, raw features", 83.3),
    "cifar10-resnet18": ("KNN, rows of length 1", 80.5),
}


def published_table(results: Sequence[PublishedResult], ours: Sequence[tuple[str, str, str]] = ()) -> str:
    """A table in MyST with a citation in each published row.

    Args:
        results: what others published.
        ours: rows (method, AUROC in % as text, what it learns from), set in bold.
    """
    rows = [
        (
            each.auroc,
            f"| {each.method} {{cite:p}}`{each.reference}` | {each.auroc:.1f} | {each.learns_from} |",
        )
        for each in results
    ]
    rows += [
        (float(auroc.split()[0]), f"| **{method}** | **{auroc}** | {learns} |")
        for method, auroc, learns in ours
    ]
    lines = [line for _, line in sorted(rows, key=lambda row: row[0])]
    return "\n".join(["| method | mean AUROC, % | learns from |", "|---|---|---|", *lines])


def leaky_embeddings_table() -> pd.DataFrame:
    """What Livernoche et al. 2024 print for ResNet-18 embeddings: AUROC in %, a row a method."""
    return pd.DataFrame.from_dict(LEAKY_EMBEDDINGS, orient="index", columns=list(LEAKY_SETS))
