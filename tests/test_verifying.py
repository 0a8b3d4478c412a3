"""Every recorded figure is recomputed, and what does not follow is told with its file and line."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from small_records import QUICK, some_record, some_scores

from diffad.cli import main
from diffad.errors import DataNotFound
from diffad.records import content_hash, write_record
from diffad.run_record import RunRecord
from diffad.verifying import verify_all, verify_file

ROOT = Path(__file__).parent.parent
assert QUICK.num_resamples <= 20, "the tests are meant to be quick"


@pytest.fixture
def root(tmp_path):
    """Two whole records."""
    for number in (0, 1):
        scores = some_scores(number)
        write_record(some_record(scores), scores, tmp_path / f"run-{number}")
    return tmp_path


def line_of(path: Path, text: str) -> int:
    return next(n for n, line in enumerate(path.read_text().splitlines(), start=1) if text in line)


def test_whole_records_have_no_fault(root):
    checked = verify_all(root, jobs=1)
    assert [Path(each.path).parent.name for each in checked] == ["run-0", "run-1"]
    assert all(each.count == 18 and not each.faults for each in checked)


def test_several_processes_find_the_same(root):
    assert verify_all(root, jobs=2) == verify_all(root, jobs=1)


def test_a_number_edited_by_hand_is_found_with_its_line(root):
    path = root / "run-0" / "record.json"
    record = RunRecord.model_validate_json(path.read_bytes())
    text = path.read_text()
    old = repr(record.metrics[4].estimate)
    assert old in text
    lines = text.splitlines()
    at = [n for n, line in enumerate(lines) if '"estimate"' in line][4]
    lines[at] = lines[at].replace(old, "0.125")
    path.write_text("\n".join(lines) + "\n")
    number, hash_ = verify_file(path).faults
    assert number.line == at + 1 and "estimate is recorded as 0.125" in number.sentence
    assert "edited by hand" in hash_.sentence and hash_.line == line_of(path, '"content_hash"')


def test_a_forged_record_whose_hash_was_made_anew_is_found(root):
    path = root / "run-0" / "record.json"
    record = RunRecord.model_validate_json(path.read_bytes())
    better = record.metrics[0].model_copy(update={"high": 2.0})
    forged = record.model_copy(update={"metrics": (better, *record.metrics[1:])})
    forged = forged.model_copy(update={"content_hash": content_hash(forged)})
    path.write_text(json.dumps(forged.model_dump(mode="json"), indent=1))
    (fault,) = verify_file(path).faults
    assert "high is recorded as 2.0" in fault.sentence and fault.line == line_of(path, '"high": 2.0')
    assert str(fault).startswith(f"{path}:{fault.line}: ")


def test_a_metric_left_out_and_one_made_up_are_found(root):
    path = root / "run-0" / "record.json"
    record = RunRecord.model_validate_json(path.read_bytes())
    made_up = record.metrics[0].model_copy(update={"method": "oracle"})
    forged = record.model_copy(update={"metrics": (*record.metrics[1:], made_up)})
    forged = forged.model_copy(update={"content_hash": content_hash(forged)})
    path.write_text(json.dumps(forged.model_dump(mode="json"), indent=1))
    sentences = [fault.sentence for fault in verify_file(path).faults]
    assert len(sentences) == 4 and sum("no such method" in each for each in sentences) == 3
    assert sum("is not recorded" in each for each in sentences) == 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('"name": "digits/ddpm"', '"name": "digits/ddpn"', "edited by hand"),
        ('"format": "diffad-run-1"', '"format": "diffad-run-9"', "format"),
        ('"name": "digits/ddpm",', '"name": "digits/ddpm"', "not a run record"),
    ],
)
def test_what_is_refused_is_told_with_its_line(root, old, new, words):
    path = root / "run-0" / "record.json"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    fault = verify_file(path).faults[-1]
    assert words in fault.sentence and fault.line is not None
    if "format" in old:
        assert fault.line == line_of(path, new)


def test_altered_scores_are_found_at_the_line_of_their_hash(root):
    (scores,) = (root / "run-0").glob("scores-*.npz")
    with np.load(scores) as file:
        arrays = dict(file)
    arrays["scores"][0, 0] += 1
    np.savez_compressed(scores, **arrays)
    path = root / "run-0" / "record.json"
    faults = verify_file(path).faults
    assert "does not match the scores_sha256" in faults[-1].sentence
    assert faults[-1].line == line_of(path, '"scores_sha256"')
    scores.unlink()
    assert "is missing" in verify_file(path).faults[-1].sentence


def test_the_command_fails_on_one_fault_and_tells_where(root, capsys):
    assert main(["verify-results", "--root", str(root), "--jobs", "1"]) == 0
    assert "36 figures of 2 files recomputed, 0 faults" in capsys.readouterr().out
    (scores,) = (root / "run-1").glob("scores-*.npz")
    scores.unlink()
    assert main(["verify-results", "--root", str(root), "--jobs", "1"]) == 1
    out, err = capsys.readouterr()
    assert "MISMATCH" in out and "run-1/record.json" in err
    assert main(["verify-results", "--root", str(root), "--jobs", "1", "--json"]) == 1
    rows = json.loads(capsys.readouterr().out)
    assert [bool(row["mismatches"]) for row in rows] == [False, True]


def test_no_record_and_no_folder_are_told(tmp_path):
    with pytest.raises(DataNotFound, match="no record is in"):
        verify_all(tmp_path)
    with pytest.raises(DataNotFound, match="is not a folder"):
        verify_all(tmp_path / "none")


KINDS = (
    "vectors.json",
    "efficiency.json",
    "sensitivity.json",
    "quality.json",
    "localisation.json",
)


@pytest.mark.parametrize("name", KINDS)
def test_published_records_of_every_kind_are_whole_and_damaged_ones_are_told(name, tmp_path):
    found = sorted((ROOT / "results").rglob(name))
    if not found:
        pytest.skip(f"no {name} is published")
    path = min(found, key=lambda each: each.stat().st_size)
    assert not verify_file(path).faults
    below = path.relative_to(ROOT / "results").parent
    shutil.copytree(path.parent, tmp_path / below, ignore=shutil.ignore_patterns("model"))
    copy = tmp_path / below / name
    text = copy.read_text()
    copy.write_text(text[: len(text) // 2])
    assert verify_file(copy).faults and verify_file(copy).faults[0].line is not None
