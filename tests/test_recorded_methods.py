"""The overview of all recorded methods follows from the records."""

from pathlib import Path

import numpy as np
import pytest

from diffad.errors import RecordError
from diffad.recorded_methods import method_means
from diffad.records import list_records, read_record

RESULTS = Path(__file__).parents[1] / "results"


def test_a_mean_over_tasks_is_that_of_the_records():
    folders = list_records(RESULTS / "cifar10-one-class" / "cpu")
    records = [read_record(folder)[0] for folder in folders]
    values = [record.interval("one_step").estimate for record in records]
    (mean,) = [
        each
        for each in method_means(RESULTS)
        if (each.experiment, each.edition, each.method) == ("cifar10-one-class", "cpu", "one_step")
    ]
    assert mean.tasks == len(folders) == 10 and mean.nfe == 1
    np.testing.assert_allclose(
        [mean.auroc, mean.least, mean.greatest], [np.mean(values), min(values), max(values)]
    )


def test_a_record_edited_by_hand_is_refused(tmp_path):
    source = RESULTS / "mvtec-ad-screw" / "cpu" / "official"
    target = tmp_path / "screw" / "cpu"
    target.mkdir(parents=True)
    for path in source.glob("*.npz"):
        (target / path.name).write_bytes(path.read_bytes())
    text = (source / "record.json").read_text()
    (target / "record.json").write_text(text)
    assert method_means(tmp_path)
    (target / "record.json").write_text(text.replace('"estimate": 0.', '"estimate": 0.1', 1))
    with pytest.raises(RecordError, match="edited by hand"):
        method_means(tmp_path)
