"""What the published harness' leak is worth to each method, by repeating it beside the honest split.

Every method works on standardised features here, as it does there, so that with the leak the published figures should
come out and without it what is left of them.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from diffad.datasets.imageset import content_hashes
from diffad.datasets.split import Split
from diffad.datasets.vector_protocols import adbench_published_leak, adbench_semi_supervised
from diffad.embeddings.methods import make_method
from diffad.evaluation import auroc

PROTOCOLS = {"leaking": adbench_published_leak, "honest": adbench_semi_supervised}


def leak_by_method(
    names: Sequence[str], methods: Sequence[str], seeds: Sequence[int] = (0,), home: Path | None = None
) -> pd.DataFrame:
    """Mean AUROC of each method on standardised features, with the leak and without.

    Args:
        names: data sets.
        methods: of `diffad.embeddings.methods.METHODS`, at their defaults.
        seeds: of the splits.
        home: the data home.

    Returns:
        A row a method: columns "leaking" and "honest", means over data sets and seeds in [0, 1].
    """
    rows = []
    for protocol, split_by in PROTOCOLS.items():
        for name in names:
            for seed in seeds:
                split = split_by(name, seed=seed, home=home)
                seen = np.concatenate([split.train, split.validation])
                for method in methods:
                    detector = make_method(method, "tables", seed).fit(seen)  # "tables": standardised
                    scores = np.asarray(detector.decision_function(split.test))
                    rows.append((method, protocol, auroc(split.reveal(scores).labels, scores)))
    table = pd.DataFrame(rows, columns=["method", "protocol", "auroc"])
    wide = table.pivot_table(index="method", columns="protocol", values="auroc", sort=False)
    return wide.loc[list(methods), list(PROTOCOLS)].rename_axis(columns=None)


def share_trained_on(split: Split) -> float:
    """Share in [0, 1] of the tested normals whose content was also seen in training."""
    labels = split.reveal(np.zeros(len(split.test))).labels
    seen = content_hashes(np.concatenate([split.train, split.validation]))
    return float(np.isin(content_hashes(split.test[labels == 0]), seen).mean())
