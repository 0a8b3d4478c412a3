"""Records: refused when edited, and their metrics follow from their scores."""

import hashlib
import json

import numpy as np
import pytest
from pydantic import ValidationError
from small_records import edit, scores_path, some_record, some_scores, write_some

from diffad import evaluation, records
from diffad.datasets.protocols import clean_versus_corrupted, one_versus_rest
from diffad.errors import RecordError
from diffad.records import RunScores, read_record, write_record


@pytest.fixture
def folder(tmp_path):
    """A folder that holds a whole record."""
    return write_some(tmp_path / "run")


# --- round trip ---


def test_a_record_comes_back_as_it_was_written(tmp_path):
    scores = some_scores()
    written = write_record(some_record(scores), scores, tmp_path / "a" / "run")
    record, read = read_record(tmp_path / "a" / "run")
    assert record == written
    assert record.wall_seconds["ddpm/train"] == 1 / 3  # to the last bit
    assert np.array_equal(read.labels, scores.labels) and np.array_equal(read.groups, scores.groups)
    assert np.array_equal(read.units, scores.units) and list(read.by_method) == ["ddpm", "iforest"]
    assert all(np.array_equal(read.by_method[name], scores.by_method[name]) for name in scores.by_method)
    path = scores_path(tmp_path / "a" / "run")
    assert hashlib.sha256(path.read_bytes()).hexdigest() == record.scores_sha256
    assert sorted(p.name for p in path.parent.iterdir() if p.name != records.LOCK_FILE) == [
        "record.json",
        path.name,
    ]


def test_a_record_without_units_comes_back(tmp_path):
    scores = some_scores()
    scores = RunScores(scores.labels, scores.groups, scores.by_method)
    write_record(some_record(scores), scores, tmp_path)
    assert read_record(tmp_path)[1].units is None


def test_the_same_scores_give_the_same_bytes():
    assert some_scores().to_bytes() == some_scores().to_bytes() != some_scores(1).to_bytes()


def test_metrics_follow_from_the_scores(folder):
    record, scores = read_record(folder)
    assert records.recompute(record, scores) == record.metrics
    assert records.mismatches(record, scores) == []
    arguments = scores.labels, scores.groups, scores.by_method["ddpm"]
    mean = evaluation.mean_over_groups_interval("auroc", *arguments, num_resamples=20, units=scores.units)
    assert record.interval("ddpm") == mean
    fog = scores.groups != "stripe"
    expected = evaluation.average_precision(scores.labels[fog], scores.by_method["iforest"][fog])
    assert record.interval("iforest", "average_precision", "fog").estimate == pytest.approx(expected)
    assert len(record.table()) == 2 * 3 * 3
    assert list(record.table().columns) == ["method", "group", "metric", "estimate", "low", "high"]
    with pytest.raises(RecordError, match="no auroc of 'dit' for 'mean'"):
        record.interval("dit")


def test_a_metric_that_the_scores_do_not_give_is_found(folder):
    record, scores = read_record(folder)
    better = record.metrics[0].model_copy(update={"estimate": record.metrics[0].estimate + 1e-6})
    forged = record.model_copy(update={"metrics": (better, *record.metrics[1:])})
    (sentence,) = records.mismatches(forged, scores)
    assert "digits/ddpm" in sentence and "estimate is recorded as" in sentence
    (sentence,) = records.mismatches(record.model_copy(update={"metrics": record.metrics[1:]}), scores)
    assert "not recorded" in sentence


def test_scores_of_a_split_take_its_labels_and_know_its_shared_digits():
    split = clean_versus_corrupted("digits", per_group=15, corruptions=["fog", "stripe"])
    scores = RunScores.of_split(split, {"mean": split.test.mean(axis=(1, 2, 3))})
    assert sorted(set(scores.groups)) == ["clean", "fog", "stripe"] and scores.labels.sum() == 30
    digits = [set(scores.units[scores.groups == name]) for name in ("clean", "fog", "stripe")]
    assert digits[1] == digits[2] and not digits[0] & digits[1]
    split = one_versus_rest("digits", 3)
    scores = RunScores.of_split(split, {"mean": split.test.mean(axis=(1, 2, 3))})
    assert scores.units is None and len(set(scores.groups)) == 10
    with pytest.raises(ValueError, match="finite"):
        RunScores.of_split(split, {"mean": np.full(len(split.test), np.nan)})
    with pytest.raises(ValueError, match="at least one method"):
        RunScores.of_split(split, {})


def test_records_are_listed_and_unfinished_runs_are_not(folder, tmp_path):
    with records.claim_record(tmp_path / "unfinished"):
        pass
    (tmp_path / "unfinished" / "scores-000000000000.npz").write_bytes(b"")
    assert records.list_records(tmp_path) == [folder]


# --- altered records ---

EDITS = {
    "metric": lambda content: content["metrics"][0].update(estimate=0.999),
    "last digit": lambda content: content["metrics"][0].update(low=content["metrics"][0]["low"] + 1e-15),
    "configuration": lambda content: content["experiment"].update(learning_rate=0.01),
    "edition": lambda content: content.update(edition="gpu"),
    "device": lambda content: content["provenance"].update(device="NVIDIA H100"),
    "source hash": lambda content: content["provenance"].update(source_hash="0" * 64),
    "scores' hash": lambda content: content.update(scores_sha256="0" * 64),
    "method dropped": lambda content: content.update(metrics=content["metrics"][9:]),
}


@pytest.mark.parametrize("case", EDITS)
def test_an_edit_by_hand_is_refused_naming_the_file(folder, case):
    edit(folder, EDITS[case])
    with pytest.raises(RecordError, match="record.json was edited by hand"):
        read_record(folder)


def test_a_reformatted_record_is_still_whole(folder):
    before, _ = read_record(folder)
    path = folder / "record.json"
    path.write_text(json.dumps(json.loads(path.read_text()), sort_keys=True, indent=8))
    assert read_record(folder)[0] == before


BROKEN_JSON = {
    "not json": (lambda path: path.write_text("{"), "not a run record"),
    "not text": (lambda path: path.write_bytes(b"\xff\x00"), "not a run record"),
    "empty": (lambda path: path.write_text(""), "not a run record"),
    "missing": (lambda path: path.unlink(), "is missing"),
    "a folder": (lambda path: (path.unlink(), path.mkdir()), "cannot be read"),
    "a list": (lambda path: path.write_text("[]"), "not a run record"),
}


@pytest.mark.parametrize("case", BROKEN_JSON)
def test_a_broken_record_is_refused_naming_the_file(folder, case):
    spoil, message = BROKEN_JSON[case]
    spoil(folder / "record.json")
    with pytest.raises(RecordError, match=f"record.json.*{message}") as refusal:
        read_record(folder)
    assert "\n" not in str(refusal.value)


def test_an_unknown_key_is_refused_by_name(folder):
    edit(folder, lambda content: content.update(note="tuned a little"))
    with pytest.raises(RecordError, match="record.json is not a run record: note: Extra inputs"):
        read_record(folder)


def test_a_record_without_hashes_is_refused(folder):
    edit(folder, lambda content: content.update(content_hash=None))
    with pytest.raises(RecordError, match="lacks its hashes"):
        read_record(folder)


def flip_a_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (flip_a_byte, "does not match the scores_sha256"),
        (lambda path: path.write_bytes(path.read_bytes()[:-30]), "does not match the scores_sha256"),
        (lambda path: path.write_bytes(some_scores(5).to_bytes()), "does not match the scores_sha256"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["flipped", "truncated", "replaced", "missing"],
)
def test_damaged_scores_are_refused_naming_the_file(folder, spoil, message):
    path = scores_path(folder)
    spoil(path)
    with pytest.raises(RecordError, match=f"{path.name}.*{message}"):
        read_record(folder)


class Trap:
    """Unpickling this would make a file."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return open, (self.path, "w")


def forge(folder, content):
    """Put `content` in place of the scores and mend both hashes, as a forger would."""
    record, _ = read_record(folder)
    scores_path(folder).unlink()
    record = record.model_copy(update={"scores_sha256": hashlib.sha256(content).hexdigest()})
    record = record.model_copy(update={"content_hash": records.content_hash(record)})
    (folder / "record.json").write_text(record.model_dump_json())
    (folder / f"scores-{record.scores_sha256[:12]}.npz").write_bytes(content)


def test_pickled_scores_are_never_unpickled(folder, tmp_path):
    trap = tmp_path / "sprung"
    np.savez(
        tmp_path / "trap.npz",
        labels=np.array([Trap(trap)], dtype=object),
        groups=[""],
        methods=[""],
        scores=[0],
    )
    forge(folder, (tmp_path / "trap.npz").read_bytes())
    with pytest.raises(RecordError, match="does not hold a record's scores"):
        read_record(folder)
    assert not trap.exists()


def npz(path, **arrays):
    np.savez(path, **arrays)
    return path.read_bytes()


def npy(path):
    np.save(path, np.arange(3))
    return path.read_bytes()


def test_well_hashed_files_of_another_kind_are_refused(folder, tmp_path):
    for content in (
        b"",
        b"hello",
        npz(tmp_path / "a.npz", labels=[0, 1]),
        some_scores().to_bytes()[:200],
        npy(tmp_path / "a.npy"),
    ):
        forge(folder, content)
        with pytest.raises(RecordError, match="does not hold a record's scores"):
            read_record(folder)
        path = scores_path(folder)
        path.write_bytes(content)
        scores = some_scores()
        (folder / "record.json").unlink()
        write_record(some_record(scores), scores, folder)


# --- bad input ---


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"edition": "huge"}, "edition"),
        ({"name": ""}, "name"),
        ({"experiment": {"rate": float("nan")}}, "experiment"),
        ({"experiment": {"model": object()}}, "experiment"),
        ({"seeds": {"training": 0.5}}, "seeds"),
        ({"wall_seconds": {"train": float("inf")}}, "wall_seconds"),
    ],
)
def test_impossible_fields_are_refused_by_name(changes, field):
    with pytest.raises(ValidationError, match=field):
        some_record(some_scores(), **changes)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.zeros(36)}, "only the class 0"),
        ({"by_method": {}}, "at least one method"),
        ({"by_method": {"ddpm": np.full(36, np.nan)}}, "scores of 'ddpm' must be finite"),
        ({"by_method": {"ddpm": np.zeros(35)}}, "differ in length"),
        ({"groups": np.repeat("all", 36)}, "holds both"),
        ({"units": np.arange(36)}, "each once"),
    ],
)
def test_impossible_scores_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        RunScores(**(vars(some_scores()) | changes))


def test_an_unwritable_folder_is_refused_in_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    scores = some_scores()
    with pytest.raises(ValueError, match="cannot write"):
        write_record(some_record(scores), scores, tmp_path / "file" / "run")
