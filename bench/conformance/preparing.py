"""Prepared files for the checks, and what a child that ended early says of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict

from bench import registry
from bench.conformance.context import Files
from bench.errors import CannotWrite, HetbenchError
from bench.model import PRECISIONS, ModelCard, Precision
from bench.system import process
from bench.target import Resolved

ORDER: tuple[Precision, ...] = ("fp32", "tf32", "bf16", "fp16", "int8")
"""Precision of the checks: the first that the device supports."""
PREPARE_S = 600.0

Tell = Callable[[str], None]


def probe_model() -> ModelCard:
    """The model of every check that needs only one: the smallest that is fit for all."""
    fitting = [card for card in registry.models().values() if _is_fit(card)]
    return min(fitting, key=lambda card: card.parameters)


def _is_fit(card: ModelCard) -> bool:
    """Whether it has convolutions and a matrix product, as a convolutional classifier has both,
    takes floats, as other inputs that are hardly different may not matter, and is defined in every
    precision."""
    return (
        card.channels_last
        and all(limit.top1 is not None for limit in card.tolerance.values())
        and all(spec.dtype.startswith("float") for spec in card.inputs)
        and set(PRECISIONS) <= set(card.precisions)
    )


def prepare(
    target: Resolved,
    cards: Sequence[ModelCard],
    seed: int,
    tell: Tell,
    precision: Precision | None = None,
) -> list[Files]:
    """Files of every model at fp32 and of the probe model at each precision; or, with a precision,
    of the other models at that one."""
    probe = probe_model()
    if precision is None:
        wanted = [(probe, one) for one in ORDER]
        wanted += [(card, ORDER[0]) for card in cards if card.name != probe.name]
    else:
        wanted = [(card, precision) for card in cards if card.name != probe.name]
    found: dict[str, Files] = {}

    def on_event(event: process.Event) -> None:
        if event["event"] == "preparing":
            tell(f"preparing {event['what']}")
        elif event["event"] == "prepared":
            card, wants = wanted[int(event["case"])]
            status, reason = event["status"], event["reason"]
            if status == "disk":
                raise CannotWrite(reason)
            found[event["case"]] = Files(
                card.name,
                wants,
                event["onnx"],
                event["reference"],
                refusal=reason if status == "unsupported" else None,
                problem=reason if status not in ("ok", "unsupported") else None,
            )

    job = {
        "backend": target.backend,
        "adapter": asdict(target.adapter),
        "options": target.options,
        "seed": seed,
        "source": "",
        "cases": [
            {
                "id": str(place),
                "card": asdict(card),
                "precision": one,
                "batch": None,
                "axes": {},
                "device": asdict(target.device),
            }
            for place, (card, one) in enumerate(wanted)
        ],
    }
    outcome = process.run("bench.worker.prepare", job, on_event, PREPARE_S, target.environment)
    for place, (card, one) in enumerate(wanted):
        if str(place) not in found:
            found[str(place)] = Files(
                card.name, one, problem=f"preparing the model {how(outcome, PREPARE_S)}"
            )
    return [found[str(place)] for place in range(len(wanted))]


def precision(target: Resolved, files: Sequence[Files]) -> Precision:
    name = probe_model().name
    probes = {one.precision: one for one in files if one.model == name}
    for precision in ORDER:
        if probes[precision].refusal is None:
            return precision
    raise HetbenchError(
        f"{target.target} cannot be checked: it refuses {name} in every precision, in "
        f"{ORDER[0]} because {probes[ORDER[0]].refusal}"
    )


def hung(outcome: process.Outcome) -> bool:
    return outcome.timed_out or (outcome.returncode == 1 and "Timeout (" in outcome.printed)


def how(outcome: process.Outcome, limit_s: float) -> str:
    """How a child ended that should have gone on."""
    if hung(outcome):
        return f"did not end within {limit_s:g} s"
    return f"{outcome.ending}: {outcome.last_line}"
