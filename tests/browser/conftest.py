"""A headless Chromium that opens the built book from disk: `make browser-tests` after `make book`."""

from collections.abc import Iterator

import pytest
from built_book import ARGUMENTS, book_folder, book_pages, find_chromium
from playwright.sync_api import Browser, sync_playwright


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        pytest.fail(
            "the browser tests need Chromium or Chrome, and none is on the path: install one (Debian: apt-get install "
            "chromium), or name it in the environment variable CHROMIUM",
            pytrace=False,
        )
    if not book_pages():
        pytest.fail(f"there is no built book in {book_folder()}: run `make book` first", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()
