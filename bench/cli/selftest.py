"""`hetbench selftest`: what the clock and the loops cost on this machine."""

from __future__ import annotations

import typer

from bench.cli import common
from bench.language.translate import tr


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(help=tr("Measure the clock and the harness's own cost beside a bare loop's."))(
        selftest
    )


def selftest(json: bool = common.JSON) -> None:
    """Print the clock's resolution and cost, and the timed loop's beside a bare loop's."""
    from bench.measure import overhead

    facts = overhead.measure()
    if json:
        common.print_json(facts)
        return
    common.print_table(
        [tr("what"), tr("value")],
        (
            (tr("clock"), "perf_counter_ns"),
            (tr("clock resolution"), f"{facts['clock_resolution_ns']} ns"),
            (tr("cost of one reading"), f"{facts['clock_cost_ns']:.0f} ns"),
            (tr("bare loop, an iteration"), f"{facts['bare_iteration_ns']:.0f} ns"),
            (tr("timed loop, an iteration"), f"{facts['timed_iteration_ns']:.0f} ns"),
            (tr("bare loop, reported for doing nothing"), f"{facts['bare_reported_ns']:.0f} ns"),
            (tr("timed loop, reported for doing nothing"), f"{facts['timed_reported_ns']:.0f} ns"),
        ),
    )
