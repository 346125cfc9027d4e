"""Locks that keep two runs off the same device.

A lock is `flock` on a small file in one folder for the whole machine. The kernel releases it when
its holder ends in whatever way, so a lock never outlives a run; what a killed run leaves behind
is only the file's text, which says who held it. Files are never removed: removing one that
another process has just opened would give two holders.

The folder must be the same for every user, whatever their TMPDIR. It is `HETBENCH_LOCKS`, else
`hetbench` in the first of `/run/lock` and `/tmp` in which every user may make files. Containers
that share a device share its locks only if they share that folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import hashlib
import json
import os
import re
import stat
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from bench.errors import CannotWrite, DeviceBusy
from bench.language.plain import short
from bench.system.utc import timestamp

_SHARED = stat.S_ISVTX | stat.S_IRWXU | stat.S_IRWXG | stat.S_IRWXO
_RECORD_LIMIT = 4096
_POLL_S = 0.2

_held: set[int] = set()
"""Descriptors of this process's locks. A forked child closes them: the lock belongs to the open
file, which would otherwise stay open, and locked, for as long as the child lives."""


def _drop_in_child() -> None:
    for descriptor in _held:
        os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_drop_in_child)


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds, or last held, a lock."""

    pid: int
    command: str
    user: str
    started: str
    """UTC, ISO 8601."""

    def __str__(self) -> str:
        return f"{self.command} (process {self.pid} of {self.user})"


class DeviceLocks:
    """All locks of a run, or none of them; use it in a `with` statement.

    `keys` are the devices' lock keys, `holder` says what holds them (the command line). Another
    holder is waited for up to `wait_s` seconds; `on_wait` is called with one sentence each time
    what is waited for changes. `names` has what a person calls a key's device. Entering raises
    DeviceBusy, or CannotWrite where the folder cannot be used.
    """

    def __init__(
        self,
        keys: Sequence[str],
        holder: str,
        wait_s: float = 0.0,
        on_wait: Callable[[str], None] | None = None,
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.keys = sorted(set(keys))
        self.left_behind: dict[str, Holder] = {}
        """Key -> the run that ended without releasing it, found on entering."""
        self._holder = holder
        self._wait_s = wait_s
        self._on_wait = on_wait
        self._names = names or {}
        self._descriptors: list[int] = []

    def __enter__(self) -> DeviceLocks:
        deadline = time.monotonic() + self._wait_s
        said = ""
        while (problem := self._take_all()) is not None:
            if time.monotonic() >= deadline:
                raise DeviceBusy(problem)
            if self._on_wait is not None and problem != said:
                self._on_wait(problem)
                said = problem
            time.sleep(_POLL_S)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def _take_all(self) -> str | None:
        """Take every lock, or none and return who is in the way."""
        folder = _open_folder()
        try:
            for key in self.keys:
                descriptor = _open_file(folder, key)
                _held.add(descriptor)
                self._descriptors.append(descriptor)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    holder = _read(descriptor)
                    self._release(keep=descriptor)
                    return _busy(self._names.get(key, key), holder)
                except OSError as error:
                    raise CannotWrite(
                        f"the lock folder {_folder()} is on a file system without locks: "
                        f"{error.strerror}; set HETBENCH_LOCKS to another folder"
                    ) from error
                if (left := _read(descriptor)) is not None:
                    self.left_behind[key] = left
                _write(descriptor, self._holder)
        except BaseException:
            self._release()
            raise
        finally:
            os.close(folder)
        return None

    def _release(self, keep: int | None = None) -> None:
        """Clear and close all files; `keep` is the one that is another's and keeps its text."""
        for descriptor in self._descriptors:
            if descriptor in _held:
                if descriptor != keep:
                    with contextlib.suppress(OSError):  # the text is only for people
                        os.ftruncate(descriptor, 0)
                os.close(descriptor)
                _held.discard(descriptor)
        self._descriptors.clear()


def _busy(name: str, holder: Holder | None) -> str:
    if holder is None:
        return f"{name} is in use by another run; wait until it ends, or choose another device"
    return (
        f"{name} is in use by {holder} since {holder.started}; wait until it ends, or choose "
        "another device"
    )


def _folder() -> Path:
    if chosen := os.environ.get("HETBENCH_LOCKS"):
        return Path(chosen)
    for base in (Path("/run/lock"), Path("/tmp")):
        with contextlib.suppress(OSError):
            if stat.S_IMODE(base.stat().st_mode) & _SHARED == _SHARED:
                return base / "hetbench"
    return Path("/tmp/hetbench")


def _open_folder() -> int:
    """Descriptor of the lock folder, made for all users if it is not there yet."""
    path = _folder()
    try:
        try:
            path.mkdir()
            path.chmod(_SHARED)  # whatever the umask is
        except FileExistsError:
            pass
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise CannotWrite(
            f"cannot use the lock folder {path}: {error.strerror}; set HETBENCH_LOCKS to a folder "
            "that all users of this machine may write to"
        ) from error


def _open_file(folder: int, key: str) -> int:
    """Descriptor of a key's file: a plain file of its own, writable by every user."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    name = f"{re.sub(r'[^A-Za-z0-9.]+', '-', key)[:60]}.{digest}.lock"
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        try:
            # Without O_CREAT first: fs.protected_regular forbids it on another user's file.
            descriptor = os.open(name, flags, dir_fd=folder)
        except FileNotFoundError:
            try:
                descriptor = os.open(name, flags | os.O_CREAT | os.O_EXCL, dir_fd=folder)
                os.fchmod(descriptor, 0o666)
            except FileExistsError:
                descriptor = os.open(name, flags, dir_fd=folder)
        status = os.fstat(descriptor)
        # Another user may put anything into a shared folder: a second name of a file that matters
        # would be overwritten by the holder's text.
        if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
            os.close(descriptor)
            raise OSError(0, "it is not a plain file of its own")
        return descriptor
    except OSError as error:
        raise CannotWrite(
            f"cannot use the lock file {_folder() / name}: {error.strerror}; remove it or set "
            "HETBENCH_LOCKS to another folder"
        ) from error


def _write(descriptor: int, command: str) -> None:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = f"user {os.getuid()}"
    record = {"pid": os.getpid(), "command": command[:500], "user": user, "started": timestamp()}
    with contextlib.suppress(OSError):  # a full disk: the lock holds without its text for people
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(record).encode(), 0)


def _read(descriptor: int) -> Holder | None:
    """Who is written in a lock file; None if it is empty or holds something else."""
    try:
        record = json.loads(os.pread(descriptor, _RECORD_LIMIT, 0))
        texts = [short(str(record[name]), 500) for name in ("command", "user", "started")]
        return Holder(int(record["pid"]), *texts)
    except (ValueError, OverflowError, KeyError, TypeError, RecursionError):
        return None
