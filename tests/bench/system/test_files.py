"""Files we write: whole or not at all, and nothing that is there is harmed."""

from __future__ import annotations

import os
import resource
import socket
import stat
from pathlib import Path

import pytest

from bench.errors import CannotWrite, UsageError
from bench.system import files
from bench.system.files import check_target, slug, write_beside, write_elsewhere, write_text


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "out.json"


def test_writing_makes_the_folder_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "out.json"
    write_text(path, "one")
    write_text(path, "two", replace=True)
    assert path.read_text() == "two"
    assert names(path.parent) == ["out.json"]


def test_others_may_read_it_as_the_umask_says(path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(path, "text")
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_what_is_there_stays_unless_it_is_to_be_replaced(path: Path) -> None:
    write_text(path, "old")
    with pytest.raises(FileExistsError):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(path.parent) == ["out.json"]


def test_also_where_there_are_no_hard_links(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*args: object, **kwargs: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(files.os, "link", link)
    write_text(path, "old")
    with pytest.raises(FileExistsError):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(path.parent) == ["out.json"]


def test_a_reader_sees_the_old_file_or_the_new_one(path: Path) -> None:
    write_text(path, "old")
    with path.open() as reader:
        write_text(path, "new", replace=True)
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_a_full_disk_leaves_the_old_file(small_disk: Path) -> None:
    path = small_disk / "out.json"
    write_text(path, "old")
    with pytest.raises(CannotWrite, match=r"the disk is full: .*out\.json could not be written"):
        write_text(path, "x" * 100_000, replace=True)
    assert path.read_text() == "old"
    assert names(small_disk) == ["out.json"]


def test_a_failed_write_leaves_the_old_file(path: Path) -> None:
    write_text(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.raises(CannotWrite, match=r"cannot write .*out\.json: File too large"):
            write_text(path, "x" * 100_000, replace=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_text() == "old"
    assert names(path.parent) == ["out.json"]


def test_an_interrupted_write_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_text(path, "old")

    def interrupted(descriptor: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(files.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_text(path, "new", replace=True)
    assert path.read_text() == "old"
    assert names(path.parent) == ["out.json"]


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotWrite, match=r"cannot write .*out\.json: Not a dir"):
        write_text(tmp_path / "file" / "out.json", "new")


def test_no_name_of_a_temporary_file_can_be_guessed(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A link under that name would be written through."""
    seen: list[str] = []
    monkeypatch.setattr(files.os, "fsync", lambda _: seen.extend(names(path.parent)))
    write_text(path, "one")
    write_text(path, "two", replace=True)
    temporary = [name for name in seen if name.endswith(".tmp")]
    assert len(temporary) == len(set(temporary)) == 2
    assert all(str(os.getpid()) not in name.split(".") for name in temporary)


def odd(path: Path, kind: str) -> None:
    """Put something that is not a plain file at `path`."""
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "socket":
        server = socket.socket(socket.AF_UNIX)
        folder = os.open(path.parent, os.O_RDONLY)  # a socket's path may not be long
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
        os.close(folder)
        server.close()
    elif kind == "device":
        if os.geteuid() != 0:
            pytest.skip("making a device node needs root")
        try:
            os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        except PermissionError:
            pytest.skip("this container may not make device nodes")
    else:
        path.with_name("victim").write_text("mine")
        path.symlink_to("victim" if kind == "link" else "nowhere")


KINDS = ("folder", "fifo", "socket", "device", "link", "dangling link")


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_but_a_plain_file_is_written_or_replaced(path: Path, kind: str) -> None:
    odd(path, kind)
    before = path.lstat()
    for force in (False, True):
        with pytest.raises(UsageError):
            check_target(path, force)
    with pytest.raises(UsageError):
        write_text(path, "text", replace=True)
    with pytest.raises(FileExistsError):
        write_text(path, "text")
    after = path.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    assert write_beside(path, "text", replace=True).name == "out-2.json"
    assert not path.with_name("nowhere").exists()
    if kind == "link":
        assert path.with_name("victim").read_text() == "mine"


def test_results_go_beside_what_appeared_meanwhile(path: Path) -> None:
    path.write_text("another's")
    path.with_name("out-2.json").write_text("a third's")
    assert write_beside(path, "ours") == path.with_name("out-3.json")
    assert path.read_text() == "another's"
    assert path.with_name("out-3.json").read_text() == "ours"


def test_elsewhere_is_a_new_folder(path: Path) -> None:
    one, two = write_elsewhere("out.json", "a"), write_elsewhere("out.json", "b")
    assert one != two
    assert (one.read_text(), two.read_text()) == ("a", "b")


@pytest.mark.parametrize("name", ["a\nb.json", "a\x1b[31m.json", "\udcff.json"])
def test_a_name_that_cannot_be_printed(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_target(tmp_path / name, force=False)
    assert str(refused.value).isprintable()


def test_checking_touches_nothing(tmp_path: Path) -> None:
    check_target(tmp_path / "a" / "b" / "c.json", force=False)
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("x" * 300, "File name too long"),
        ("file/out.json", "Not a directory"),
        ("file/a/out.json", "Not a directory"),
        ("/proc/out.json", "No such|Permission denied|Operation not permitted|cannot write"),
    ],
)
def test_a_place_that_cannot_be(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CannotWrite, match=said):
        check_target(tmp_path / place, force=False)
        write_text(tmp_path / place, "text")


@pytest.mark.parametrize(
    ("name", "made"),
    [
        ("quick", "quick"),
        ("../../etc/passwd", "etc-passwd"),
        ("/abs", "abs"),
        ("..", "unnamed"),
        ("", "unnamed"),
        ("a b\nc\x1b", "a-b-c"),
        ("a / b", "a-b"),
        ("边缘 1.0", "边缘-1.0"),
        ("检测", "检测"),
        ("हिन्दी", "हिन्दी"),
        ("re\u0301seau", "r\u00e9seau"),
        ("a\u200b\u202e\u3164\ufe0f\udc80b", "a-b"),
        ("x" * 300, "x" * 90),
        ("检" * 300, "检" * 30),
        ("ab" + "检" * 300, "ab" + "检" * 29),
    ],
)
def test_a_name_never_makes_a_path(name: str, made: str) -> None:
    assert slug(name) == made
