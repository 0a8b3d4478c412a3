"""The run records as pages: every record has one, and what it says is what the record holds."""

import json
import re
from pathlib import Path

import pytest

from diffad.publish import load_catalog, runner
from diffad.publish.record_pages import (
    record_body,
    records_of,
    rerun_command,
    standing_of,
    status_rows,
    summaries,
)

ROOT = Path(__file__).parents[1]
CATALOG = load_catalog(ROOT / runner.CATALOG)
KNOWN = summaries(ROOT)
MNIST = next(each for each in KNOWN if each.folder == "mnist-c/cpu")


def test_every_record_of_the_project_is_known():
    on_disk = {
        path.parent.relative_to(ROOT / "results").as_posix()
        for path in (ROOT / "results").rglob("record.json")
    }
    assert {each.folder for each in KNOWN} == on_disk and len(status_rows(KNOWN, "../")) == len(KNOWN) + 2


def test_a_folder_of_results_stands_for_the_records_under_it_and_for_no_others():
    assert records_of(("results/mnist-c/cpu",), KNOWN) == [MNIST]
    assert records_of(("results/mnist-c",), KNOWN) and not records_of(("results/mnist",), KNOWN)
    assert len(records_of(("results/cifar10-one-class/cpu",), KNOWN)) == 10
    assert records_of(("results",), KNOWN) == list(KNOWN)


def test_the_page_of_a_record_holds_its_numbers_and_the_command_that_makes_it_again():
    body = record_body(MNIST, ROOT, CATALOG, "../../")
    row = re.search(r'<th scope="row">one_step</th>(.*?)</tr>', body).group(1)
    stored = json.loads((ROOT / "results" / "mnist-c" / "cpu" / "record.json").read_text())["metrics"]
    (mean,) = [
        each["estimate"]
        for each in stored
        if (each["method"], each["group"], each["metric"]) == ("one_step", "mean", "auroc")
    ]
    assert f"<td>{100 * mean:.1f} (" in row
    assert "diffad run experiments/mnist_c.yaml --edition cpu" in body
    assert "../../book/chapters/mnist_c.html" in body


def test_a_record_leads_to_no_page_that_was_never_run():
    page = CATALOG.pages[0].model_copy(update={"page": "never_run", "records": ("results",)})
    body = record_body(MNIST, ROOT, CATALOG.model_copy(update={"pages": (page, *CATALOG.pages)}), "../../")
    assert "never_run" not in body and "mnist_c.html" in body


@pytest.mark.parametrize(
    ("folder", "command"),
    [
        (
            "cifar10-one-class/cpu/ship",
            "diffad run experiments/cifar10_one_class.yaml --edition cpu --cell ship",
        ),
        ("scorers/cpu/mnist-c", "diffad compare experiments/scorers.yaml --edition cpu --run mnist-c"),
    ],
)
def test_a_cell_is_named_in_the_command(folder, command):
    (summary,) = [each for each in KNOWN if each.folder == folder]
    assert rerun_command(summary, ROOT) == command


def test_the_standing_counts_the_stale_ones():
    fresh = type(MNIST)("a", MNIST.record, ())
    stale = type(MNIST)("b", MNIST.record, ("diffad/model.py",))
    assert fresh.standing == "up to date" and stale.standing == "stale: 1 module changed"
    assert standing_of([]) == "" and standing_of([fresh]) == "1 up to date"
    assert standing_of([fresh, stale]) == "1 of 2 made by earlier code"


def test_a_run_can_be_checked_and_a_comparison_is_only_made_again():
    for folder, checked in (("mnist-c/cpu", True), ("scorers/cpu/mnist-c", False)):
        (summary,) = [each for each in KNOWN if each.folder == folder]
        assert ("<code>--check</code>" in record_body(summary, ROOT, CATALOG, "../../")) == checked
