"""What the commands share: printing JSON or tables, and finding targets."""

from __future__ import annotations

import contextlib
import json
import math
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import typer

from bench.errors import HetbenchError
from bench.files import cannot_write
from bench.text import tr

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from bench.adapter import Adapter
    from bench.discover import Found

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
"""Columns of tables that go to a file or pipe, where nothing wraps."""


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
    """One JSON document on standard output."""
    with standard_output():
        json.dump(value, sys.stdout, ensure_ascii=False, indent=2, allow_nan=False)
        sys.stdout.write("\n")


def error(problem: HetbenchError) -> dict[str, Any]:
    """An error as a JSON value, in English like all that is stored."""
    return {"exit_code": problem.exit_code, "message": str(problem)}


def complain(problem: HetbenchError) -> None:
    """The sentence of an error, in the reader's language, on standard error."""
    with contextlib.suppress(OSError):  # it is full or closed; the exit code still says it
        print(f"hetbench: {tr(str(problem))}", file=sys.stderr, flush=True)  # noqa: T201


def console(stderr: bool = False) -> Console:
    """A console that never wraps tables when it is not a terminal."""
    from rich.console import Console

    made = Console(stderr=stderr, highlight=False)
    if not made.is_terminal:
        made = Console(stderr=stderr, highlight=False, width=PLAIN_WIDTH)
    return made


def print_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A plain table of text cells; numbers are the caller's to format."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    show(table)


def show(renderable: RenderableType) -> None:
    """Print to standard output."""
    with standard_output():
        console().print(renderable)


def say(text: str) -> None:
    """One translated line on standard output, not wrapped, so that paths can be copied."""
    with standard_output():
        console().print(tr(text), soft_wrap=True, markup=False)


def adapters(files: Sequence[str], trusted: bool) -> list[Adapter]:
    """The installed adapters and those of the files; raises UsageError for an untrusted file."""
    from pathlib import Path

    from bench import registry

    found = dict(registry.adapters())
    if not files:
        return list(found.values())
    from bench import toml, trust
    from bench.adapter import Adapter

    for name in files:
        path = Path(name)
        adapter = toml.load(Adapter, path)
        trust.require_trust(adapter, path, trusted)
        found[adapter.name] = adapter
    return list(found.values())


def find(files: Sequence[str], trusted: bool, targets: Sequence[str] = ()) -> list[Found]:
    """Ask what the targets can mean, or every candidate when none is named."""
    from bench import discover

    known = adapters(files, trusted)
    wanted = discover.named(targets, known) if targets else discover.candidates(known)
    return discover.discover(wanted)
