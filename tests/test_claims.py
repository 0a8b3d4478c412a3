"""Verdicts follow from intervals by their rules, and every number of the page from raw scores."""

import html
import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from test_joined_tasks import write

from diffad import evidence_of_trainings
from diffad.ablations import Cell
from diffad.bootstrap import Interval
from diffad.claims import (
    CLAIMS,
    Finding,
    Judged,
    Outcome,
    Verdict,
    all_of,
    is_a_change,
    is_above,
    is_positive,
    verdict_of,
)
from diffad.claims_tables import OUTCOME_LOOKS, VERDICT_LOOKS, findings_html, grouped_commands, summary_html
from diffad.errors import RecordError
from diffad.evidence import GLOBAL, LOCAL, Evidence
from diffad.judging import judge
from diffad.run_record import RunScores

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "book" / "chapters" / "claims.ipynb"
YES, NO, UNSURE, PART = Outcome.SUPPORTS, Outcome.CONTRADICTS, Outcome.UNDECIDED, Outcome.IN_PART


@pytest.fixture(scope="module")
def published():
    """Every claim, judged from the committed records."""
    return judge(Evidence(ROOT / "results"))


# --- rules ---


@pytest.mark.parametrize(
    ("outcomes", "verdict"),
    [
        ([], Verdict.NOT_RUN),
        ([YES, YES], Verdict.HOLDS),
        ([YES, NO], Verdict.IN_PART),
        ([YES, UNSURE], Verdict.IN_PART),
        ([PART, NO], Verdict.IN_PART),
        ([NO, UNSURE], Verdict.FAILS),
        ([UNSURE], Verdict.NOT_TESTABLE),
    ],
)
def test_a_verdict_follows_from_the_outcomes(outcomes, verdict):
    assert verdict_of(outcomes) == verdict


def test_one_counterexample_refutes_a_claim_about_every_data_set():
    assert verdict_of([YES, NO], universal=True) == Verdict.FAILS
    assert verdict_of([YES, YES], universal=True) == Verdict.HOLDS
    assert verdict_of([YES, UNSURE], universal=True) == Verdict.IN_PART
    assert CLAIMS["C1"].universal and not CLAIMS["C2"].universal


def test_parts_of_a_claim_have_verdicts_of_their_own():
    of = Finding("", Interval(0, 0, 0), "", YES, "", ())
    judged = Judged(CLAIMS["C6"], (replace(of, part="noise"), replace(of, part="attacks", outcome=NO)))
    assert judged.parts == {"noise": Verdict.HOLDS, "attacks": Verdict.FAILS}
    assert judged.verdict == Verdict.IN_PART and Judged(CLAIMS["C6"], judged.findings[:1]).parts == {}
    shown = summary_html({"C6": judged})
    assert "noise: " in shown and "does not hold" in shown


def test_outcomes_follow_from_intervals():
    above, around, below = Interval(0.1, 0.01, 0.2), Interval(0, -0.1, 0.1), Interval(-0.1, -0.2, -0.01)
    assert [is_positive(each) for each in (above, around, below)] == [YES, UNSURE, NO]
    assert is_above(below, -0.3) == YES and is_above(around, -0.05) == UNSURE
    assert [is_a_change(each) for each in (above, around, below)] == [YES, UNSURE, YES]
    assert is_a_change(Interval(0, -0.01, 0.01)) == NO
    assert all_of([YES, NO, UNSURE]) == NO and all_of([YES, UNSURE]) == UNSURE and all_of([YES]) == YES


def test_every_verdict_and_outcome_has_a_word_and_a_sign_of_its_own():
    for looks in (VERDICT_LOOKS, OUTCOME_LOOKS):
        assert len({sign for sign, _ in looks.values()}) >= len(looks) - 1
    assert set(VERDICT_LOOKS) == set(Verdict) and set(OUTCOME_LOOKS) == set(Outcome)


def test_no_page_of_the_paper_is_made_up():
    assert not any(character.isdigit() for each in CLAIMS.values() for character in each.where)


# --- missing records ---


def test_without_records_every_claim_is_not_run(tmp_path):
    judged = judge(Evidence(tmp_path))
    assert list(judged) == list(CLAIMS)
    assert {each.verdict for each in judged.values()} == {Verdict.NOT_RUN}
    assert summary_html(judged).count("not run") == len(CLAIMS)
    assert all("not run" in findings_html(each, {}, ()) for each in judged.values())


# --- small records, where the answer is known ---


def small(tmp_path, diffusion: float, baseline: float):
    """MNIST-C with three groups, where diffusion and the baselines separate by so many standard deviations."""
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1, 1], 10)
    names = {"iforest": baseline, "ocsvm": baseline, "copod": baseline}
    names |= dict.fromkeys(("partial_diffusion", "denoiser_profile"), diffusion)
    scores = {name: generator.normal(by * labels, 1e-3) for name, by in names.items()}
    for network in ("unet", "dit"):
        own = scores | {"one_step": generator.normal(diffusion * labels, 1e-3)}
        folder = tmp_path / ("mnist-c" if network == "unet" else "mnist-c-dit") / "cpu"
        shown = (
            own
            if network == "unet"
            else {k: v for k, v in own.items() if k not in ("iforest", "ocsvm", "copod")}
        )
        baselines = tuple(name for name in ("iforest", "ocsvm", "copod") if name in shown)
        write(folder, network, **({"baselines": baselines} | shown))
    return judge(Evidence(tmp_path))


def test_a_better_network_is_found_better(tmp_path):
    judged = small(tmp_path, diffusion=1, baseline=0)
    assert judged["C1"].verdict == judged["C1b"].verdict == judged["C2"].verdict == Verdict.HOLDS
    assert judged["C5"].verdict == Verdict.NOT_RUN


def test_a_worse_network_is_found_worse(tmp_path):
    judged = small(tmp_path, diffusion=-1, baseline=1)
    assert judged["C1"].verdict == judged["C2"].verdict == judged["C3"].verdict == Verdict.FAILS
    assert findings_html(judged["C1"], {}, ()).count("contradicts") == len(judged["C1"].findings)


def test_local_and_global_corruptions_are_none_twice():
    assert not set(LOCAL) & set(GLOBAL)


# --- the committed records ---


def auroc_of(folder: Path, method: str, group: str | None) -> float:
    """An AUROC from the file of raw scores, by scikit-learn and nothing of ours."""
    record = json.loads((folder / "record.json").read_text())
    with np.load(folder / f"scores-{record['scores_sha256'][:12]}.npz") as file:
        labels, groups = file["labels"], file["groups"]
        scores = file["scores"][file["methods"].tolist().index(method)]
    rows = np.ones(len(labels), bool) if group is None else (labels == 0) | (groups == group)
    return roc_auc_score(labels[rows], scores[rows])


def test_every_number_follows_from_the_raw_scores(published):
    checked = 0
    for key, each in published.items():
        for finding in each.findings:
            if finding.terms:
                means = [np.mean([auroc_of(*one) for one in term.scores]) for term in finding.terms]
                number = sum(term.weight * mean for term, mean in zip(finding.terms, means, strict=True))
                assert finding.value.estimate == pytest.approx(number, abs=1e-9), finding.what
                assert {one[0] for term in finding.terms for one in term.scores} <= set(finding.records)
                checked += 1
            else:
                assert key in ("C5", "F1", "F2", "F3"), f"{finding.what} cannot be checked"
            assert (
                finding.value.low <= finding.value.estimate + 1e-9 and finding.value.high >= finding.value.low
            )
    assert checked >= 15


def test_an_altered_score_is_noticed(tmp_path, published):
    source = ROOT / "results" / "mnist-c" / "cpu"
    folder = tmp_path / "mnist-c" / "cpu"
    folder.mkdir(parents=True)
    for path in [source / "record.json", *source.glob("scores-*.npz")]:
        shutil.copy(path, folder)
    (path,) = folder.glob("scores-*.npz")
    with np.load(path) as file:
        arrays = dict(file)
    arrays["scores"][0, :50] *= 2
    np.savez_compressed(path, **arrays)
    with pytest.raises(RecordError, match="does not match the scores_sha256"):
        judge(Evidence(tmp_path))
    original = next(each for each in published["C1"].findings if each.records == (source,))
    (term, *_) = original.terms
    altered = np.mean([auroc_of(folder, method, group) for _, method, group in term.scores])
    assert altered != pytest.approx(np.mean([auroc_of(*each) for each in term.scores]), abs=1e-9)


# --- the page ---


def page_text() -> str:
    """All that the executed page shows."""
    outputs = [out for cell in nbformat.read(PAGE, as_version=4).cells for out in cell.get("outputs", [])]
    shown = [
        "".join(text)
        for out in outputs
        for text in out.get("data", {}).values()
        if isinstance(text, (str, list))
    ]
    return "\n".join(shown)


def test_the_page_shows_the_numbers_and_verdicts_that_the_records_give(published):
    text = page_text()
    for key, each in published.items():
        for finding in each.findings:
            assert html.escape(finding.what) in text and html.escape(finding.numbers) in text, (
                f"{key}: {finding.what}: {finding.numbers} is not on the page: python -m diffad.publish run claims"
            )
    table = summary_html(published)
    assert table in text, "the verdicts changed: python -m diffad.publish run claims"


def test_commands_of_cells_stand_together():
    known = {f"results/x/cpu/{name}": f"diffad run x.yaml --edition cpu --cell {name}" for name in "ab"}
    folders = [Path("../../results/x/cpu/a"), Path("../../results/x/cpu/b")]
    assert list(grouped_commands(folders, known)) == ["diffad run x.yaml --edition cpu --cell CELL"]
    assert list(grouped_commands(folders[:1], known)) == ["diffad run x.yaml --edition cpu --cell a"]
    assert list(grouped_commands([Path("results/y")], known)) == [""]


# --- trainings ---


def trained(monkeypatch, seeds: int, lead: float = 0.5):
    """Schedules linear and cosine, each trained with so many seeds; linear separates better by `lead`."""
    generator, cells = np.random.default_rng(0), {}
    labels, groups = np.repeat([0, 1], 200), np.repeat(["clean", "fog"], 200)
    for setting, by in (("linear", 1 + lead), ("cosine", 1.0)):
        for seed in range(seeds):
            scores = RunScores(labels, groups, {"one_step": generator.normal(by * labels)})
            record = SimpleNamespace(
                data=SimpleNamespace(split={}),
                evaluation=SimpleNamespace(num_resamples=200, confidence=0.95, seed=0),
            )
            cells[f"{setting}-{seed}"] = Cell(record, scores, None, None)
    monkeypatch.setattr(evidence_of_trainings, "read_cells", lambda folder: cells)
    monkeypatch.setattr(evidence_of_trainings, "list_records", lambda folder: [folder])
    return evidence_of_trainings.schedules(Evidence("somewhere"))


def test_settings_that_were_trained_once_decide_nothing(monkeypatch):
    (finding,) = trained(monkeypatch, seeds=1)
    assert finding.value.low > 0 and finding.outcome == UNSURE and "not decided" in finding.detail


def test_settings_that_were_trained_again_are_judged_with_their_spread(monkeypatch):
    (finding,) = trained(monkeypatch, seeds=3)
    assert finding.outcome == YES and "3 and 3 trainings" in finding.detail
    assert finding.records == tuple(
        Path("somewhere/noise-schedule/cpu", f"{name}-{seed}")
        for name in ("linear", "cosine")
        for seed in range(3)
    )
    (same,) = trained(monkeypatch, seeds=3, lead=0.0)
    assert same.outcome != YES


def test_the_dit_that_is_worse_by_an_unknown_amount_is_called_worse(published):
    for finding in published["C4"].findings:
        if finding.part == "scaling":
            worse = finding.value.high < 0 and finding.outcome == UNSURE
            assert ("worse than the U-Net" in finding.detail) == worse


def test_disturbed_images_come_with_their_false_alarms(published):
    for finding in published["C6"].findings:
        if finding.part in ("noise", "attacks"):
            assert re.search(r"false alarms \d+ %, of 5 % on clean images$", finding.detail)


def test_commands_stand_once_below_the_findings_of_a_claim():
    finding = Finding("", Interval(0, 0, 0), "", YES, "", (Path("results/x/cpu/a"),))
    known = {"results/x/cpu/a": "diffad run x.yaml --edition cpu --cell a"}
    shown = findings_html(Judged(CLAIMS["C2"], (finding, finding)), known, ())
    assert shown.count("--cell a") == 1 and "Records behind these findings (1)" in shown


def test_a_ratio_of_one_model_is_shown_without_an_interval(published):
    shown = {each.what.partition(":")[0]: each.numbers for each in published["F3"].findings}
    assert " to " in shown["CIFAR-10"] and " to " not in shown["MNIST-C"]
