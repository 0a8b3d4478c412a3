"""A headless Chromium that opens the built book from disk: `make browser-tests` after `make book`."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).resolve().parents[2]
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCREENSHOTS = ROOT / "_build" / "screenshots"


def book_folder() -> Path:
    """The built book: in `_build/html`, or where the environment variable `DIFFAD_BOOK` says."""
    return Path(os.environ.get("DIFFAD_BOOK", ROOT / "_build" / "html"))


def book_pages() -> list[Path]:
    """Every page of the built book, without files that scripts or styles bring."""
    return sorted(path for path in book_folder().rglob("*.html") if "_static" not in path.parts)


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome: the environment variable `CHROMIUM`, else the first that is found."""
    named = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else list(CHROMIUMS)
    return next((found for found in map(shutil.which, named) if found), None)


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
