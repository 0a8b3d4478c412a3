"""When two runs of a notebook count as the same: the comparison behind nbval."""

import pytest

from diffad.publish.comparison import TOLERANCE, cell_tolerance, says_the_same


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("AUROC 0.915", "AUROC 0.915", True),
        ("AUROC 0.915", "AUROC 0.916", True),
        ("AUROC 0.915", "AUROC 0.918", False),
        ("AUROC 91.5 %", "AUROC 92.5 %", False),
        ("loss 1.2345678e-05", "loss 1.2345671e-05", True),
        ("loss 1.2e-05", "loss 3.2e-05", False),
        ("1000 digits", "1001 digits", False),
        ("t=50", "t=51", False),
        ("x_10 mean", "x_11 mean", False),
        ("took 1.5 s, 300 images/s", "took 9 s, 12 images/s", True),
        ("−0.5", "0.5", False),
        ("the best is U-Net", "the best is DiT", False),
        ("a   1.0\nbb -2.0", "a 1.0\nbb  -2.0", True),
        ("1.0 2.0", "1.0", False),
        ('<td id="T_1f2e3_row0">0.5', '<td id="T_abcde_row0">0.5', True),
    ],
)
def test_outputs_say_the_same_when_only_timings_and_last_digits_differ(one, other, same):
    assert says_the_same(one, other) is same
    assert says_the_same(other, one) is same


@pytest.mark.parametrize(
    ("tags", "tolerance"),
    [([], TOLERANCE), (["hide-input"], TOLERANCE), (["tolerance-0.02"], 0.02), (["tolerance-5e-2"], 0.05)],
)
def test_a_tag_sets_the_tolerance_of_a_cell(tags, tolerance):
    assert cell_tolerance(tags) == tolerance


def test_a_wider_tolerance_lets_a_trained_number_move_and_no_more():
    assert says_the_same("AUROC 0.900", "AUROC 0.912", tolerance=0.02)
    assert not says_the_same("AUROC 0.900", "AUROC 0.930", tolerance=0.02)
