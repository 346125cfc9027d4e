"""The command line. Each command is a thin file; nothing heavy is imported until it runs."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from bench import __version__
from bench.cli import adapter, common, devices, models, run, selftest, show, suites
from bench.errors import CannotWrite, HetbenchError, Interrupted, UsageError
from bench.language.translate import language, tr
from bench.system.files import cannot_write


class Group(TyperGroup):
    """The commands; an interruption anywhere in one is an error with a sentence and a code."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("interrupted") from None


app = typer.Typer(
    name="hetbench",
    cls=Group,
    help=tr("Measure what real models cost on every accelerator in this machine."),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=tr(
        "Exit codes: 0 done, 1 a verdict failed, 2 usage, 3 not everything was measured, "
        "4 refused input, 5 target unavailable or busy, 6 cannot write, 130 interrupted."
    ),
)
for command in (devices, models, suites, run, show, selftest, adapter):
    command.add_to(app)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"hetbench {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False, "--version", callback=_version, is_eager=True, help=tr("Print the version.")
    ),
) -> None:
    del version


UNUSABLE: type[Exception] = typer.BadParameter.mro()[1]
"""What the command line library raises for a command line that it does not understand."""


LIMITS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
FULL = (errno.ENOSPC, errno.EDQUOT)


def main() -> None:
    """Entry point of the command `hetbench`."""
    _fill_closed()
    _drop_odd_widths()
    try:
        common.ready_streams()
        if language() == "zh":
            from bench.cli import chinese

            chinese.speak()
        code = app(standalone_mode=False)
        with common.standard_output():
            pass  # what the command line library printed itself is still to be written
    except HetbenchError as error:
        code = _end(error)
    except UNUSABLE as error:
        code = _end_usage(error)
    except OSError as error:
        code = _end(_limit(error))
    except RuntimeError as error:
        if "new thread" not in str(error):
            raise
        code = _end(_limit(OSError(errno.EAGAIN, str(error))))
    except KeyboardInterrupt:  # before a command began, or after it
        code = Interrupted.exit_code
    sys.exit(code)


def _drop_odd_widths() -> None:
    """The libraries that print read these as they load, and fail for what is no number."""
    for name in ("TERMINAL_WIDTH", "COLUMNS", "LINES"):
        if not re.fullmatch("[1-9][0-9]{0,3}", os.environ.get(name, "1")):
            del os.environ[name]


def _fill_closed() -> None:
    """Give a closed standard output or error a place that takes all: otherwise the next file that
    is opened, a journal perhaps, would get its number and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
    for name, number in (("stdout", 1), ("stderr", 2)):
        if getattr(sys, name) is None:
            setattr(sys, name, open(number, "w", closefd=False))  # noqa: SIM115


def _end(error: HetbenchError) -> int:
    """Say an error, with --json as JSON too; returns its exit code."""
    common.complain(str(error))
    if "--json" in sys.argv[1:]:
        with contextlib.suppress(CannotWrite):  # it says so by its exit code
            common.print_json({"error": common.error(error)})
    return error.exit_code


def _end_usage(error: Any) -> int:
    """The same for a command line that was not understood, in the library's own way."""
    message = error.format_message()
    if "--json" in sys.argv[1:] and message:
        return _end(UsageError(message))
    from typer import rich_utils

    with contextlib.suppress(OSError):
        rich_utils.rich_format_error(error)
    return UsageError.exit_code


def _limit(error: OSError) -> HetbenchError:
    """The sentence for a limit of the system that was met anywhere; raises any other error."""
    if error.errno in FULL:
        common.drop_output()  # typically it is standard output, where the rest would fail again
        return cannot_write(error.filename or "standard output", error)
    if error.errno in LIMITS:
        return HetbenchError(
            f"a limit of the system was met: {error.strerror}; raise the limits on processes and "
            "open files ('ulimit -u', 'ulimit -n'), or free memory"
        )
    raise error
