"""The journal: one line per finished piece of work, on disk before the next one starts.

`kill -9` at any moment loses at most the trial in progress. A line is a checksum of what follows
it, a space, and a JSON object with the run's id and the line's number: what is not exactly what
this run wrote, in that order, is refused. Only a torn last line, of a write that was cut short,
is left out when the journal is read again.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import stat
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.errors import CannotWrite, DeviceBusy, RefusedInput, UsageError
from bench.language.plain import first_line
from bench.results.file import MAX_BYTES, MAX_VALUES, NUMBERS
from bench.runner.plan import Plan
from bench.settings import toml
from bench.system.files import cannot_write, make_folder, numbered

KIND = "hetbench-journal"
VERSION = 3
SUFFIX = ".journal"
_SUM = 16
"""Hex digits of a line's checksum."""


def path_for(out: Path) -> Path:
    """Where the journal of a results file lies while the run goes on."""
    return out.with_name(out.name + SUFFIX)


def refuse_unfinished(out: Path) -> None:
    """Ask before any work whether another run's journal is where that of `out` will be; raises
    UsageError or DeviceBusy."""
    if os.path.lexists(path_for(out)):
        raise _in_the_way(path_for(out))


class Journal:
    """An append-only file of entries, each fsynced; one process has it at a time."""

    def __init__(self, path: Path, file: FileIO, run_id: str) -> None:
        self.path = path
        self.lines = 0
        """Lines on disk; the first is the plan."""
        self._file = file
        self._run_id = run_id

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Journal:
        """Start a journal with the plan. It also keeps its results file's name for this run.

        Raises UsageError or DeviceBusy when a journal is there, CannotWrite.
        """
        try:
            make_folder(path.parent)
            file = FileIO(path, "x+b")
        except FileExistsError as error:
            raise _in_the_way(path) from error
        except OSError as error:
            raise cannot_write(path, error) from error
        journal = cls(path, file, plan.run_id)
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(file, fcntl.LOCK_EX)  # held by no run: at most looked at for an instant
        try:
            journal.append({"kind": KIND, "version": VERSION, "plan": asdict(plan)})
        except CannotWrite:
            journal.remove()  # without its plan it would only stand in the next run's way
            raise
        return journal

    @classmethod
    def create_beside(cls, out: Path, plan: Plan) -> tuple[Journal, Path]:
        """Start a journal for `out`, or for the first name beside it that nobody has: also not a
        run that was started in the same second. Returns the journal and that name."""
        for place in numbered(out):
            if path_for(place).exists():
                continue
            try:
                journal = cls.create(path_for(place), plan)
            except (UsageError, DeviceBusy):
                continue
            if not os.path.lexists(place):  # asked last: its run writes it, then drops the journal
                return journal, place
            journal.remove()
        raise AssertionError  # the numbers never end

    @classmethod
    def reopen(cls, path: Path) -> tuple[Journal, Plan, list[dict[str, Any]]]:
        """Open a killed run's journal: its plan and the entries after it, all that is on disk.

        Raises RefusedInput when it is not a journal, or is damaged elsewhere than at its end, and
        DeviceBusy when its run still goes on. The torn line of a killed write is cut off.
        """
        try:
            file = _open(path)
        except OSError as error:
            raise RefusedInput(f"cannot open {path}: {error.strerror}") from error
        try:
            if _taken(file):
                raise DeviceBusy(
                    f"{path} belongs to a run that is still going on; wait for it, or stop it first"
                )
            run_id, entries, good = _read(path, file)
            first = entries[0] if entries else {}
            if first.get("kind") != KIND or first.get("version") != VERSION:
                raise RefusedInput(f"{path} is not a journal of this version of hetbench")
            plan = toml.convert(Plan, first.get("plan"), path, ("plan",))
            if plan.run_id != run_id:
                raise RefusedInput(f"{path} is damaged in line 1")
            journal = cls(path, file, run_id)
            journal.lines = len(entries)
            journal._cut(good)
        except BaseException:
            file.close()
            raise
        return journal, plan, entries[1:]

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry and wait until it is on disk; raises CannotWrite.

        After an error the journal is as it was, so that later entries do not follow half a line.
        """
        body = {"run": self._run_id, "line": self.lines + 1, **entry}
        text = json.dumps(body, allow_nan=False, separators=(",", ":")).encode()
        try:
            if not self.exists():
                self._make_again()
            good = self._file.tell()
            line = _checksum(text) + b" " + text + b"\n"
            try:
                while line:  # unbuffered, so that nothing unwritten is kept after an error
                    line = line[self._file.write(line) :]
                os.fsync(self._file.fileno())
            except OSError:
                with contextlib.suppress(CannotWrite):
                    self._cut(good)
                raise
        except OSError as error:
            raise cannot_write(self.path, error) from error
        self.lines += 1

    def exists(self) -> bool:
        """Whether the file still has its name; its folder may have been removed meanwhile."""
        try:
            return os.path.samestat(self.path.lstat(), os.fstat(self._file.fileno()))
        except OSError:  # also where its folder is none any more
            return False

    def _make_again(self) -> None:
        """Write what was removed once more, from the file that is still open; raises OSError."""
        whole = os.pread(self._file.fileno(), self._file.tell(), 0)
        make_folder(self.path.parent)
        file = FileIO(self.path, "x+b")
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        self._file.close()
        self._file = file
        while whole:
            whole = whole[file.write(whole) :]

    def _cut(self, size: int) -> None:
        try:
            self._file.truncate(size)
            self._file.seek(size)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def remove(self) -> None:
        """Delete the journal once the results file holds everything."""
        if self.exists():
            self.path.unlink()
        self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _open(path: Path) -> FileIO:
    """Open an existing plain file to read and write; raises OSError, UsageError for another."""
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = FileIO(os.open(path, flags), "r+b")
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise RefusedInput(f"{path} is not a plain file, so it is no journal")
    return file


def _taken(file: FileIO) -> bool:
    """Take the file's lock; True when another process has it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # a file system without locks; the devices have locks of their own
        pass
    return False


def _in_the_way(path: Path) -> UsageError | DeviceBusy:
    """The error for a journal that is already there; never advises to harm a run that is alive."""
    try:
        with _open(path) as file:
            if _taken(file):
                return DeviceBusy(
                    f"{path} belongs to a run that is still going on; choose another --out"
                )
    except (OSError, RefusedInput):
        return UsageError(f"{path} is in the way of this run's journal; choose another --out")
    return UsageError(
        f"{path} is the journal of a run that did not finish; continue it with --resume {path}, "
        "or choose another --out"
    )


def _checksum(text: bytes) -> bytes:
    return hashlib.sha256(text).hexdigest()[:_SUM].encode()


def _read(path: Path, file: FileIO) -> tuple[Any, list[dict[str, Any]], int]:
    """The run's id, its complete entries and the number of bytes they take."""
    try:
        data = _contents(file)
    except OSError as error:
        raise RefusedInput(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise RefusedInput(f"{path} is larger than {MAX_BYTES >> 20} MiB, the most that is read")
    if sum(data.count(mark) for mark in (b"[", b"{", b",")) > MAX_VALUES:
        raise RefusedInput(f"{path} holds more than {MAX_VALUES} values, the most that is read")
    *lines, torn = data.split(b"\n")
    if torn and _whole(torn[:-1]):  # a cut line is shorter than whole; this one's end was changed
        raise RefusedInput(f"{path} is damaged in line {len(lines) + 1}")
    entries: list[dict[str, Any]] = []
    run_id = None
    for number, line in enumerate(lines, 1):
        try:
            entry = _entry(line)
        except ValueError as error:
            raise RefusedInput(
                f"line {number} of {path} is not what a run writes: {first_line(error)}"
            ) from error
        if entry is None:
            raise RefusedInput(f"{path} is not a journal, or is damaged in line {number}")
        own, place = entry.pop("run", None), entry.pop("line", None)
        run_id = own if number == 1 else run_id
        if place != number or own != run_id:
            raise RefusedInput(
                f"line {number} of {path} is not what this run wrote there: a line is missing, "
                "stands twice or is of another run"
            )
        entries.append(entry)
    return run_id, entries, len(data) - len(torn)


def _contents(file: FileIO) -> bytes:
    parts = []
    size = 0
    while size <= MAX_BYTES and (part := file.read(1 << 20)):
        parts.append(part)
        size += len(part)
    return b"".join(parts)


def _whole(line: bytes) -> bool:
    """Whether a line is as it was written."""
    return line[_SUM : _SUM + 1] == b" " and line[:_SUM] == _checksum(line[_SUM + 1 :])


def _entry(line: bytes) -> dict[str, Any] | None:
    """The record of a line; None when it is not as it was written. Raises ValueError for numbers
    that no results file may hold."""
    if not _whole(line):
        return None
    try:
        entry = json.loads(line[_SUM + 1 :], **NUMBERS)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        return None
    return entry if isinstance(entry, dict) else None
