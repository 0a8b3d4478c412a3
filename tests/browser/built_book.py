"""Where the built book lies, which pages it has, and which browser opens it."""

import os
import shutil
from pathlib import Path

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
    """Every page of the built book, without files that scripts or styles bring.

    The folder's own index only sends a browser on to the landing page, which is among them.
    """
    forwarder = book_folder() / "index.html"
    return sorted(
        path for path in book_folder().rglob("*.html") if "_static" not in path.parts and path != forwarder
    )


def prose_and_chapters() -> list[Path]:
    """The pages that somebody wrote: not the generated ones of sources and records."""
    generated = {book_folder() / name for name in ("code", "records")}
    return [
        path for path in book_pages() if not generated & set(path.parents) and path.parent != book_folder()
    ]


def find_chromium() -> str | None:
    """Path of a Chromium or Chrome: the environment variable `CHROMIUM`, else the first that is found."""
    named = [os.environ["CHROMIUM"]] if os.environ.get("CHROMIUM") else list(CHROMIUMS)
    return next((found for found in map(shutil.which, named) if found), None)
