"""`diffad data` from a terminal: list, fetch, verify, where."""

import json
from pathlib import Path

import pytest
from releases import write_cifar10
from typer.testing import CliRunner

from diffad.cli.data import app
from diffad.datasets import CATALOG
from diffad.errors import DiffadError


def run(*arguments: str):
    return CliRunner().invoke(app, list(arguments))


def test_list_says_what_is_here(mnist_home: Path) -> None:
    shown = run("list", "--home", str(mnist_home))
    assert shown.exit_code == 0 and all(name in shown.output for name in CATALOG)
    rows = {row["name"]: row for row in json.loads(run("list", "--json", "--home", str(mnist_home)).output)}
    assert rows["mnist"]["here"] == rows["digits"]["here"] == "yes" and rows["cifar10"]["here"] == "no"
    assert rows["mvtec-ad"]["must_accept_licence"] and rows["mvtec-ad"]["bytes"] == 5_264_982_680
    assert rows["adbench-vit"]["bytes"] is None


def test_verify_prints_checks_and_notes(home: Path) -> None:
    write_cifar10(home)
    shown = run("verify", "cifar10", "--home", str(home))
    assert (
        shown.exit_code == 0 and "read 60,000 images" in shown.output and "put there by hand" in shown.output
    )
    found = json.loads(run("verify", "cifar10", "--json", "--home", str(home)).output)
    assert found["name"] == "cifar10" and found["checks"] == ["read 60,000 images"]
    (home / "cifar-10-batches-bin" / "data_batch_5.bin").unlink()
    assert "cifar10 train: absent" in run("verify", "cifar10", "--home", str(home)).output


def test_where_prints_the_data_home(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIFFAD_DATA", str(home))
    assert run("where").output.strip() == str(home)


def test_fetch_of_what_is_there_says_so(mnist_home: Path) -> None:
    shown = run("fetch", "mnist", "--quiet", "--home", str(mnist_home))
    assert shown.exit_code == 0 and "already there" in shown.output and "CC BY-SA 3.0" in shown.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("fetch", "mvtec-ad"), "pass --accept-licence"),
        (("fetch", "letters"), "data set must be one of digits"),
        (("fetch", "mini-imagenet", "--accept-licence"), "register at https://image-net.org/download"),
        (("verify", "mnist"), "diffad data fetch mnist"),
        (("verify", "folder"), "no official release"),
    ],
)
def test_errors_are_one_sentence_for_the_command_line_to_print(arguments, message: str, home: Path) -> None:
    failed = run(*arguments, "--home", str(home))
    assert isinstance(failed.exception, ValueError) and message in str(failed.exception)
    assert "\n" not in str(failed.exception)


def test_a_home_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert run("list", "--home", str(tmp_path / "file")).exit_code == 2


def test_the_errors_of_the_data_command_are_those_that_the_command_line_turns_into_exit_code_2(
    home: Path,
) -> None:
    assert isinstance(run("fetch", "mvtec-ad", "--home", str(home)).exception, DiffadError)
