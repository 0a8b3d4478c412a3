"""A small record that needs no run, for the tests of records."""

import json

import numpy as np

from diffad.records import DataDescription, EvaluationSettings, RunScores, new_record, write_record

QUICK = EvaluationSettings(num_resamples=20)


def some_scores(seed=0, num_each=12):
    generator = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 1], num_each)
    return RunScores(
        labels,
        np.repeat(["clean", "fog", "stripe"], num_each),
        {"ddpm": generator.normal(labels), "iforest": generator.normal(0.3 * labels)},
        np.tile(np.arange(num_each), 3),
    )


def some_record(scores, **changes):
    fields = {
        "name": "digits/ddpm",
        "experiment": {"learning_rate": 1e-3, "levels": [0.1, 0.2], "epochs": 3},
        "edition": "smoke",
        "data": DataDescription(
            name="digits", fingerprint="ab" * 32, split={"seed": 0, "sizes": {"train": 800}}
        ),
        "seeds": {"training": 0},
        "wall_seconds": {"ddpm/train": 1 / 3},
        "nfe": {"ddpm": 20, "iforest": 0},
        "evaluation": QUICK,
    }
    return new_record(scores, **(fields | changes))


def write_some(folder):
    """A whole record in `folder`."""
    scores = some_scores()
    write_record(some_record(scores), scores, folder)
    return folder


def scores_path(folder):
    (path,) = folder.glob("scores-*.npz")
    return path


def edit(folder, change):
    """Edit record.json by hand."""
    path = folder / "record.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))
