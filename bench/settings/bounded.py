"""Reading files of others: regular ones, up to a size."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from bench.errors import RefusedInput


def read(path: Path, most_bytes: int) -> bytes:
    """What a regular file holds, at most one byte more than `most_bytes`, which tells one too
    large. Takes no more memory than the file does.

    Raises RefusedInput; also for a pipe or a device, which would be waited for or never end.
    """
    try:
        with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123
            status = os.fstat(file.fileno())
            if stat.S_ISDIR(status.st_mode):
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            if not stat.S_ISREG(status.st_mode):
                raise RefusedInput(f"cannot read {path}: it is not a regular file")
            return file.read(min(status.st_size, most_bytes) + 1)
    except OSError as error:
        raise RefusedInput(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:  # a name with a zero byte
        raise RefusedInput(f"cannot read {path}: {error}") from error
