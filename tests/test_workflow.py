"""Every record that the experiment files ask for is found once, with the command that makes it."""

from pathlib import Path

import pytest
import yaml
from test_experiments import CONTENT

from diffad.cli import main
from diffad.configuration import load_experiment
from diffad.experiments import record_folder
from diffad.records import list_records, read_record
from diffad.workflow import command_of, commands, find_jobs, read_experiments, run_cell
from diffad.workflow import main as workflow_main

ROOT = Path(__file__).parent.parent
COMPARED = {
    "name": "compared",
    "title": "Compared",
    "scorers": {"a": {"scorer": "one_level"}},
    "editions": {"smoke": {"runs": {"tiny": "results/tiny/smoke"}}},
}


@pytest.fixture
def folder(tmp_path):
    """experiments/ with one run and one comparison of it."""
    for content in (CONTENT, COMPARED):
        write(tmp_path, content["name"], content)
    return tmp_path


def write(root, name, content):
    path = root / "experiments" / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_jobs_are_found_with_their_commands(folder):
    compared, run = find_jobs("smoke", folder / "experiments", folder / "out")
    assert run.folder == folder / "out/tiny/smoke" and run.datasets == ("digits",) and run.cell is None
    assert run.command == f"diffad run {folder}/experiments/tiny.yaml --edition smoke"
    assert compared.folder == folder / "out/compared/smoke/tiny"
    assert compared.command.endswith("compared.yaml --edition smoke --run tiny")
    assert compared.needs == (folder / "out/tiny/smoke",)
    assert find_jobs("gpu", folder / "experiments") == []


@pytest.mark.parametrize("edition", ["smoke", "cpu", "gpu"])
def test_the_published_files_ask_for_each_record_once(edition):
    jobs = find_jobs(edition, ROOT / "experiments")
    folders = [job.folder.as_posix().casefold() for job in jobs]
    assert folders and len(folders) == len(set(folders))
    nested = {other for other in folders for each in folders if other.startswith(each + "/")}
    assert not nested, "one record lies within the folder of another"


def test_two_files_of_one_name_are_refused_with_their_lines(folder):
    path = write(folder, "again", CONTENT | {"name": "TINY", "title": "Again"})
    with pytest.raises(ValueError, match=r"tiny.yaml:\d+: name: .*again.yaml:\d+, too"):
        read_experiments(folder / "experiments")
    write(folder, "again", CONTENT)
    code = main(["run", str(path), "--results", str(folder / "out")])
    assert code == 2 and not (folder / "out").exists()


def test_a_file_that_is_no_experiment_is_refused(folder):
    write(folder, "shopping", {"name": "shopping", "milk": 2})
    with pytest.raises(ValueError, match=r"shopping.yaml:1: got none of the keys"):
        find_jobs("smoke", folder / "experiments")


def test_a_cell_is_run_unless_its_record_stands(folder, capsys):
    file, out = folder / "experiments" / "tiny.yaml", folder / "out"
    assert run_cell(file, "smoke", None, out, folder / "work")
    before, _ = read_record(out / "tiny" / "smoke")
    assert not run_cell(file, "smoke", None, out, folder / "work")
    workflow_main(["run", str(file), "--results", str(out)])
    assert "its record stands" in capsys.readouterr().out
    assert read_record(out / "tiny" / "smoke")[0] == before
    with pytest.raises(SystemExit):
        workflow_main(["run", str(file), "--cell", "none", "--results", str(out)])
    assert "cell: got 'none'" in capsys.readouterr().err


def test_every_recorded_run_has_a_command_whose_file_and_cell_exist():
    known = commands(ROOT)
    published = [each.relative_to(ROOT) for each in list_records(ROOT / "results")]
    assert published
    for folder in published:
        command = command_of(Path("..") / ".." / folder, known)
        if folder.parts[1].startswith("mvtec-ad-"):  # of diffad.feature_experiments, which has no file
            continue
        words = command.split()
        assert words[0] == "diffad" and (ROOT / words[2]).is_file(), folder
        cell = words[words.index("--cell") + 1] if "--cell" in words else None
        if words[1] == "run":
            edition = load_experiment(ROOT / words[2]).edition(words[4])
            edition.of_cell(cell)
            assert record_folder(load_experiment(ROOT / words[2]), words[4], "results", cell) == folder


def test_a_part_of_a_job_has_the_jobs_command_and_a_stranger_none():
    known = {"results/robustness/cpu/ship": "diffad robustness ..."}
    assert command_of("results/robustness/cpu/ship/noise", known) == "diffad robustness ..."
    assert command_of("results/other", known) == ""


def test_jobs_are_listed(folder, capsys):
    workflow_main(["list", "--experiments", str(folder / "experiments")])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[0] for line in lines] == ["results/compared/smoke/tiny", "results/tiny/smoke"]
