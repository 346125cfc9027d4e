"""Prepared files, made once and shared by every run: exported and calibrated models.

A file is named by a digest of all that determines it, so nothing in the folder is ever stale, and
by the digest of its content, so that one that is damaged is noticed and made again. It is written
in a work folder and renamed under a lock per key: two runs that prepare the same thing at once make
it once, and a run that dies leaves nothing that looks finished.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from bench.digest import digest as json_digest
from bench.errors import CannotWrite, HetbenchError

damaged: list[str] = []
"""Names of the files that this process found damaged, and removed to make them again."""
_intact: dict[Path, tuple[int, ...]] = {}
"""Files whose content this process has read and found right, and their state then: a file that the
kernel says is untouched since is not read again."""


def folder() -> Path:
    """`$HETBENCH_CACHE`, else `$XDG_CACHE_HOME/hetbench`, else `~/.cache/hetbench`; made if absent.

    Raises HetbenchError when it cannot be made.
    """
    own = os.environ.get("HETBENCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    try:
        path = Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "hetbench"
    except RuntimeError as error:  # no HOME, and a user whom the system does not know
        raise CannotWrite(
            "there is no home folder to keep prepared files in; set HETBENCH_CACHE to a folder "
            "that can be written"
        ) from error
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path.absolute()


def key(**facts: Any) -> str:
    """Digest of everything that determines a prepared file: JSON-able facts by name."""
    return json_digest(facts, 32)


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    with path.open("rb") as file:
        return _digest(file)


def digest(path: Path) -> str:
    """SHA-256 of the content that a prepared file had when it was made, from its name."""
    return path.name.split(".")[1]


def intact(path: Path) -> bool:
    """Whether a prepared file is there, a regular file, and holds what it held when it was made.

    Takes the time to read it (0.3 s for 400 MB) when it is new to this process or was touched.
    Raises OSError when it cannot be read.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link stands there
            return False
        raise
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        return False
    with os.fdopen(descriptor, "rb") as file:
        times = (status.st_mtime_ns, status.st_ctime_ns)
        state = (status.st_dev, status.st_ino, status.st_size, *times)
        if _intact.get(path) != state:
            if _digest(file) != digest(path):
                return False
            _intact[path] = state
    return True


def remark(name: str) -> str:
    """What a person is told of a damaged file."""
    return f"the prepared file {name} was damaged; it is made again"


def prepared(key: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of `key`, made by `make(path)` if it is not there yet or damaged.

    `make` writes the path it is given; it may leave other files beside it, which are dropped.
    `suffix` starts with a dot. Waits while another process makes the same file. Raises
    HetbenchError when the disk is full or the folder cannot be written, and whatever `make`
    raises; nothing half-written stays in either case.
    """
    base = folder()
    work = base / f"{key}{suffix}.work"
    try:
        for found in base.glob(f"{key}.*{suffix}"):
            if intact(found):
                return found
        with _locked(base / f"{key}{suffix}.lock"):
            for found in base.glob(f"{key}.*{suffix}"):
                if intact(found):
                    return found
                damaged.append(found.name)
                _remove(found)
            _remove(work)  # left by a run that was killed
            try:
                work.mkdir()
                draft = work / f"draft{suffix}"
                make(draft)
                _flush(draft)
                final = base / f"{key}.{file_digest(draft)}{suffix}"
                draft.replace(final)
            finally:
                _remove(work)
    except OSError as error:
        raise _unwritable(base, error) from error
    return final


def sweep() -> None:
    """Remove what was left half-made by processes that were killed; never another's that lives.

    Raises nothing: what cannot be removed is told by whoever needs its place.
    """
    try:
        left = list(folder().glob("*.work"))
    except (HetbenchError, OSError):
        return
    for work in left:
        with contextlib.suppress(OSError), open_lock(work.with_suffix(".lock")) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _remove(work)


def drop(path: Path) -> None:
    """Remove a prepared file, and its lock, that nobody will ask for again."""
    key = path.name.split(".")[0]
    for file in (path, path.with_name(f"{key}{path.suffix}.lock")):
        file.unlink(missing_ok=True)


def open_lock(path: Path) -> IO[bytes]:
    """The file to lock, made if it is not there; raises OSError for a link or anything special."""
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.fdopen(os.open(path, flags, 0o666), "r+b")
    status = os.fstat(file.fileno())
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        file.close()
        raise OSError(0, f"{path} is not a plain file of its own; remove it", str(path))
    return file


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The lock file stays: removing it would let a waiter and a newcomer hold two different ones.
    with open_lock(path) as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove(path: Path) -> None:
    """Whatever stands there, never what a link points to."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _digest(file: IO[bytes]) -> str:
    found = hashlib.sha256()
    while block := file.read(1 << 20):
        found.update(block)
    return found.hexdigest()


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _unwritable(path: Path, error: OSError) -> HetbenchError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return HetbenchError(
            f"no space left for prepared files in {path}; free some, or set HETBENCH_CACHE to a "
            "folder on another disk"
        )
    return HetbenchError(
        f"cannot keep prepared files in {path}: {error.strerror or error}; set HETBENCH_CACHE to "
        "a folder that can be written"
    )
