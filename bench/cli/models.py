"""`hetbench models`: the fixed zoo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from bench.cli import common
from bench.language.translate import listing, tr

if TYPE_CHECKING:
    from bench.model import InputSpec, ModelCard


def add_to(app: typer.Typer) -> None:
    """Register the command."""
    app.command(help=tr("List the models with their sizes, inputs and precisions."))(models)


def models(json: bool = common.JSON) -> None:
    """Print the model cards; imports no framework."""
    from dataclasses import asdict

    from bench import registry

    cards = registry.models().values()
    common.tell_broken()
    if json:
        common.print_json(
            [
                {
                    **asdict(card),
                    "weight_bytes": card.weight_bytes,
                    "flops_per_item": card.flops_of(card.sizes()),
                    "bytes_per_item": card.bytes_of(card.sizes()),
                }
                for card in cards
            ]
        )
        return
    common.print_table(
        [
            tr("model"),
            tr("size"),
            tr("task"),
            tr("parameters"),
            tr("FLOPs/item"),
            tr("inputs"),
            tr("axes"),
            tr("precisions"),
        ],
        (
            (
                card.name,
                tr(card.size),
                tr(card.task),
                _short(card.parameters),
                _short(card.flops_of(card.sizes())),
                listing(f"{i.name} {_shape(i, card)}" for i in card.inputs),
                listing(f"{name} {tr(str(axis))}" for name, axis in card.axes.items()) or "-",
                " ".join(card.precisions),
            )
            for card in sorted(cards, key=lambda card: (card.size == "large", card.parameters))
        ),
    )


def _shape(spec: InputSpec, card: ModelCard) -> str:
    """`3x224x224`, at the published sizes."""
    return "x".join(map(str, spec.at(card.sizes())))


def _short(value: int | None) -> str:
    """`25.6 M`; bench.report.format would need pydantic, 0.1 s more."""
    if value is None:
        return "-"
    for scale, prefix in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= scale:
            return f"{value / scale:.3g}{prefix}"
    return str(value)
