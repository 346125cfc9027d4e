"""Files that we write: whole or not at all, never through a link, never onto anything but a file.

A file is written under a random name in the folder it belongs to, synced, and given its own name
in one step. What is there already stays unless it is to be replaced.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import stat
import tempfile
import unicodedata
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from bench.errors import CannotWrite, UsageError
from bench.language.plain import plain

_NO_LINKS = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)
"""What `link` fails with on file systems that have no hard links."""
_LONGEST_SLUG = 90
"""Bytes: a name of 30 Chinese characters. File systems take names of 255."""
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""Letters and marks that show nothing, which a name could be told apart by without being seen."""


def check_target(path: Path, force: bool, option: str = "--out") -> None:
    """Whether a file may be written here, asked before the work whose result it is to hold.

    Raises UsageError for a path that names no new file, with `force` no plain file, and
    CannotWrite where its folder is no place to write. Touches nothing.
    """
    if plain(str(path)) != str(path):
        raise UsageError(f"{option} {str(path)!a} holds characters that cannot be printed")
    try:
        there = _status(path)
        if there is not None:
            _require_plain(path, there, option)
            if not force:
                raise UsageError(
                    f"{path} is already there; choose another {option}, or let it be replaced "
                    "with --force"
                )
        folder = path.absolute().parent
        while _status(folder) is None:
            folder = folder.parent
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        if os.statvfs(folder).f_flag & os.ST_RDONLY:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    except OSError as error:
        raise cannot_write(path, error) from error


def write_text(path: Path, text: str, replace: bool = False) -> None:
    """Write `text` as the file `path` in one step, with its folder if that is absent.

    Raises FileExistsError when something is there and is not to be replaced, UsageError when it
    is not a plain file, CannotWrite when the system refuses; what was there is then untouched.
    """
    try:
        make_folder(path.parent)
        temporary = path.parent / f".hetbench-{secrets.token_hex(8)}.tmp"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o666)
        try:
            with open(descriptor, "w", encoding="utf-8") as file:  # noqa: PTH123 - a descriptor
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if replace:
                if (there := _status(path)) is not None:
                    _require_plain(path, there)
                temporary.replace(path)
            else:
                _name(temporary, path)
            _sync_folder(path.parent)
        finally:  # also when interrupted; it is gone where it took the place of `path`
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise cannot_write(path, error) from error


def write_beside(path: Path, text: str, replace: bool = False) -> Path:
    """Write `path`, or where something is there meanwhile, the first free name beside it."""
    for place in numbered(path):
        try:
            write_text(place, text, replace and place == path)
        except (FileExistsError, UsageError):
            continue
        return place
    raise AssertionError  # the numbers never end


def write_elsewhere(name: str, text: str) -> Path:
    """Write a file that its own folder did not take into a new folder of the system's temporary
    files; raises CannotWrite."""
    try:
        folder = Path(tempfile.mkdtemp(prefix="hetbench-"))
    except OSError as error:
        raise cannot_write(Path(name), error) from error
    path = folder / name
    write_text(path, text)
    return path


def numbered(path: Path) -> Iterator[Path]:
    """`a.json`, `a-2.json`, `a-3.json` and so on."""
    yield path
    for number in count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def slug(name: str) -> str:
    """A foreign name as a word, for a part of a file's name: letters, their marks and digits of any
    script, . _ and -, in at most 90 bytes of UTF-8."""
    kept = ""
    for character in unicodedata.normalize("NFC", _UNSEEN.sub("", name[: 4 * _LONGEST_SLUG])):
        shown = character in "._" or unicodedata.category(character)[0] in "LMN"
        kept += character if shown else "" if kept.endswith("-") else "-"
    cut = kept.strip(".-").encode()[:_LONGEST_SLUG].decode(errors="ignore")
    return cut.rstrip(".-") or "unnamed"


def make_folder(folder: Path) -> None:
    """Make a folder and those above it; raises OSError, never FileExistsError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), folder) from error


def cannot_write(path: Path | str, error: OSError) -> CannotWrite:
    """The sentence for a failed write; says so when the disk is full."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return CannotWrite(
            f"the disk is full: {path} could not be written; free some space, or choose another "
            "place"
        )
    return CannotWrite(f"cannot write {path}: {error.strerror or error}")


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except FileNotFoundError:
        return None


def _require_plain(path: Path, status: os.stat_result, option: str = "--out") -> None:
    """Refuse to put a file in the place of a link, folder, device, pipe or socket."""
    if stat.S_ISDIR(status.st_mode):
        raise UsageError(f"{path} is a folder; name a file in it with {option}")
    if stat.S_ISLNK(status.st_mode):
        raise UsageError(f"{path} is a symbolic link, which is not written through; name a file")
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{path} is not a plain file, so it is not replaced; name another")


def _name(temporary: Path, path: Path) -> None:
    """Give a finished file its name unless that is taken; raises FileExistsError."""
    try:
        os.link(temporary, path, follow_symlinks=False)
        temporary.unlink()
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666))
        temporary.replace(path)


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
