"""The few errors a person can meet. Each says what was asked, what is wrong and what to do.

Exit codes of the command line: 0 all ran and valid, 1 a verdict failed, 2 usage,
3 some case did not run, 4 refused input.
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


class Unsupported(HetbenchError):
    """The device or backend cannot run this workload; the text is the reason."""


class OutOfMemory(HetbenchError):
    """The device or the host had not enough memory."""


class DeviceBusy(HetbenchError):
    """Another run holds the device; the text says which."""
