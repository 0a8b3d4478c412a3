"""Whatever is written is there whole or not at all, at whichever line the writer dies."""

import os
import sys

import pytest

import diffad.storage
from diffad.storage import ensure_folder, publish_file, publish_folder

FILES = ("first", "second")


def write_folder(target, text):
    with publish_folder(target) as partial:
        for name in FILES:
            (partial / name).write_text(text)


def write_file(target, text):
    with publish_file(target) as partial:
        partial.write_text(text)


def state(target):
    """The one text that all of a target's files hold; None where there is no target."""
    if target.is_dir():
        texts = {(target / name).read_text() for name in FILES}
        assert len(texts) == 1 and len(list(target.iterdir())) == len(FILES), "a mixture"
        return texts.pop()
    return target.read_text() if target.exists() else None


def die_at_line(number, write, *arguments):
    """Run `write` in a child that dies, without any clean-up, at the `number`-th line that it executes of
    `diffad.storage` or of this file. True if it died, False if it had finished before.
    """
    child = os.fork()
    if child == 0:
        lines = 0

        def trace(frame, event, _):
            nonlocal lines
            if frame.f_code.co_filename not in (diffad.storage.__file__, __file__):
                return None
            lines += event == "line"
            if lines == number:
                os._exit(9)
            return trace

        sys.settrace(trace)
        write(*arguments)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def states_after_every_death(folder, write, name):
    """What stands at the target after a death at line 1, 2, ... until the writer survives."""
    seen = []
    for number in range(1, 500):
        target = folder / str(number) / name
        write(target, "old")
        died = die_at_line(number, write, target, "new")
        seen.append((state(target), target.parent))
        if not died:
            return seen
    raise AssertionError("the writer never finished")


def test_a_file_is_old_or_new_at_any_death(tmp_path):
    seen = [now for now, _ in states_after_every_death(tmp_path, write_file, "target")]
    assert len(seen) > 10 and set(seen) == {"old", "new"}
    assert seen == sorted(seen, reverse=True), "once new, never old again"


def test_a_folder_is_old_new_or_absent_for_an_instant_at_any_death(tmp_path):
    seen = states_after_every_death(tmp_path, write_folder, "target")
    order = ["old", None, "new"]
    positions = [order.index(now) for now, _ in seen]
    assert len(seen) > 20 and positions == sorted(positions) and set(positions) >= {0, 2}
    absent = [parent for now, parent in seen if now is None]
    assert len(absent) <= 3  # the lines between two renames
    for parent in absent:  # both are still there, whole, under names that nobody takes for the target
        kept = {state(path.parent) for path in parent.rglob("first")}
        assert kept == {"old", "new"}


@pytest.mark.parametrize("write", [write_file, write_folder])
def test_a_first_writing_is_absent_or_whole(tmp_path, write):
    for number in range(1, 500):
        target = tmp_path / str(number) / "target"
        died = die_at_line(number, write, target, "new")
        assert state(target) in (None, "new")
        if not died:
            return


@pytest.mark.parametrize("publish, write", [(publish_file, write_file), (publish_folder, write_folder)])
def test_an_interruption_keeps_the_old_and_leaves_nothing(tmp_path, publish, write):
    target = tmp_path / "target"
    write(target, "old")
    with pytest.raises(KeyboardInterrupt):
        with publish(target) as partial:
            (partial / "first" if partial.is_dir() else partial).write_text("half")
            raise KeyboardInterrupt
    assert state(target) == "old" and list(tmp_path.iterdir()) == [target]


def test_a_failed_rename_puts_the_old_folder_back(tmp_path, monkeypatch):
    target = tmp_path / "target"
    write_folder(target, "old")
    real, calls = os.replace, []

    def fail_second(source, destination):
        calls.append(destination)
        if len(calls) == 2:
            raise KeyboardInterrupt
        real(source, destination)

    monkeypatch.setattr(os, "replace", fail_second)
    with pytest.raises(KeyboardInterrupt):
        write_folder(target, "new")
    assert state(target) == "old" and list(tmp_path.iterdir()) == [target]


def test_others_may_read_what_was_published(tmp_path):
    write_file(tmp_path / "file", "text")
    write_folder(tmp_path / "folder", "text")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
    assert (tmp_path / "folder").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize("below", ["", "deeper/still"])
def test_a_folder_that_cannot_be_written_is_named(tmp_path, below):
    (tmp_path / "in-the-way").write_text("a file")
    folder = tmp_path / "in-the-way" / below
    with pytest.raises(ValueError, match="records: cannot write in .*in-the-way") as caught:
        ensure_folder(folder, "records")
    assert "\n" not in str(caught.value)
    for write in (write_file, write_folder):
        with pytest.raises(ValueError, match="in-the-way"):
            write(folder / "target", "text")


def test_folders_are_made_with_their_parents(tmp_path):
    assert ensure_folder(tmp_path / "a" / "b").is_dir()
