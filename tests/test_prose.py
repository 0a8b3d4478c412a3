"""The words: spelling, and sources that can be found."""

import datetime
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pybtex.database import parse_file

ROOT = Path(__file__).parents[1]
PROSE = [
    *sorted((ROOT / "book").rglob("*.md")),
    *sorted((ROOT / "notebooks").glob("*.py")),
    *[ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CITATION.cff")],
]
WORDS = Path(__file__).parent / "words.txt"  # right here, and misspelt to codespell
SOURCES = parse_file(ROOT / "book" / "references.bib").entries


def misspelt(*paths: Path) -> list[str]:
    command = [sys.executable, "-m", "codespell_lib", "--ignore-words", str(WORDS), *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True).stdout.splitlines()


def test_words_are_spelt_right():
    assert not misspelt(*PROSE)


def test_a_misspelt_word_is_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("The recieved image.\n")
    assert len(misspelt(page)) == 1


def fields(name: str) -> dict[str, str]:
    return {key.lower(): value.strip() for key, value in SOURCES[name].fields.items()}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_can_be_found(name):
    given = fields(name)
    assert given.keys() & {"doi", "eprint", "url", "isbn"}, "needs a doi, an eprint (arXiv), an isbn or a url"
    assert re.fullmatch(r"(19|20)\d\d", given["year"]) and given["title"]
    if "doi" in given:
        assert re.fullmatch(r"10\.\d{4,9}/[-._;()/:A-Za-z0-9]+", given["doi"]), given["doi"]
    if "url" in given:
        parts = urlsplit(given["url"])
        assert parts.scheme == "https" and "." in parts.netloc and " " not in given["url"], given["url"]


@pytest.mark.parametrize("name", [name for name in SOURCES if "eprint" in fields(name)])
def test_an_arxiv_number_is_of_a_month_before_the_paper_appeared(name):
    given = fields(name)
    assert given.get("archiveprefix") == "arXiv"
    number = re.fullmatch(r"(\d\d)(0[1-9]|1[0-2])\.(\d{4,5})", given["eprint"])
    assert number, f"{given['eprint']} is no number of arXiv"
    year, month = 2000 + int(number[1]), int(number[2])
    assert len(number[3]) == (5 if year >= 2015 else 4)
    assert (year, month) <= (datetime.date.today().year, datetime.date.today().month)
    # Some appear at a conference or in a journal years later; pedregosa2011 came to arXiv the year after.
    assert year - 1 <= int(given["year"]) <= year + 4, f"arXiv says {year}, the entry {given['year']}"


def test_no_source_stands_twice():
    for field in ("doi", "eprint"):
        values = [fields(name)[field].lower() for name in SOURCES if field in fields(name)]
        assert len(values) == len(set(values))
    titles = [re.sub(r"\W+", " ", fields(name)["title"]).lower() for name in SOURCES]
    assert len(titles) == len(set(titles))
