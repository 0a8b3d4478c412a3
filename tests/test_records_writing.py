"""Records are whole or absent at any crash, and no two runs write one."""

import os
import subprocess
import sys
import textwrap
import threading
import time

import numpy as np
import pytest
from small_records import scores_path, some_record, some_scores, write_some

from diffad import records
from diffad.errors import RecordError
from diffad.records import read_record, write_record


@pytest.fixture
def folder(tmp_path):
    """A folder that holds a whole record."""
    return write_some(tmp_path / "run")


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
