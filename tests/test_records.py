"""Records: whole or absent at any crash, refused when edited, and their metrics follow from their scores."""

import functools
import hashlib
import json
import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from pydantic import ValidationError

from diffad import evaluation, provenance, records
from diffad.datasets.protocols import clean_versus_corrupted, one_versus_rest
from diffad.errors import RecordError
from diffad.records import (
    DataDescription,
    EvaluationSettings,
    RunScores,
    new_record,
    read_record,
    write_record,
)

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


@pytest.fixture
def folder(tmp_path):
    """A folder that holds a whole record."""
    scores = some_scores()
    write_record(some_record(scores), scores, tmp_path / "run")
    return tmp_path / "run"


def scores_path(folder):
    (path,) = folder.glob("scores-*.npz")
    return path


def edit(folder, change):
    """Edit record.json by hand."""
    path = folder / "record.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


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


# --- two writers ---


def test_another_run_may_not_take_a_record_over(folder):
    scores = some_scores(1)
    for changes in ({"name": "digits/dit"}, {"experiment": {"epochs": 4}}, {"seeds": {"training": 1}}):
        with pytest.raises(RecordError, match=f"another run \\(its {next(iter(changes))} differs\\)"):
            write_record(some_record(scores, **changes), scores, folder)
    assert read_record(folder)[1].by_method["ddpm"][0] == some_scores().by_method["ddpm"][0]


def test_another_run_is_refused_before_it_starts(folder):
    old, _ = read_record(folder)
    same = {"name": old.name, "experiment": dict(old.experiment), "seeds": old.seeds}
    with records.claim_record(folder) as claim:
        claim.check_same_run(**same)
        claim.check_same_run(
            **same | {"experiment": old.experiment | {"levels": (0.1, 0.2)}}
        )  # as JSON has it
        with pytest.raises(RecordError, match="its experiment differs"):
            claim.check_same_run(**same | {"experiment": {"epochs": 9}})


def test_the_same_run_may_be_repeated(folder):
    scores = some_scores(1)
    (folder / ".model-x.partial").mkdir()  # as a killed writer of a model leaves it
    (folder / ".model-x.partial" / "weights").write_text("half")
    (folder / "model").mkdir()
    written = write_record(some_record(scores), scores, folder)
    assert read_record(folder)[0] == written
    assert scores_path(folder).name == f"scores-{written.scores_sha256[:12]}.npz"
    assert not (folder / ".model-x.partial").exists() and (folder / "model").exists()


def test_a_second_writer_is_refused_while_the_first_runs(tmp_path):
    scores = some_scores()
    record = some_record(scores)
    refusals = []

    def second():
        try:
            write_record(record, scores, tmp_path)
        except RecordError as error:
            refusals.append(str(error))

    with records.claim_record(tmp_path) as claim:
        with pytest.raises(RecordError, match="two runs may not write one record"):
            write_record(record, scores, tmp_path)
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        claim.write(record, scores)
    assert len(refusals) == 1
    write_record(record, scores, tmp_path)  # the claim has ended


# --- crashes ---


class Crash(BaseException):
    """A kill, as far as Python code can feel one: nothing may be cleaned up after it."""


def test_a_crash_at_any_step_leaves_the_old_record_or_the_new(folder, monkeypatch):
    """Count the steps that touch the disk, then die before each of them in turn."""
    old, _ = read_record(folder)
    scores = some_scores(1)
    new = some_record(scores)
    real = {name: getattr(os, name) for name in ("replace", "unlink", "fsync", "open", "chmod")}
    steps, outcomes = {"left": 10**6}, []

    def dying(name):
        def call(*arguments, **keywords):
            if steps["left"] <= 0:
                raise Crash
            steps["left"] -= 1
            return real[name](*arguments, **keywords)

        return call

    with monkeypatch.context() as patch:
        for name in real:
            patch.setattr(os, name, dying(name))
        for step in range(1000):
            steps["left"] = step
            try:
                written = write_record(new, scores, folder)
                break
            except Crash:
                steps["left"] = 10**6
                outcomes.append(read_record(folder)[0])
    assert written == read_record(folder)[0]
    assert len(outcomes) >= 8 and all(outcome in (old, written) for outcome in outcomes)
    assert outcomes[0] == old and written in outcomes


KILLED = """
    import sys
    sys.path[:0] = {path!r}
    from test_records import some_record, some_scores, write_record
    pairs = [(some_record(scores), scores) for scores in map(some_scores, (0, 1))]
    print("ready", flush=True)
    while True:
        for record, scores in pairs:
            write_record(record, scores, sys.argv[1])
"""


def test_a_killed_writer_never_leaves_half_a_record(folder):
    expected = [some_scores(seed).by_method["ddpm"] for seed in (0, 1)]
    code = textwrap.dedent(KILLED.format(path=[os.path.dirname(__file__), os.getcwd()]))
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout.readline() == "ready\n"
        time.sleep(0.05)  # some writes later, in the midst of one
        child.kill()
    _, scores = read_record(folder)
    assert any(np.array_equal(scores.by_method["ddpm"], values) for values in expected)
    scores = some_scores(0)
    written = write_record(some_record(scores), scores, folder)  # the dead writer's claim has ended
    assert read_record(folder)[0] == written
    left = {path.name for path in folder.iterdir()} - {records.LOCK_FILE}
    assert left == {"record.json", f"scores-{written.scores_sha256[:12]}.npz"}


def test_a_reader_beside_a_writer_sees_whole_records(folder):
    stop = threading.Event()

    def write():
        seed = 0
        while not stop.is_set():
            seed = 1 - seed
            scores = some_scores(seed)
            write_record(records_made[seed], scores, folder)

    records_made = [some_record(some_scores(seed)) for seed in (0, 1)]
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            record, scores = read_record(folder)
            assert record.metrics == records_made[0].metrics or record.metrics == records_made[1].metrics
    finally:
        stop.set()
        writer.join()


# --- staleness ---


def test_a_fresh_record_is_not_stale(folder):
    record, _ = read_record(folder)
    assert not records.is_stale(record) and records.stale_modules(record) == []


@pytest.fixture
def package(monkeypatch, tmp_path):
    """A package that a record's scores are computed by: its entry, a network, a reader of files and a figure."""
    files = {
        "methods.py": b"from diffad import configuration\nfrom diffad.networks import unet\n\n\n"
        b"def run():\n    return unet.z\n",
        "networks/__init__.py": b"",
        "networks/unet.py": b"z = 3\n",
        "configuration.py": b"from diffad import yaml_lines\n",
        "yaml_lines.py": b"",
        "figures.py": b"colour = 1\n",
    }
    folder = tmp_path / "diffad"
    (folder / "networks").mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)
    compute = functools.partial(provenance.source_files, (folder / "methods.py",), tmp_path)
    monkeypatch.setattr(records, "source_files", compute)
    return folder


@pytest.fixture
def record_of_package(package):
    files = records.source_files()
    made_by = provenance.provenance().model_copy(update={"source_files": files})
    return some_record(some_scores()).model_copy(update={"provenance": made_by})


def test_a_change_of_code_that_the_run_reaches_makes_a_record_stale(package, record_of_package):
    assert not records.is_stale(record_of_package)
    (package / "networks" / "unet.py").write_bytes(b"z = 4\n")
    assert records.is_stale(record_of_package)
    assert records.stale_modules(record_of_package) == ["diffad/networks/unet.py"]
    (package / "networks" / "unet.py").write_bytes(b"z = 3\n")
    assert not records.is_stale(record_of_package)
    entry = package / "methods.py"
    (package / "networks" / "dit.py").write_bytes(b"")
    entry.write_bytes(entry.read_bytes().replace(b"import unet", b"import dit, unet"))
    assert records.stale_modules(record_of_package) == ["diffad/methods.py", "diffad/networks/dit.py"]


def test_a_remark_or_a_figure_or_a_reader_of_files_makes_no_record_stale(package, record_of_package):
    assert not {"diffad/configuration.py", "diffad/yaml_lines.py"} & records.source_files().keys()
    for name in ("figures.py", "configuration.py", "yaml_lines.py"):
        (package / name).write_bytes(b"changed = 2\n")
    (package / "methods.py").write_bytes(
        b'"""What it is for."""\r\nfrom diffad import configuration\r\n'
        b"from diffad.networks import unet  # a remark\r\n\r\n"
        b'def run():\r\n    """Say more."""\r\n    return unet.z\r\n'
    )
    assert records.stale_modules(record_of_package) == []


def test_code_that_no_longer_computes_anything_makes_no_record_stale(record_of_package):
    files = {**record_of_package.provenance.source_files, "diffad/gone.py": "0" * 64}
    made_by = record_of_package.provenance.model_copy(update={"source_files": files})
    assert not records.is_stale(record_of_package.model_copy(update={"provenance": made_by}))


def test_provenance_names_versions_and_device():
    found = provenance.provenance()
    assert {"python", "torch", "diffusers", "pyod", "numpy", "scikit-learn"} <= found.versions.keys()
    assert found.device.startswith("CPU, ")
    computing = {"datasets/readers/cifar10.py", "networks/dit.py", "training/trainer.py", "methods.py", "baselines.py"}
    assert len(found.source_hash) == 64 and {f"diffad/{name}" for name in computing} <= found.source_files.keys()
    idle = ("figures", "cli", "configuration.py", "yaml_lines.py", "records.py", "experiments.py")
    assert not {name for name in found.source_files if name.removeprefix("diffad/").startswith(idle)}
