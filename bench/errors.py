"""The few errors a person can meet. Each says what was asked, what is wrong and what to do.

Exit codes of the command line: 0 done, 1 a verdict failed, 2 usage, 3 not everything was measured,
4 refused input, 5 a target is unavailable or busy, 6 cannot write, 130 interrupted.
"""

from __future__ import annotations


class HetbenchError(Exception):
    """Base of every error that is explained to a person instead of shown as a traceback."""

    exit_code = 3


class UsageError(HetbenchError):
    """The command line or a configuration file asks for something that does not exist."""

    exit_code = 2


class RefusedInput(HetbenchError):
    """A file from outside is malformed, too large or not what it claims to be."""

    exit_code = 4


class Unavailable(HetbenchError):
    """The target is known, but cannot be used on this machine; the text says why."""

    exit_code = 5


class DeviceBusy(Unavailable):
    """Another run holds the device, or the journal; the text says which."""


class CannotWrite(HetbenchError):
    """A file of ours, or standard output, could not be written."""

    exit_code = 6


class Interrupted(HetbenchError):
    """Ctrl-C, or SIGTERM while something was measured."""

    exit_code = 130


class Unsupported(HetbenchError):
    """The device or backend cannot run this workload; the text is the reason."""


class OutOfMemory(HetbenchError):
    """The device or the host had not enough memory."""
