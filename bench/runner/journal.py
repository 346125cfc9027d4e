"""The journal: one JSON line per finished piece of work, on disk before the next one starts.

`kill -9` at any moment loses at most the trial in progress. A torn last line is left out when the
journal is read again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import toml
from bench.errors import HetbenchError, RefusedInput
from bench.results_file import MAX_BYTES, cannot_write
from bench.runner.plan import Plan

KIND = "hetbench-journal"
VERSION = 1


def path_for(out: Path) -> Path:
    """Where the journal of a results file lies while the run goes on."""
    return out.with_name(out.name + ".journal")


class Journal:
    """An append-only file of entries, each fsynced; one process has it at a time."""

    def __init__(self, path: Path, file: FileIO) -> None:
        """Raises HetbenchError when another process writes this journal."""
        self.path = path
        self._file = file
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.close()
            raise HetbenchError(
                f"{path} belongs to a run that is still going on; wait for it, or stop it first"
            ) from error
        except OSError:  # a file system without locks; the devices have locks of their own
            pass

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Journal:
        """Start a journal with the plan; raises HetbenchError when it cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            journal = cls(path, FileIO(path, "xb"))
        except FileExistsError as error:
            raise RefusedInput(
                f"{path} is the journal of a run that did not finish; continue it with "
                f"--resume {path}, or delete it"
            ) from error
        except OSError as error:
            raise cannot_write(path, error) from error
        try:
            journal.append({"kind": KIND, "version": VERSION, "plan": asdict(plan)})
        except HetbenchError:
            journal.remove()  # without its plan it would only stand in the next run's way
            raise
        return journal

    @classmethod
    def reopen(cls, path: Path) -> tuple[Journal, Plan, list[dict[str, Any]]]:
        """Open a killed run's journal: its plan and the finished entries.

        Raises RefusedInput when it is not a journal, or is damaged elsewhere than at its end. The
        torn line of a killed write is cut off.
        """
        try:
            journal = cls(path, FileIO(path, "r+b"))
        except OSError as error:
            raise RefusedInput(f"cannot open {path}: {error.strerror}") from error
        try:
            entries, good = _read(path)
            first = entries[0] if entries else {}
            if first.get("kind") != KIND or first.get("version") != VERSION:
                raise RefusedInput(f"{path} is not a journal of this version of hetbench")
            plan = toml.convert(Plan, first.get("plan"), path, ("plan",))
            journal._cut(good)
        except BaseException:
            journal._file.close()
            raise
        return journal, plan, entries[1:]

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry and wait until it is on disk; raises HetbenchError.

        After an error the journal is as it was, so that later entries do not follow half a line.
        """
        line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        good = self._file.tell()
        try:
            while line:  # unbuffered, so that nothing unwritten is kept after an error
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
        except OSError as error:
            with contextlib.suppress(HetbenchError):
                self._cut(good)
            raise cannot_write(self.path, error) from error

    def _cut(self, size: int) -> None:
        try:
            self._file.truncate(size)
            self._file.seek(size)
        except OSError as error:
            raise cannot_write(self.path, error) from error

    def remove(self) -> None:
        """Delete the journal once the results file holds everything."""
        self._file.close()
        self.path.unlink()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()


def _read(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Complete entries and the number of bytes they take."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise RefusedInput(f"cannot read {path}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise RefusedInput(f"{path} is larger than {MAX_BYTES >> 20} MiB, the most that is read")
    *lines, torn = data.split(b"\n")
    entries: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict):
            raise RefusedInput(f"{path} is not a journal, or is damaged in line {number}")
        entries.append(entry)
    return entries, len(data) - len(torn)
