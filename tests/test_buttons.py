"""The drawn buttons: seeded, varied, and with the defects that their names say."""

import numpy as np
import pytest
from PIL import Image

from diffad.datasets.buttons import DEFECTS, draw_button, write_buttons


def pictures(folder, part: str) -> dict[str, np.ndarray]:
    return {path.name: np.asarray(Image.open(path)) for path in sorted((folder / part).iterdir())}


def test_the_same_seed_draws_the_same_pictures_and_another_seed_others(tmp_path):
    one, same = (write_buttons(tmp_path / name, 3, 6, seed=1) for name in ("one", "same"))
    other = write_buttons(tmp_path / "other", 3, 6, seed=2)
    for part in ("normal", "new"):
        first, again, else_ = pictures(one, part), pictures(same, part), pictures(other, part)
        assert first.keys() == again.keys()
        assert all(np.array_equal(first[name], again[name]) for name in first)
        assert not any(np.array_equal(first[name], else_[name]) for name in first)


def test_a_third_of_the_new_pictures_is_defective_in_turn(tmp_path):
    folder = write_buttons(tmp_path / "buttons", num_normal=2, num_new=12)
    names = [name.rsplit("_", 1)[0] for name in pictures(folder, "new")]
    assert names.count("good") == 8 and sorted(set(names) - {"good"}) == sorted(DEFECTS)
    assert {picture.shape for picture in pictures(folder, "normal").values()} == {(64, 64, 3)}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_defect_changes_a_part_of_the_button_and_little_else(defect):
    # Up to the defect the same draws are made, so the two pictures show the same button.
    good, bad = (draw_button(np.random.default_rng(5), which).astype(int) for which in (None, defect))
    changed = np.abs(good - bad).max(axis=2) > 30
    assert 0.005 < changed.mean() < 0.12
    assert np.abs(good - bad)[~changed].mean() < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda folder: draw_button(np.random.default_rng(0), "dent"),
            "defect: got 'dent', expected None or",
        ),
        (lambda folder: draw_button(np.random.default_rng(0), side=8), "side: got 8"),
        (lambda folder: write_buttons(folder, num_normal=0), "num_normal, num_new: got 0 and 24"),
        (lambda folder: write_buttons(folder, num_new=2), "num_normal, num_new: got 400 and 2"),
        (lambda folder: write_buttons(folder, seed=-1), "seed must be an integer of 0 or more"),
    ],
)
def test_what_cannot_be_drawn_is_refused(tmp_path, call, message):
    with pytest.raises(ValueError, match=message):
        call(tmp_path / "buttons")
    assert not (tmp_path / "buttons").exists()
