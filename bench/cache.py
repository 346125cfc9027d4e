"""Prepared files, made once and shared by every run: exported and calibrated models.

A file is named by a digest of all that determines it, so nothing in the folder is ever stale. It
is written in a work folder and renamed under a lock per key: two runs that prepare the same thing
at once make it once, and a run that dies leaves nothing that looks finished.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.errors import HetbenchError


def folder() -> Path:
    """`$HETBENCH_CACHE`, else `$XDG_CACHE_HOME/hetbench`, else `~/.cache/hetbench`; made if absent.

    Raises HetbenchError when it cannot be made.
    """
    own = os.environ.get("HETBENCH_CACHE")
    base = os.environ.get("XDG_CACHE_HOME")
    path = Path(own) if own else (Path(base) if base else Path.home() / ".cache") / "hetbench"
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(path, error) from error
    return path.absolute()


def key(**facts: Any) -> str:
    """Digest of everything that determines a prepared file: JSON-able facts by name."""
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def file_digest(path: Path) -> str:
    """SHA-256 of a file's content, in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def prepared(key: str, suffix: str, make: Callable[[Path], None]) -> Path:
    """The file of `key`, made by `make(path)` if it is not there yet.

    `make` writes the path it is given; it may leave other files beside it, which are dropped.
    `suffix` starts with a dot. Waits while another process makes the same file. Raises
    HetbenchError when the disk is full or the folder cannot be written, and whatever `make`
    raises; nothing half-written stays in either case.
    """
    base = folder()
    final = base / f"{key}{suffix}"
    if final.exists():
        return final
    work = base / f"{key}{suffix}.work"
    try:
        with _locked(base / f"{key}{suffix}.lock"):
            if final.exists():
                return final
            shutil.rmtree(work, ignore_errors=True)  # left by a run that was killed
            try:
                work.mkdir()
                draft = work / f"draft{suffix}"
                make(draft)
                _flush(draft)
                draft.replace(final)
            finally:
                shutil.rmtree(work, ignore_errors=True)
    except OSError as error:
        raise _unwritable(base, error) from error
    return final


def drop(path: Path) -> None:
    """Remove a prepared file, and its lock, that nobody will ask for again."""
    for file in (path, path.with_name(f"{path.name}.lock")):
        file.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    # The lock file stays: removing it would let a waiter and a newcomer hold two different ones.
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


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
