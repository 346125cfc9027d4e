"""The journal: one JSON line per finished piece of work, on disk before the next one starts.

`kill -9` at any moment loses at most the trial in progress. A torn last line is left out when the
journal is read again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from io import FileIO
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import toml
from bench.errors import RefusedInput
from bench.results_file import MAX_BYTES, cannot_write
from bench.runner.plan import Plan

KIND = "hetbench-journal"
VERSION = 1


def path_for(out: Path) -> Path:
    """Where the journal of a results file lies while the run goes on."""
    return out.with_name(out.name + ".journal")


class Journal:
    """An append-only file of entries, each fsynced."""

    def __init__(self, path: Path, file: FileIO) -> None:
        self.path = path
        self._file = file

    @classmethod
    def create(cls, path: Path, plan: Plan) -> Journal:
        """Start a journal with the plan; raises HetbenchError when it cannot be written."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            journal = cls(path, FileIO(path, "xb"))
        except FileExistsError as error:
            raise RefusedInput(
                f"{path} is the journal of a run that did not finish; continue it with "
                f"--resume {path}, or delete it"
            ) from error
        except OSError as error:
            raise cannot_write(path, error) from error
        journal.append({"kind": KIND, "version": VERSION, "plan": asdict(plan)})
        return journal

    @classmethod
    def reopen(cls, path: Path) -> tuple[Journal, Plan, list[dict[str, Any]]]:
        """Open a killed run's journal: its plan and the finished entries.

        Raises RefusedInput when it is not a journal. The torn line of a killed write is cut off.
        """
        entries, good = _read(path)
        if not entries or entries[0].get("kind") != KIND or entries[0].get("version") != VERSION:
            raise RefusedInput(f"{path} is not a journal of this version of hetbench")
        plan = toml.convert(Plan, entries[0].get("plan"), path, ("plan",))
        try:
            file = FileIO(path, "r+b")
            file.truncate(good)
            file.seek(good)
        except OSError as error:
            raise cannot_write(path, error) from error
        return cls(path, file), plan, entries[1:]

    def append(self, entry: dict[str, Any]) -> None:
        """Write one entry and wait until it is on disk; raises HetbenchError."""
        line = json.dumps(entry, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        try:
            while line:  # unbuffered, so that nothing unwritten is kept after an error
                line = line[self._file.write(line) :]
            os.fsync(self._file.fileno())
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
    entries: list[dict[str, Any]] = []
    good = 0
    for line in data.splitlines(keepends=True):
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError):
            break
        if not line.endswith(b"\n") or not isinstance(entry, dict):
            break
        entries.append(entry)
        good += len(line)
    return entries, good
