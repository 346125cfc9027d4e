from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import CannotWrite, HetbenchError
from bench.system import cache


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _write(path: Path) -> None:
    path.write_text("whole")


def test_a_file_is_made_once(folder: Path) -> None:
    calls = []

    def make(path: Path) -> None:
        calls.append(path)
        path.write_text("content")

    first = cache.prepared("abc", ".txt", make)
    assert cache.prepared("abc", ".txt", make) == first
    assert first.read_text() == "content"
    assert len(calls) == 1
    assert first.parent == folder


def test_side_files_are_dropped(folder: Path) -> None:
    def make(path: Path) -> None:
        path.write_text("content")
        (path.parent / "side").write_text("scratch")

    path = cache.prepared("abc", ".txt", make)
    assert {p.name for p in folder.iterdir()} == {path.name, "abc.txt.lock"}


def test_a_failure_leaves_nothing_and_the_next_attempt_works(folder: Path) -> None:
    def fail(path: Path) -> None:
        path.write_text("half")
        raise RuntimeError("exporter broke")

    with pytest.raises(RuntimeError, match="exporter broke"):
        cache.prepared("abc", ".txt", fail)
    assert [p.name for p in folder.iterdir()] == ["abc.txt.lock"]
    assert cache.prepared("abc", ".txt", _write).exists()


def test_what_a_killed_run_left_is_replaced(folder: Path) -> None:
    folder.mkdir()
    (folder / "abc.txt.work").mkdir()
    (folder / "abc.txt.work" / "draft.txt").write_text("half")
    path = cache.prepared("abc", ".txt", _write)
    assert path.read_text() == "whole"


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "no space left"), (errno.EACCES, "cannot keep prepared files")],
)
def test_a_full_disk_or_a_forbidden_folder_is_one_sentence(
    folder: Path, number: int, words: str
) -> None:
    def make(path: Path) -> None:
        path.write_text("half")
        raise OSError(number, os.strerror(number))

    with pytest.raises(HetbenchError, match=words) as caught:
        cache.prepared("abc", ".txt", make)
    assert "HETBENCH_CACHE" in str(caught.value)
    assert [p.name for p in folder.iterdir()] == ["abc.txt.lock"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_really_full_device(folder: Path) -> None:
    def make(path: Path) -> None:
        path.symlink_to("/dev/full")
        path.write_bytes(b"x" * 100_000)

    with pytest.raises(HetbenchError, match="no space left"):
        cache.prepared("abc", ".txt", make)
    assert [p.name for p in folder.iterdir()] == ["abc.txt.lock"]


def test_a_folder_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path / "file" / "below"))
    with pytest.raises(HetbenchError, match="HETBENCH_CACHE"):
        cache.folder()


def test_the_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("HETBENCH_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache.folder() == tmp_path / "xdg" / "hetbench"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache.folder() == tmp_path / "home" / ".cache" / "hetbench"


def test_the_key_depends_on_every_fact_and_not_on_their_order() -> None:
    assert cache.key(a=1, b="x") == cache.key(b="x", a=1)
    assert cache.key(a=1, b="x") != cache.key(a=1, b="y")
    assert cache.key(a=1) != cache.key(b=1)


def test_two_processes_that_prepare_at_once_make_it_once(folder: Path, tmp_path: Path) -> None:
    script = f"""
import os, time
from pathlib import Path
from bench.system import cache

def make(path):
    with open({str(tmp_path / "made")!r}, "a") as log:
        log.write(f"{{os.getpid()}}\\n")
    time.sleep(0.3)
    path.write_text(str(os.getpid()))

print(cache.prepared("abc", ".txt", make).read_text())
"""
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script],
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(cache.__file__).parents[2],
        )
        for _ in range(2)
    ]
    answers = [child.communicate(timeout=60)[0].strip() for child in children]
    assert [child.returncode for child in children] == [0, 0]
    assert answers[0] == answers[1]
    assert (tmp_path / "made").read_text().split() == [answers[0]]


def flip(path: Path, bit: int = 0) -> None:
    """Change one bit of the first byte, and nothing the file's state shows but its times."""
    content = bytearray(path.read_bytes())
    content[0] ^= 1 << bit
    with path.open("r+b") as file:
        file.write(content)


def test_a_damaged_file_is_noticed_and_made_again(folder: Path) -> None:
    path = cache.prepared("abc", ".txt", _write)
    for change in (flip, Path.unlink, lambda path: path.write_text(""), _link, Path.mkdir):
        if path.exists() and change is Path.mkdir:
            path.unlink()
        change(path)
        assert not cache.intact(path)
        cache.damaged.clear()
        assert cache.prepared("abc", ".txt", _write) == path
        assert cache.damaged == ([] if change is Path.unlink else [path.name])
        assert path.read_text() == "whole"
        assert not path.is_symlink()


def _link(path: Path) -> None:
    """A link to a file that is right: whoever may change that one may change it later."""
    right = path.with_name("right")
    path.replace(right)
    path.symlink_to(right)


def test_the_digest_in_the_name_is_of_what_is_there(folder: Path) -> None:
    path = cache.prepared("abc", ".txt", _write)
    assert cache.digest(path) == cache.file_digest(path)
    assert path.name == f"abc.{cache.digest(path)}.txt"


def test_an_untouched_file_is_read_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = cache.prepared("abc", ".txt", _write)
    assert cache.intact(path)
    monkeypatch.setattr(cache, "_digest", lambda file: pytest.fail("read again"))
    assert cache.intact(path)


def test_a_dropped_file_leaves_nothing(folder: Path) -> None:
    cache.drop(cache.prepared("abc", ".txt", _write))
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("kind", ["symlink", "link", "fifo"])
def test_a_lock_is_a_plain_file_and_nothing_is_written_through_it(
    folder: Path, tmp_path: Path, kind: str
) -> None:
    precious = tmp_path / "precious"
    precious.write_text("precious")
    folder.mkdir()
    lock = folder / "abc.txt.lock"
    if kind == "symlink":
        lock.symlink_to(precious)
    elif kind == "link":
        lock.hardlink_to(precious)
    else:
        os.mkfifo(lock)
    with pytest.raises(HetbenchError, match="cannot keep prepared files"):
        cache.prepared("abc", ".txt", _write)
    assert precious.read_text() == "precious"


def test_a_work_folder_that_is_a_link_is_not_followed(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "file").write_text("precious")
    folder.mkdir()
    (folder / "abc.txt.work").symlink_to(precious)
    assert cache.prepared("abc", ".txt", _write).read_text() == "whole"
    assert (precious / "file").read_text() == "precious"


def test_without_a_home_the_remedy_is_told(monkeypatch):
    def nobody():
        raise RuntimeError("Could not determine home directory.")

    for name in ("HETBENCH_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(cache.Path, "home", nobody)
    with pytest.raises(CannotWrite, match="set HETBENCH_CACHE to a folder"):
        cache.folder()


def test_what_a_killed_process_left_is_swept_and_nothing_else(folder: Path) -> None:
    cache.prepared("abc", ".txt", _write)
    for name in ("dead.txt.work", "alive.txt.work"):
        (folder / name).mkdir()
        (folder / name / "draft.txt").write_text("half")
    with cache.open_lock(folder / "alive.txt.lock") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        cache.sweep()
    assert not (folder / "dead.txt.work").exists()
    assert (folder / "alive.txt.work" / "draft.txt").read_text() == "half"
    assert cache.prepared("abc", ".txt", _write).read_text() == "whole"
