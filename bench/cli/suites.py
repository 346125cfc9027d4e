"""`hetbench suites`: the lists of cases that are shipped."""

from __future__ import annotations

import typer

from bench.cli import common
from bench.language.translate import tr


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(help=tr("List the suites."))(suites)


def suites(json: bool = common.JSON) -> None:
    """Print the suites with what is in them."""
    from dataclasses import asdict

    from bench import registry
    from bench.language.translate import language, listing
    from bench.runner import suites as plans

    loaded = [plans.load(name) for name in registry.suites()]
    if json:
        common.print_json([{**asdict(one), "digest": one.digest} for one in loaded])
        return
    common.print_table(
        [tr("suite"), tr("version"), tr("trials"), tr("models"), tr("what it is for")],
        (
            (
                one.name,
                str(one.version),
                str(one.trials),
                listing(dict.fromkeys(name for group in one.cases for name in group.models)),
                one.title_zh if language() == "zh" else one.title,
            )
            for one in loaded
        ),
    )
