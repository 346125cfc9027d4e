"""`hetbench show`: a results file as a table."""

from __future__ import annotations

from pathlib import Path

import typer

from bench.cli import common
from bench.language.translate import tr


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(help=tr("Show a results file."))(show)


def show(
    file: Path = typer.Argument(metavar="FILE", help=tr("A results file.")),
    json: bool = common.JSON,
) -> None:
    """Read strictly, then print; a file that is not a results file ends with exit code 4."""
    from bench.report import table
    from bench.results import file as results_file

    results = results_file.read(file)
    if json:
        common.print_json(results.model_dump(mode="json"))
    else:
        common.show(table.render(results))
