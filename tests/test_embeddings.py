"""The embeddings track: cells that are taken up where they were stopped, records that can't lie, files that are checked."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from diffad.cli import app, main
from diffad.datasets.vector_protocols import adbench_published_leak, adbench_semi_supervised
from diffad.embeddings import runs
from diffad.embeddings.configuration import load_embeddings_file
from diffad.embeddings.leak import leak_by_method, share_trained_on
from diffad.embeddings.methods import METHODS, make_method
from diffad.embeddings.records import (
    VECTORS_FILE,
    CellRanks,
    list_vectors,
    ranks_of,
    read_vectors,
    verify_embeddings,
    write_vectors,
)
from diffad.embeddings.summary import interval_over_sets, read_results, student_interval
from diffad.errors import RecordError
from diffad.evaluation import auroc
from diffad.records import claim_record

EXPERIMENT = Path("experiments/embeddings.yaml")
QUICK = {"iforest": {"n_estimators": 5}, "knn": {}, "empirical_diffusion": {}}


def small_file(folder: Path, **changes) -> Path:
    """A file of two data sets, two seeds and three quick methods."""
    edition = {
        "tracks": {
            "digits": {
                "title": "digits",
                "kind": "embeddings",
                "most_training_rows": 40,
                "most_test_rows": 60,
                "data": ["digits/0", "digits/1"],
            }
        },
        "seeds": [0, 1],
        "methods": QUICK,
    } | changes
    content = {
        "name": "small",
        "title": "Small",
        "protocol": "adbench_semi_supervised",
        "editions": {"smoke": edition},
    }
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


def run(folder: Path, results: Path, changes: dict | None = None, **arguments):
    file = load_embeddings_file(small_file(folder, **(changes or {})))
    return runs.run_embeddings(file, "smoke", results, **arguments)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """The results folder of a small run."""
    folder = tmp_path_factory.mktemp("finished")
    progress = run(folder, folder / "results")
    assert len(progress.run) == 4 and not progress.stood and not progress.held
    return folder / "results"


@pytest.fixture
def copied(finished, tmp_path):
    """One data set's record, free to be damaged."""
    folder = tmp_path / "small/smoke/digits/0"
    folder.mkdir(parents=True)
    for path in (finished / "small/smoke/digits/0").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


# --- records ---


def test_every_cell_is_recorded_and_every_auroc_follows_from_the_ranks(finished):
    folders = list_vectors(finished)
    assert [folder.name for folder in folders] == ["0", "1"]
    for folder in folders:
        record, ranks = read_vectors(folder)
        assert [cell.seed for cell in record.cells] == [0, 1]
        assert all(set(cell.methods) == set(QUICK) for cell in record.cells)
        assert verify_embeddings(folder) == ([], 6)
        split = adbench_semi_supervised(record.data, seed=1, most_training_rows=40, most_test_rows=60)
        scores = make_method("knn", "embeddings", 1).fit(np.concatenate([split.train, split.validation]))
        scores = scores.decision_function(split.test)
        labels = split.reveal(scores).labels
        assert record.cell(1).methods["knn"].auroc == auroc(labels, scores)
        assert np.array_equal(ranks[1].by_method["knn"], ranks_of(scores))
        assert np.array_equal(ranks[1].labels, labels)


def test_ranks_keep_order_and_ties():
    scores = np.array([0.5, -1.0, 0.5, 7.0, -1e-300])
    assert ranks_of(scores).tolist() == [2, 0, 2, 3, 1]
    with pytest.raises(ValueError, match="at most 65536"):
        ranks_of(np.arange(70_000.0))


def test_an_altered_score_fails_the_verification(copied):
    record, ranks = read_vectors(copied)
    changed = {seed: CellRanks(cell.labels, dict(cell.by_method)) for seed, cell in ranks.items()}
    knn = changed[0].by_method["knn"].copy()
    anomalous = np.flatnonzero(changed[0].labels == 1)
    knn[anomalous] = 0
    changed[0].by_method["knn"] = knn
    write_vectors(record, changed, copied)  # hashes fit, numbers do not
    sentences, count = verify_embeddings(copied)
    assert count == 6 and len(sentences) == 1 and "seed 0, knn: auroc is recorded as" in sentences[0]
    assert main(["verify-results", "--root", str(copied)]) == 1


def test_a_replaced_scores_file_and_an_edited_record_are_refused(copied):
    (scores,) = copied.glob("scores-*.npz")
    content = scores.read_bytes()
    scores.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(RecordError, match="does not match the scores_sha256"):
        verify_embeddings(copied)
    assert main(["verify-results", "--root", str(copied)]) == 1
    scores.unlink()
    with pytest.raises(RecordError, match="is missing"):
        read_vectors(copied)
    scores.write_bytes(content)
    assert main(["verify-results", "--root", str(copied)]) == 0
    path = copied / VECTORS_FILE
    described = json.loads(path.read_text())
    described["cells"][0]["methods"]["knn"]["auroc"] = 0.999
    path.write_text(json.dumps(described))
    with pytest.raises(RecordError, match="edited by hand"):
        read_vectors(copied)
    described["cells"][0]["methods"]["knn"]["auroc"] = 1.5
    path.write_text(json.dumps(described))
    with pytest.raises(RecordError, match="not a record of vectors: cells.0.methods.knn.auroc"):
        read_vectors(copied)


# --- resuming ---


def test_what_is_recorded_is_not_run_again_and_only_what_is_new_is(finished, copied, tmp_path, monkeypatch):
    asked = []
    score = runs.score_cell
    monkeypatch.setattr(
        runs,
        "score_cell",
        lambda split, kind, methods: (
            asked.append((split.seed, sorted(methods))) or score(split, kind, methods)
        ),
    )
    results = copied.parents[3]
    assert (
        run(tmp_path, results, data="digits/0").stood == ["digits/0 seed 0", "digits/0 seed 1"] and not asked
    )
    before = read_vectors(copied)[0]
    run(tmp_path, results, {"methods": QUICK | {"lof": {}}, "seeds": [0, 1, 2]}, data="digits/0")
    assert asked == [(0, ["lof"]), (1, ["lof"]), (2, sorted([*QUICK, "lof"]))]
    after = read_vectors(copied)[0]
    assert after.cell(0).methods["knn"] == before.cell(0).methods["knn"]
    assert verify_embeddings(copied) == ([], 12)
    asked.clear()
    run(tmp_path, results, {"methods": QUICK | {"knn": {"n_neighbors": 3}}}, data="digits/0", seeds=[1])
    assert asked == [(1, ["knn"])]
    asked.clear()
    run(tmp_path, results, data="digits/0", seeds=[0], again=True)
    assert asked == [(0, sorted(QUICK))]


def test_killed_in_the_middle_it_loses_one_cell(tmp_path, monkeypatch):
    score, calls = runs.score_cell, []

    def killed_at_the_third(split, kind, methods):
        calls.append(split.data)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score(split, kind, methods)

    monkeypatch.setattr(runs, "score_cell", killed_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, tmp_path / "results")
    assert [verify_embeddings(folder) for folder in list_vectors(tmp_path / "results")] == [([], 6)]
    monkeypatch.setattr(runs, "score_cell", score)
    progress = run(tmp_path, tmp_path / "results")
    assert progress.stood == ["digits/0 seed 0", "digits/0 seed 1"]
    assert progress.run == ["digits/1 seed 0", "digits/1 seed 1"]


def test_a_data_set_that_another_process_holds_is_passed_over(tmp_path):
    held = runs.record_folder(
        load_embeddings_file(small_file(tmp_path)), "smoke", "digits/0", tmp_path / "results"
    )
    with claim_record(held):
        progress = run(tmp_path, tmp_path / "results", seeds=[0])
    assert progress.held == ["digits/0"] and progress.run == ["digits/1 seed 0"]


def test_a_record_of_other_limits_is_refused(copied, tmp_path):
    tracks = {"digits": {"title": "d", "kind": "embeddings", "most_test_rows": 50, "data": ["digits/0"]}}
    with pytest.raises(RecordError, match="has limits .*, the experiment file .*50"):
        run(tmp_path, copied.parents[3], {"tracks": tracks})


def test_a_recorded_cell_run_anew_gives_the_same_numbers(finished, tmp_path, capsys):
    command = ["embeddings", str(small_file(tmp_path)), "--results", str(finished), "--check"]
    assert main([*command, "--data", "digits/1", "--seed", "1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["method"] for row in rows] == list(QUICK) and all(row["same"] for row in rows)
    assert main([*command, "--seed", "7"]) == 2
    assert "lacks seed 7" in capsys.readouterr().err


# --- the file ---


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"methods": {"knn": {}, "k_nn": {}}},
            r"small.yaml:\d+: editions.smoke.methods: .*got 'k_nn', expected some of iforest",
        ),
        ({"methods": {"knn": {"neighbours": 3}}}, "methods.knn: got 'neighbours', which it does not take"),
        ({"methods": {"ddpm": {"preset": "dit"}}}, "methods.ddpm: got 'preset'"),
        (
            {"tracks": {"a": {"title": "a", "kind": "tables", "data": ["adbench-classical/14_glas"]}}},
            r"small.yaml:\d+: editions.smoke.tracks.a.data: adbench-classical has one of .*14_glas'",
        ),
        (
            {"tracks": {"a": {"title": "a", "kind": "tables", "data": ["digits/11"]}}},
            "expected digits/0 to digits/9",
        ),
        (
            {"tracks": {"a": {"title": "a", "kind": "tables", "data": ["mnist"]}}},
            "got 'mnist', expected an item",
        ),
        ({"tracks": {"a": {"title": "a", "kind": "images", "data": ["digits/1"]}}}, "tracks.a.kind: "),
        (
            {"tracks": {name: {"title": "a", "kind": "tables", "data": ["digits/1"]} for name in "ab"}},
            "got 'digits/1' twice, expected each data set once",
        ),
        ({"seeds": [1, 1]}, "each once"),
        ({"seed": 1}, "editions.smoke.seed: "),
    ],
)
def test_a_wrong_file_is_refused_by_file_line_and_field(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        load_embeddings_file(small_file(tmp_path, **changes))


def test_what_a_command_asks_for_must_be_there(tmp_path, capsys):
    path = str(small_file(tmp_path))
    for arguments, message in (
        (["--track", "nothing"], "track: got 'nothing', expected some of digits"),
        (["--data", "digits/9"], "data: got 'digits/9'"),
        (["--edition", "gpu"], "edition: got 'gpu', expected one of smoke"),
    ):
        assert main(["embeddings", path, "--results", str(tmp_path / "r"), *arguments]) == 2
        assert message in capsys.readouterr().err
    assert CliRunner().invoke(app, ["embeddings", "--help"]).exit_code == 0


def test_the_file_of_the_book_names_every_method_and_every_set_at_hand():
    file = load_embeddings_file(EXPERIMENT)
    for edition in file.editions.values():
        assert set(edition.methods) == set(METHODS)
    for name in ("cpu", "gpu"):
        edition = file.edition(name)
        assert edition.seeds == (0, 1, 2, 3, 4)
        assert sum(len(track.data) for track in edition.tracks.values()) == 64


# --- methods and the split ---


@pytest.mark.parametrize("kind", ["embeddings", "tables"])
@pytest.mark.parametrize("name", METHODS)
def test_no_method_gives_one_score_to_all_or_depends_on_chance(name, kind):
    settings = load_embeddings_file(EXPERIMENT).edition("smoke").methods[name]
    split = adbench_semi_supervised("digits/3", seed=2, most_training_rows=50, most_test_rows=40)
    seen = np.concatenate([split.train, split.validation])
    scores, again = (
        np.asarray(make_method(name, kind, 5, **settings).fit(seen).decision_function(split.test))
        for _ in range(2)
    )
    assert scores.shape == (len(split.test),) and np.isfinite(scores).all()
    assert len(np.unique(scores)) > len(scores) // 2
    assert np.array_equal(scores, again)


def test_tables_are_standardised_for_baselines_and_embeddings_are_not():
    rng = np.random.default_rng(0)
    train = rng.normal(size=(60, 2)) * [1, 1000]
    test = np.array(
        [[8.0, 0.0], [0.0, 2500.0]]
    )  # far in units of the first column's spread; not of the second's
    on_tables, on_embeddings = (
        make_method("knn", kind, 0).fit(train.astype(np.float32)).decision_function(test.astype(np.float32))
        for kind in ("tables", "embeddings")
    )
    assert on_tables[0] > on_tables[1] and on_embeddings[0] < on_embeddings[1]


def test_thinning_keeps_both_classes_and_leaves_small_sets_alone():
    whole = adbench_semi_supervised("digits/0", seed=3)
    same = adbench_semi_supervised("digits/0", seed=3, most_training_rows=5000, most_test_rows=5000)
    assert np.array_equal(whole.train, same.train) and np.array_equal(whole.test, same.test)
    thin = adbench_semi_supervised("digits/0", seed=3, most_training_rows=30, most_test_rows=50)
    assert len(thin.train) + len(thin.validation) == 30 and len(thin.test) == 50
    labels = thin.reveal(np.zeros(50)).labels
    share = whole.reveal(np.zeros(len(whole.test))).labels.mean()
    assert labels.mean() == pytest.approx(share, abs=0.02)
    barely = adbench_semi_supervised("digits/0", seed=3, most_test_rows=2)
    assert sorted(barely.reveal(np.zeros(2)).labels) == [0, 1]
    assert (
        thin.fingerprint
        != adbench_semi_supervised("digits/0", seed=4, most_training_rows=30, most_test_rows=50).fingerprint
    )
    with pytest.raises(ValueError, match="most_test_rows: got 1, expected None or an integer of at least 2"):
        adbench_semi_supervised("digits/0", most_test_rows=1)


# --- summaries ---


def test_means_are_over_data_sets_then_seeds_and_pairs_are_on_the_same_splits(finished):
    results = read_results(finished, "smoke", "small")
    assert results.methods == list(QUICK) and results.seeds == [0, 1]
    table = results.table.set_index(["data", "seed", "method"])["auroc"]
    by_seed = [np.mean([table[f"digits/{digit}", seed, "knn"] for digit in (0, 1)]) for seed in (0, 1)]
    found = results.mean("digits", "knn")
    assert found.estimate == pytest.approx(np.mean(by_seed))
    half = 12.7062 * np.std(by_seed, ddof=1) / 2**0.5  # Student's t, one degree of freedom
    assert found.high - found.estimate == pytest.approx(half, rel=1e-4, abs=1e-12)
    gaps = results.differences("knn", "iforest")
    assert gaps.loc["digits/1", 0] == table["digits/1", 0, "knn"] - table["digits/1", 0, "iforest"]
    comparison = results.compare("knn", "knn")
    assert comparison.difference.estimate == 0 and str(comparison.tally) == "0 / 2 / 0"
    with pytest.raises(RecordError, match="hold no 'lof'"):
        results.mean("digits", "lof")
    with pytest.raises(RecordError, match="holds no record of vectors"):
        read_results(finished, "gpu", "small")


def test_sets_of_the_same_images_are_drawn_together():
    rng = np.random.default_rng(0)
    once = pd.Series(rng.normal(size=12), index=[f"vit/{number}" for number in range(12)])
    twice = pd.concat([once, once.rename(lambda name: name.replace("vit", "resnet"))])
    apart = pd.concat([once, once.rename(lambda name: f"{name}-other")])
    width = {name: np.subtract(*[getattr(interval_over_sets(each), end) for end in ("high", "low")]) for name, each in
             {"once": once, "twice": twice, "apart": apart}.items()}  # fmt: skip
    assert width["twice"] == pytest.approx(width["once"], rel=0.05)
    assert width["apart"] < 0.8 * width["once"]
    assert student_interval([0.3]).low == 0.3


def test_a_leak_helps_who_remembers_rows(tmp_path):
    rng = np.random.default_rng(1)
    vectors, labels = rng.normal(size=(90, 12)), np.repeat([0, 1], [70, 20])
    vectors[70:] += 0.3
    folder = tmp_path / "adbench/CV_by_ViT"
    folder.mkdir(parents=True)
    np.savez(folder / "MVTec-AD_bottle.npz", X=vectors, y=labels)
    name = "adbench-vit/MVTec-AD_bottle"
    assert share_trained_on(adbench_semi_supervised(name, home=tmp_path)) == 0
    assert share_trained_on(adbench_published_leak(name, home=tmp_path)) > 0.9
    table = leak_by_method([name], ["dte_neighbours", "mahalanobis"], (0, 1), tmp_path)
    gain = table["leaking"] - table["honest"]
    assert list(table.index) == ["dte_neighbours", "mahalanobis"]
    assert gain["dte_neighbours"] > 0.2 and gain["dte_neighbours"] > gain["mahalanobis"]
