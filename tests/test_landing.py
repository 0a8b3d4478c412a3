"""The picture of the landing page and the README shows the committed record, not an earlier one."""

from pathlib import Path

import pytest

from diffad.errors import RecordError
from diffad.figures.landing import recorded_hash, write_landing_figure
from diffad.records import read_record

ROOT = Path(__file__).resolve().parent.parent
RECORD = ROOT / "results" / "mnist-c" / "cpu"


def test_the_committed_picture_carries_the_hash_of_the_committed_record():
    record, _ = read_record(RECORD)
    command = "python -m diffad.figures.landing results/mnist-c/cpu book/_static/landing.png"
    assert recorded_hash(ROOT / "book" / "_static" / "landing.png") == record.content_hash, f"run {command}"


def test_a_picture_without_a_record_is_not_drawn(tmp_path):
    with pytest.raises(RecordError, match="record.json"):
        write_landing_figure(tmp_path, tmp_path / "landing.png")
    assert not (tmp_path / "landing.png").exists()
