"""The command line. Each command is a thin file; nothing heavy is imported until it runs."""

from __future__ import annotations

import sys

import typer

from bench import __version__
from bench.cli import adapter, common, devices, models, run, selftest, show, suites
from bench.errors import HetbenchError
from bench.text import language, tr

app = typer.Typer(
    name="hetbench",
    help=tr("Measure what real models cost on every accelerator in this machine."),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=tr(
        "Exit codes: 0 all ran and valid, 1 a verdict failed, 2 usage, 3 some case did not run, "
        "4 refused input."
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


def main() -> None:
    """Entry point of the command `hetbench`."""
    common.ready_streams()
    if language() == "zh":
        from bench.cli import chinese

        chinese.speak()
    try:
        app()
    except HetbenchError as error:
        common.complain(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        sys.exit(0)
