"""`hetbench devices`: what can be measured here, and why the rest cannot."""

from __future__ import annotations

import typer

from bench.cli import common
from bench.language.translate import tr


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(help=tr("List the targets of this machine, and why others are missing."))(devices)


def devices(
    names: list[str] | None = common.NAMES,
    every: bool = common.ALL,
    json: bool = common.JSON,
    adapter: list[str] = common.ADAPTER,
    trust_adapter: bool = common.TRUST,
) -> None:
    """List what is here; of the rest how many there are, or with --all each with its reason.

    JSON holds all of it either way.
    """
    from dataclasses import asdict

    from bench.report import format

    found = common.find_by_name(adapter, trust_adapter, names or [])
    shown = found if every or names else common.present(found)
    rows = [(one, device) for one in (found if json else shown) for device in one.devices]
    absent = [one for one in found if one.reason is not None]
    if json:
        common.print_json(
            {
                "targets": [
                    {
                        "target": one.target(device.id),
                        "adapter": one.candidate.adapter.name,
                        "simulated": one.simulated,
                        "versions": dict(one.versions),
                        "device": asdict(device),
                    }
                    for one, device in rows
                ],
                "unavailable": [
                    {
                        "backend": one.candidate.backend,
                        "adapter": one.candidate.adapter.name,
                        "options": dict(one.candidate.options),
                        "reason": one.reason,
                    }
                    for one in absent
                ],
            }
        )
        return
    if rows:
        common.print_table(
            [tr("target"), tr("device"), tr("vendor"), tr("memory"), tr("identity")],
            (
                (
                    one.target(device.id) + (f"  ({tr('simulated')})" if one.simulated else ""),
                    device.name,
                    device.vendor or format.NONE,
                    format.size(device.memory_bytes),
                    device.uuid or format.NONE,
                )
                for one, device in rows
            ),
        )
        common.say("")
    if shown is not found:
        more = len(found) - len(shown)
        common.say(f"{more} more are known; 'hetbench devices --all' tells why each is not here")
    elif absent:
        common.print_table(
            [tr("not available"), tr("backend"), tr("reason")],
            (
                (
                    one.candidate.adapter.name,
                    "+".join([one.candidate.backend, *one.candidate.options]),
                    tr(one.reason or ""),
                )
                for one in absent
            ),
        )
