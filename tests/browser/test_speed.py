"""How long a page takes until it can be read and used, from disk: run alone, so that nothing else is measured."""

import json
import statistics
from pathlib import Path

import pytest
from built_book import SCREENSHOTS, book_folder, prose_and_chapters
from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
LONGEST = 1.0  # seconds
TIMES = 3


def seconds_to_use(browser: Browser, path: Path) -> float:
    """Until the page and all that it loads are there and its scripts have run; formulas are part of the page."""
    with browser.new_context(viewport={"width": 1280, "height": 900}) as context:
        page = context.new_page()
        page.goto(path.as_uri())
        page.wait_for_load_state("load")
        return page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd") / 1000


def test_every_page_can_be_used_within_a_second(browser: Browser):
    pages = [path for path in prose_and_chapters() if path.stem != "search"]
    seconds_to_use(browser, pages[0])  # the first page waits for the browser itself
    taken = {
        path.relative_to(book_folder()).as_posix(): statistics.median(
            seconds_to_use(browser, path) for _ in range(TIMES)
        )
        for path in pages
    }
    report = SCREENSHOTS.parent / "browser-report.json"
    report.write_text(json.dumps({"seconds": taken, "median of": TIMES}, indent=1) + "\n")
    slowest = max(taken, key=taken.get)
    print(
        f"median over pages {statistics.median(taken.values()):.2f} s, slowest {slowest}: {taken[slowest]:.2f} s"
    )
    assert not {page: f"{each:.2f} s" for page, each in taken.items() if each > LONGEST}
