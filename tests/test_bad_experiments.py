"""What cannot be run is refused with file and line, before anything is computed."""

import pytest
from test_configuration import EXPERIMENTS

from diffad.comparison import load_comparison
from diffad.configuration import load_experiment

TEXT = """\
name: tiny
title: Tiny
protocol: one_versus_rest
editions:
  smoke:
    dataset: digits
    cells:
      zero: {normal: 0}
      one: {normal: 1}
      small:
        normal: 1
        training: {num_updates: 3}
    model: {network_parameters: {image_size: 8, channels: 1, size: tiny}}
    training: {num_updates: 5}
    baselines:
      - iforest
      - ocsvm
"""
REFUSED = {
    "an unknown method": (("- ocsvm", "- oracle"), 17, "baselines: got oracle, expected some of"),
    "an unknown data set": (
        ("dataset: digits", "dataset: cifar11"),
        6,
        "dataset: got 'cifar11', expected one of",
    ),
    "a data set of vectors": (("dataset: digits", "dataset: adbench-vit"), 6, "dataset: got 'adbench-vit'"),
    "an item that is none": (
        ("dataset: digits", "dataset: mvtec-ad/sofa"),
        6,
        "dataset: mvtec-ad has one of",
    ),
    "no item of a set": (("dataset: digits", "dataset: mvtec-ad"), 6, "such as mvtec-ad/bottle"),
    "a cell's unknown data set": (("zero: {normal: 0}", "zero: {dataset: cifar11}"), 8, "got 'cifar11'"),
    "a cell's unknown method": (
        ("normal: 1\n        ", "normal: 1\n        baselines: [oracle]\n        "),
        12,
        "oracle",
    ),
    "two cells of one name": (
        ("one: {normal: 1}", "zero: {normal: 1}"),
        9,
        "key 'zero' stands twice, first in line 8",
    ),
    "two cells that are one run": (("one: {normal: 1}", "one: {normal: 0}"), 9, "got the same run as 'zero'"),
    "the same run by another way": (("num_updates: 3", "num_updates: 5"), 10, "got the same run as 'one'"),
    "cells that a file system may take for one": (("one: {", "Zero: {"), 9, "String should match pattern"),
    "an unknown protocol": (("one_versus_rest", "guess"), 3, "protocol: "),
    "an unknown key": (("title: Tiny", "title: Tiny\nauthor: me"), 3, "author: Extra"),
    "a key twice": (
        ("    training: {num_updates: 5}", "    training: {num_updates: 5}\n    training: {}"),
        15,
        "twice",
    ),
    "a bracket left open": (("{num_updates: 5}", "{num_updates: 5"), 15, "is not YAML"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_fault_is_told_with_file_and_line(tmp_path, case):
    change, line, words = REFUSED[case]
    assert change[0] in TEXT
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT.replace(*change))
    with pytest.raises(ValueError) as caught:
        load_experiment(path)
    assert f"experiment: {path}:{line}" in str(caught.value) and words in str(caught.value), caught.value
    assert "\n" not in str(caught.value)


def test_the_text_itself_is_read(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(TEXT)
    assert list(load_experiment(path).edition("smoke").cells) == ["zero", "one", "small"]


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: path.name)
def test_published_experiments_hold_no_run_twice(path):
    for name, edition in load_experiment(path).editions.items():
        runs = [edition.of_cell(cell).model_dump_json() for cell in edition.cells]
        assert len(set(runs)) == len(runs), name


def test_a_comparisons_fault_is_told_with_file_and_line(tmp_path):
    path = tmp_path / "compared.yaml"
    path.write_text(
        "name: x\ntitle: X\nscorers:\n  a: {scorer: oracle}\neditions:\n  cpu: {runs: {a: results/a}}\n"
    )
    with pytest.raises(ValueError, match=r"compared.yaml:4: scorers.a.scorer: "):
        load_comparison(path)
    path.write_text("name: x\nname: y\n")
    with pytest.raises(ValueError, match=r"compared.yaml:2: key 'name' stands twice"):
        load_comparison(path)
