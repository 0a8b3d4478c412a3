"""Files and folders that are there whole or not at all.

Whatever is written (checkpoint, run record, notebook) is written beside its place under a temporary name and
renamed when whole, so that Ctrl-C, a kill or a full disk never leaves half of one to be taken for a whole
one.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PARTIAL_SUFFIX = ".partial"


def _partial_name(target: Path) -> tuple[str, str]:
    return f".{target.name}-", PARTIAL_SUFFIX


def ensure_folder(folder: Path, argument: str = "folder") -> Path:
    """Make `folder` with its parents, and say so in one sentence where it cannot be made or written.

    Raises:
        ValueError: it is a file, or this user may not write there.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise ValueError(
            f"{argument}: cannot write in {folder} ({error.strerror or error}), expected a folder that may be written"
        ) from error
    return folder


@contextlib.contextmanager
def publish_folder(target: Path) -> Iterator[Path]:
    """Yield an empty temporary folder beside `target`; on a clean exit it takes `target`'s place, otherwise
    it goes away.

    A folder that stood at `target` is replaced: it is renamed aside first, so that at each moment `target` is
    the old folder, the new one, or (for the instant between two renames) absent; never a mixture.
    """
    target = Path(target)
    ensure_folder(target.parent, "folder")
    prefix, suffix = _partial_name(target)
    partial = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=target.parent))
    try:
        partial.chmod(0o755)
        yield partial
        for path in partial.rglob("*"):
            if path.is_file():
                _flush_to_disk(path)
        if target.exists():
            aside = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=target.parent))
            os.replace(target, aside / "old")
            try:
                os.replace(partial, target)
            except BaseException:
                os.replace(aside / "old", target)
                raise
            finally:
                shutil.rmtree(aside, ignore_errors=True)
        else:
            os.replace(partial, target)
        _flush_to_disk(target.parent)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextlib.contextmanager
def publish_file(target: Path) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on a clean exit it takes `target`'s place, otherwise it goes
    away.
    """
    target = Path(target)
    ensure_folder(target.parent, "folder")
    prefix, suffix = _partial_name(target)
    handle, name = tempfile.mkstemp(prefix=prefix, suffix=suffix, dir=target.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        _flush_to_disk(partial)
        os.replace(partial, target)
    finally:
        partial.unlink(missing_ok=True)


def _flush_to_disk(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
