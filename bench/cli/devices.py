"""`hetbench devices`: what can be measured here, and why the rest cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bench.cli import common
from bench.language.translate import tr

if TYPE_CHECKING:
    from bench.device import Device
    from bench.target import Found


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

    found = common.find(adapter, trust_adapter, names or [])
    shown = found if every or names else common.present(found)
    asked = found if json else shown
    rows = [(answer, device) for answer in asked for device in answer.devices]
    absent = [answer for answer in found if answer.reason is not None]
    if json:
        common.print_json(
            {
                "targets": [
                    {
                        "target": answer.target(device.id),
                        "adapter": answer.candidate.adapter.name,
                        "simulated": answer.simulated,
                        "versions": dict(answer.versions),
                        "device": asdict(device),
                    }
                    for answer, device in rows
                ],
                "unavailable": [
                    {
                        "backend": answer.candidate.way.backend,
                        "adapter": answer.candidate.adapter.name,
                        "options": dict(answer.candidate.options),
                        "reason": answer.reason,
                    }
                    for answer in absent
                ],
            }
        )
        return
    if rows:
        common.print_table(
            [tr("target"), tr("device"), tr("vendor"), tr("memory"), tr("identity")],
            (
                (
                    answer.target(device.id)
                    + (f"  ({tr('simulated')})" if answer.simulated else ""),
                    device.name,
                    device.vendor or format.NONE,
                    format.size(device.memory_bytes),
                    device.uuid or format.NONE,
                )
                for answer, device in rows
            ),
        )
        common.say("")
    if shown is not found:
        more = sum(one.reason is not None for one in found)
        common.say(
            "1 more is known; 'hetbench devices --all' tells why it is not here"
            if more == 1
            else f"{more} more are known; 'hetbench devices --all' tells why each is not here"
        )
    elif absent:
        common.print_table(
            [tr("not available"), tr("backend"), tr("reason")],
            (
                (
                    answer.candidate.adapter.name,
                    "+".join([answer.candidate.way.backend, *answer.candidate.options]),
                    tr(answer.reason or ""),
                )
                for answer in absent
            ),
        )


def _written(answer: Found, device: Device) -> str:
    """The target, and whether its device exists."""
    target = answer.target(device.id)
    return f"{target}  ({tr('simulated')})" if answer.simulated else target
