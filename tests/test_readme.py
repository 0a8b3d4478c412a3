"""The README's example does what it says."""

import doctest
import re
import tomllib
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def test_the_example_for_pyod_users_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (block,) = re.findall(r"^```python\n(.*?)^```", README.read_text(encoding="utf-8"), re.M | re.S)
    example = doctest.DocTestParser().get_doctest(block, {}, "README", str(README), 0)
    report: list[str] = []
    result = doctest.DocTestRunner().run(example, out=report.append)
    assert result.attempted >= 7 and not result.failed, "".join(report)
    assert (tmp_path / "my_detector" / "detector.json").is_file()


def test_badges_and_pictures_are_files_of_the_project_and_say_what_holds():
    text = README.read_text(encoding="utf-8")
    pictures = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text) + re.findall(r'<img src="([^"]+)"', text)
    assert len(pictures) >= 5 and all((README.parent / each).is_file() for each in pictures)
    links = re.findall(r"(?<!!)\[[^\]]*?(?:\]\([^)]*\))?\]\(([^)]+)\)", text)
    assert all(each.startswith("https://") or (README.parent / each).exists() for each in links)
    project = tomllib.loads((README.parent / "pyproject.toml").read_text())["project"]
    badges = README.parent / "book" / "_static" / "badges"
    assert project["requires-python"].removeprefix(">=") + "+" in (badges / "python.svg").read_text()
    assert project["license"]["text"] in (badges / "licence.svg").read_text()


def test_the_recipes_name_files_that_exist():
    text = (README.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:diffad|tests|notebooks|book|experiments)/[\w./]+)`", text)
    missing = [each for each in named if "my_chapter" not in each and not (README.parent / each).exists()]
    assert len(named) > 15 and not missing
