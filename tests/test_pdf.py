"""The PDF: a browser is found or asked for in one sentence, and a PDF appears whole or not at all."""

import os
from pathlib import Path

import pytest

from diffad.errors import DiffadError
from diffad.publish import pdf

PRINTS = """#!/bin/sh
for word in "$@"; do case "$word" in --print-to-pdf=*) printf '%%PDF-1.4 printed' > "${word#--print-to-pdf=}";; esac; done
"""
FAILS = "#!/bin/sh\necho 'no display' >&2\nexit 1\n"


def program(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def test_without_a_browser_the_error_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    monkeypatch.setattr(pdf, "PLACES", ())
    with pytest.raises(
        DiffadError, match="Chromium, Chrome or Edge, and none is on this machine; install one"
    ):
        pdf.find_browser()
    monkeypatch.setenv("CHROMIUM", "/nowhere/chrome")
    with pytest.raises(DiffadError, match="CHROMIUM names '/nowhere/chrome', which is no program"):
        pdf.find_browser()


def test_a_browser_is_found_by_name_and_by_its_variable(monkeypatch, tmp_path):
    found = program(tmp_path, "google-chrome", PRINTS)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("CHROMIUM", raising=False)
    assert pdf.find_browser() == found
    other = program(tmp_path, "another", PRINTS)
    monkeypatch.setenv("CHROMIUM", other)
    assert pdf.find_browser() == other


@pytest.mark.skipif(os.name != "posix", reason="the stand-in for a browser is a shell script")
def test_a_pdf_appears_whole_or_the_old_one_stays(tmp_path):
    page, target = tmp_path / "page.html", tmp_path / "out" / "book.pdf"
    page.write_text("<p>words</p>")
    pdf.print_page(page, target, program(tmp_path, "prints", PRINTS))
    assert target.read_bytes() == b"%PDF-1.4 printed"
    with pytest.raises(DiffadError, match="printed no PDF: no display"):
        pdf.print_page(page, target, program(tmp_path, "fails", FAILS))
    assert target.read_bytes() == b"%PDF-1.4 printed" and list(target.parent.iterdir()) == [target]


def test_the_page_to_print_lies_where_its_addresses_lead(tmp_path):
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "index.html").write_text('<a href="book/index.html#one"><img src="_images/a.png">')
    page = pdf.beside_its_files(tmp_path, "book/index")
    assert page.parent == tmp_path and page.read_text() == '<a href="#one"><img src="_images/a.png">'


def test_the_first_page_is_that_of_the_table_of_contents():
    assert pdf.first_page(Path(__file__).parents[1]) == "book/index"
