"""What the commands share: the one way out for text, and finding devices.

Everything printed passes `bench.cli.console.Console` or `bench.language.plain`, or is JSON in
ASCII: text of files, devices and their software acts on no terminal, and every encoding can
carry it.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from bench.errors import HetbenchError
from bench.language.plain import plain
from bench.language.translate import tr
from bench.system.files import cannot_write

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bench.adapter import Adapter
    from bench.cli.console import Console
    from bench.target import Found

JSON = typer.Option(False, "--json", help=tr("Print JSON and nothing else on standard output."))
ADAPTER = typer.Option(
    [],
    "--adapter",
    metavar="FILE",
    help=tr("An adapter from outside, a TOML file. May be given several times."),
)
TRUST = typer.Option(
    False,
    "--trust-adapter",
    help=tr("Let the adapters given with --adapter import modules and run programs."),
)
NAMES = typer.Argument(
    None, metavar="[ADAPTER]...", help=tr("Ask these adapters alone, and tell all about them.")
)
ALL = typer.Option(
    False, "--all", help=tr("Also what is missing, with the reason, and what is simulated.")
)
FORCE = typer.Option(False, "--force", help=tr("Let --out replace a file that is there."))
LONGEST_WAIT_S = 7 * 86_400.0


def _waiting(value: float) -> float:
    """A time to wait: NaN passes every comparison, so bounds alone do not stop it."""
    if not math.isfinite(value) or not 0 <= value <= LONGEST_WAIT_S:
        raise typer.BadParameter(tr(f"{value} is not from 0 to {LONGEST_WAIT_S:.0f} seconds"))
    return value


WAIT = typer.Option(
    0.0,
    "--wait",
    metavar="SECONDS",
    callback=_waiting,
    help=tr("How long to wait for a device in use."),
)
PLAIN_WIDTH = 160
"""Columns of what goes to a file or pipe, unless COLUMNS says how many."""
LEAST_WIDTH = 40
"""Columns; fewer, as some terminals say of themselves at first, are not taken at their word."""


@contextlib.contextmanager
def standard_output() -> Iterator[None]:
    """Print within it: a reader that has seen enough, such as head, is no error.

    Raises CannotWrite for a full disk and the like.
    """
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
    except OSError as error:
        drop_output()
        raise cannot_write("standard output", error) from error


def drop_output() -> None:
    """Let what is still buffered, and all that follows, go nowhere; the exit code stays."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def print_json(value: Any) -> None:
    """One JSON document on standard output; in ASCII, with escapes for all else."""
    with standard_output():
        json.dump(value, sys.stdout, indent=2, allow_nan=False)
        sys.stdout.write("\n")


def error(problem: HetbenchError) -> dict[str, Any]:
    """An error as a JSON value, in English like all that is stored."""
    return {"exit_code": problem.exit_code, "message": str(problem)}


def complain(text: str) -> None:
    """One translated line of an error on standard error; needs nothing that is not loaded yet."""
    with contextlib.suppress(OSError):  # it is full or closed; the exit code still says it
        sys.stderr.write(f"hetbench: {plain(tr(text))}\n")
        sys.stderr.flush()


def ready_streams() -> None:
    """Before anything is printed: what an encoding lacks becomes an escape, not an error.

    typer's own errors repeat the arguments, which a shell may have made of foreign file names; its
    printing module is loaded here only where they need our console.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    if any(plain(word) != word for word in sys.argv):
        from typer import rich_utils

        from bench.cli.console import Console

        vars(rich_utils)["Console"] = Console


def console(stderr: bool = False) -> Console:
    """A console as wide as its terminal or, where there is none, as COLUMNS says."""
    from bench.cli.console import Console

    made = Console(stderr=stderr, markup=False, emoji=False, highlight=False)
    if not made.is_terminal:
        asked = os.environ.get("COLUMNS", "")
        made.width = int(asked) if asked.isdecimal() else PLAIN_WIDTH
    made.width = max(made.width, LEAST_WIDTH)
    return made


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table of text cells; numbers are the caller's to format."""
    from bench.report.listing import Listing

    show(Listing(headings, list(rows)))


def show(renderable: RenderableType) -> None:
    """Print to standard output."""
    with standard_output():
        console().print(renderable)


def say(text: str) -> None:
    """One translated line on standard output, not wrapped, so that paths can be copied."""
    from rich.text import Text

    with standard_output():
        console().print(Text(tr(text)), soft_wrap=True)


def adapters(files: Sequence[str], trusted: bool) -> list[Adapter]:
    """The installed adapters and those of the files; raises UsageError for an untrusted file."""
    from pathlib import Path

    from bench import registry

    found = dict(registry.adapters())
    if not files:
        return list(found.values())
    from bench.adapter import Adapter
    from bench.adapters import trust
    from bench.settings import toml

    for name in files:
        path = Path(name)
        adapter = toml.load(Adapter, path)
        trust.require_trust(adapter, path, trusted)
        found[adapter.name] = adapter
    return list(found.values())


def tell_broken() -> None:
    """Say on standard error what of installed packages cannot be used, and why."""
    from bench import registry

    for problem in registry.broken():
        complain(problem)


def find(files: Sequence[str], trusted: bool, names: Sequence[str]) -> list[Found]:
    """Ask all that the named adapters name, or every adapter; raises UsageError for an unknown."""
    from bench import registry
    from bench.devices import discover

    known = {adapter.name: adapter for adapter in adapters(files, trusted)}
    tell_broken()
    for name in names:
        if name not in known:
            raise registry.unknown("adapter", name, known)
    return discover.find(known[name] for name in names or known)


def present(found: Sequence[Found]) -> list[Found]:
    """What is really here: an answer with a device that is no simulated one."""
    return [answer for answer in found if answer.reason is None and not answer.simulated]
