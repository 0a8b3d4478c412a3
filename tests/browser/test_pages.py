"""Every page of the built book, opened from disk in a real browser."""

import html
import json
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from axe_playwright_python.sync_playwright import Axe
from built_book import SCREENSHOTS, book_folder, book_pages, prose_and_chapters
from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.browser
LARGEST_PAGE = 2_000_000  # bytes, with everything that the page loads
ALL, BOOK = book_pages(), prose_and_chapters()
# Records are alike and so are sources: one of each stands for all where a check takes seconds.
SAMPLE = [
    *BOOK,
    *[each[0] for kind in ("records", "code") if (each := sorted((book_folder() / kind).rglob("*.html")))],
]
DARK = [
    path
    for path in BOOK
    if path.stem in ("index", "explore", "mnist_c", "reverse_process", "status", "exercises")
]


def name(path: Path) -> str:
    return path.relative_to(book_folder()).as_posix()


def test_the_book_has_pages(browser):
    assert len(BOOK) > 10


class Visit:
    """A page that was opened, with what its console said and what it asked for."""

    def __init__(self, page: Page, path: Path):
        self.page, self.faults, self.addresses = page, [], set()
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.addresses.add(request.url))
        page.on("requestfailed", lambda request: self.faults.append(f"{request.url}: {request.failure}"))
        page.goto(path.as_uri())
        page.wait_for_load_state("load")

    def _note(self, message) -> None:
        if message.type in ("error", "warning"):
            self.faults.append(message.text)

    def weight(self) -> int:
        """Bytes of every file that the page loaded, the page included."""
        files = {unquote(urlsplit(each).path) for each in self.addresses if each.startswith("file:")}
        return sum(Path(each).stat().st_size for each in files)


@pytest.mark.parametrize("path", ALL, ids=name)
def test_a_page_opens_without_error_asks_nobody_and_is_light(browser: Browser, path: Path):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        visit = Visit(context.new_page(), path)
        assert not visit.faults
        strangers = [
            each for each in visit.addresses if urlsplit(each).scheme not in ("file", "data", "blob")
        ]
        assert not strangers, "the page asks another host"
        assert visit.weight() <= LARGEST_PAGE, f"{visit.weight():,} bytes"
        unfinished = visit.page.evaluate(
            """() => [...document.querySelectorAll('.math')].filter(each => {
                 const drawn = each.querySelector('mjx-container svg');
                 const hidden = !each.checkVisibility();  // in an answer that is still folded
                 return !drawn || (!hidden && drawn.getBoundingClientRect().width < 2) || !each.querySelector('math');
               }).map(each => each.textContent)"""
        )
        assert not unfinished, "formulas that are not drawn"
        shown = visit.page.evaluate("document.querySelector('main').innerText")
        # A page of a source shows its TeX as it is written.
        assert path not in BOOK or not re.search(r"\$[^$\n]*\\[a-z]+[^$\n]*\$", shown), (
            "TeX that was not read as a formula"
        )
        blank = visit.page.evaluate(
            """() => [...document.querySelectorAll('main img')].filter(each => each.complete && !each.naturalWidth)
                 .map(each => each.src.slice(0, 200))"""
        )
        assert not blank, "pictures that do not load"


@cache
def anchors(path: Path) -> frozenset[str]:
    return frozenset(map(html.unescape, re.findall(r'\bid="([^"]+)"', path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", ALL, ids=name)
def test_every_link_leads_somewhere(path: Path):
    text = path.read_text(encoding="utf-8")
    for address in set(map(html.unescape, re.findall(r'<a\b[^>]*?\bhref="([^"]+)"', text))):
        parts = urlsplit(address)
        if parts.scheme:
            assert parts.scheme in ("https", "http", "mailto") and (
                parts.netloc or parts.scheme == "mailto"
            ), address
            check_launch(address)
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        assert target.is_file(), f"{address} leads to no file"
        if parts.fragment and target.suffix == ".html":
            assert unquote(parts.fragment) in anchors(target), f"{address}: the page has no such place"


def check_launch(address: str) -> None:
    """An address that opens a notebook elsewhere names a service, a repository and a notebook of this book."""
    parts = urlsplit(address)
    if parts.netloc == "colab.research.google.com":
        assert re.fullmatch(r"/github/[^/]+/[^/]+/blob/[^/]+/notebooks/\w+\.ipynb", parts.path), address
    if parts.netloc == "mybinder.org":
        assert re.fullmatch(r"/v2/gh/[^/]+/[^/]+/[^/]+", parts.path) and "urlpath=" in parts.query, address


def test_every_chapter_comes_as_a_notebook_that_begins_by_installing():
    chapters = sorted((book_folder() / "book" / "chapters").glob("*.html"))
    assert chapters
    for chapter in chapters:
        path = book_folder() / "notebooks" / f"{chapter.stem}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        assert notebook.cells[0].metadata.tags == ["install"], path.name
        assert f'href="../../notebooks/{path.name}"' in chapter.read_text(encoding="utf-8")


@pytest.mark.parametrize("path", BOOK, ids=name)
def test_a_page_fits_a_telephone(browser: Browser, path: Path):
    with browser.new_context(viewport={"width": 390, "height": 844}, device_scale_factor=2) as context:
        visit = Visit(context.new_page(), path)
        wide = visit.page.evaluate(
            """() => document.scrollingElement.scrollWidth <= 390 ? [] : [...document.querySelectorAll('main *')]
                 .filter(each => each.getBoundingClientRect().right > 391 && !each.closest('pre, table, .math'))
                 .map(each => each.outerHTML.slice(0, 150)).slice(0, 5)"""
        )
        width = visit.page.evaluate("document.scrollingElement.scrollWidth")
        assert width <= 390, f"{width} px wide, because of {wide}"
        if path in DARK:
            save(visit.page, path, "390px")


@pytest.mark.parametrize("path", DARK, ids=name)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_page_is_readable_in_light_and_in_dark(browser: Browser, path: Path, scheme: str):
    with browser.new_context(viewport={"width": 1280, "height": 900}, color_scheme=scheme) as context:
        visit = Visit(context.new_page(), path)
        background, ink = visit.page.evaluate(
            "[getComputedStyle(document.body).backgroundColor, getComputedStyle(document.querySelector('main p')).color]"
        )
        assert (brightness(background) > brightness(ink)) == (scheme == "light"), f"{ink} on {background}"
        assert abs(brightness(background) - brightness(ink)) > 120
        save(visit.page, path, scheme)
        if scheme == "dark":
            refuse_serious(visit.page)


def brightness(colour: str) -> float:
    red, green, blue = map(float, re.findall(r"[\d.]+", colour)[:3])
    return 0.299 * red + 0.587 * green + 0.114 * blue


def save(page: Page, path: Path, kind: str) -> None:
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    height = min(6000, page.evaluate("document.documentElement.scrollHeight"))
    width = page.viewport_size["width"]
    clip = {"x": 0, "y": 0, "width": width, "height": height}
    page.screenshot(path=SCREENSHOTS / f"{path.stem}-{kind}.png", full_page=True, clip=clip, scale="css")


@pytest.mark.parametrize("path", SAMPLE, ids=name)
def test_a_page_is_accessible(browser: Browser, path: Path):
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        refuse_serious(Visit(context.new_page(), path).page)


def refuse_serious(page: Page) -> None:
    """Fail on what axe-core calls a serious or critical fault, naming the rule and the element."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    serious = {
        each["id"]: [node["html"][:200] for node in each["nodes"][:3]]
        for each in found
        if each["impact"] in ("serious", "critical")
    }
    assert not serious, json.dumps(serious, indent=1)
