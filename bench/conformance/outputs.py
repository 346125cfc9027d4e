"""Checks of what comes out: right numbers, from these inputs, of this run, on this device."""

from __future__ import annotations

from typing import cast

import numpy as np

from bench.conformance.context import Context, infer
from bench.conformance.verdict import Found, failed, first_line, passed, skipped
from bench.measure import fidelity
from bench.model import Arrays, ModelCard, Precision

BATCH = 2
"""Large enough that rows can be mixed up."""
REPEATS = 3


def supports(context: Context, precision: str) -> Found:
    """What `supports` says yes to loads, runs, and gives right outputs; a no has a reason."""
    card, wanted = context.job.probe, cast(Precision, precision)
    files = context.files(card, wanted)
    workload = context.workload(card, wanted, BATCH)
    refusal = context.backend.supports(workload, context.job.device)
    if refusal != context.backend.supports(workload, context.job.device):
        return failed("it does not give the same answer twice")
    if refusal is None and files.refusal is not None:
        return failed(f"it says yes here, and in another process no: {files.refusal}")
    if refusal is not None:
        if not refusal.strip():
            return failed("it says no without a reason")
        return passed(f"it says no: {refusal}")
    try:
        verdict = _verdict(context, card, wanted)
    except Exception as error:  # noqa: BLE001 - a backend may raise anything, which is the lie
        return failed(f"it says yes, and then {card.name} raises {first_line(error)}")
    if not verdict.passed:
        return failed(f"it says yes, but for {card.name}: {verdict.reason}")
    return passed(f"it says yes, and {card.name} runs: relative L2 {verdict.relative_l2:.1e}")


def fidelity_of(context: Context, model: str) -> Found:
    """The outputs on fresh inputs are within the model's tolerance of the reference."""
    card = context.card(model)
    files = context.files(card, context.job.precision)
    if files.refusal is not None:
        return skipped(f"supports says no: {files.refusal}")
    verdict = _verdict(context, card, context.job.precision)
    if not verdict.passed:
        return failed(str(verdict.reason))
    return passed(
        f"relative L2 {verdict.relative_l2:.1e} on {verdict.items} fresh items, "
        f"{verdict.tolerance.relative_l2:g} is allowed"
    )


def _verdict(context: Context, card: ModelCard, precision: Precision) -> fidelity.Verdict:
    batch = card.batch or BATCH
    items = fidelity.check_items(card, card.sizes(), context.job.seed)
    slots = fidelity.check_batches(items, batch)
    with context.session(card, precision, slots) as session:
        outputs = [infer(session, slot) for slot in range(len(slots))]
        placed = session.placement()
        if placed is not None:
            context.placements[f"{card.name} {precision}"] = placed
        reference = context.reference(card, precision, items)
    return fidelity.compare(outputs, batch, reference, card, card.tolerance[precision])


def inputs_matter(context: Context) -> Found:
    """Other inputs give other outputs, also where a slot's array is changed in place."""
    slots = context.draw(context.job.probe, BATCH, 3, "inputs")
    allowed = _tolerance(context)
    with context.probe_session(slots) as session:
        outputs = [infer(session, slot) for slot in range(3)]
        for one, other in ((0, 1), (1, 2), (0, 2)):
            if distance(outputs[one], outputs[other]) <= allowed:
                return failed("different inputs give the same outputs")
        for name, array in slots[0].arrays.items():
            array[...] = slots[1].arrays[name]
        changed = infer(session, 0)
        if distance(changed, outputs[0]) <= allowed:
            return failed("an input changed in its slot and staged again changes nothing")
        if not distance(changed, outputs[1]) <= 2 * allowed:
            return failed("an input moved to another slot gives other outputs")
    return passed("outputs follow inputs, also where a slot's array is changed in place")


def outputs_repeat(context: Context) -> Found:
    """The same input gives the same outputs, whatever ran in between."""
    slots = context.draw(context.job.probe, BATCH, 2, "repeat")
    with context.probe_session(slots) as session:
        first = infer(session, 0)
        apart = []
        for _ in range(REPEATS):
            infer(session, 1)
            apart.append(distance(infer(session, 0), first))
    worst = float(np.max(apart))  # numpy's maximum keeps a NaN
    if not worst <= 2 * _tolerance(context):
        return failed(f"the same input gives outputs that differ by {worst:.1e} relative L2")
    return passed(f"the same input gave the same outputs within {worst:.1e} relative L2")


def fetch_last(context: Context) -> Found:
    """`fetch` gives the outputs of the last of several queued runs."""
    slots = context.draw(context.job.probe, BATCH, 2, "order")
    with context.probe_session(slots) as session:
        alone = [infer(session, slot) for slot in range(2)]
        for last in (1, 0):
            for slot in (last, 1 - last, last, 1 - last, last):
                session.run(slot)
            session.synchronize()
            if not distance(session.fetch(), alone[last]) <= 2 * _tolerance(context):
                return failed("after several queued runs fetch gives another run's outputs")
    return passed("after five queued runs fetch gives the last one's outputs")


def fetch_keeps(context: Context) -> Found:
    """Arrays that `fetch` gave out stay as they are when the session goes on."""
    slots = context.draw(context.job.probe, BATCH, 3, "keep")
    with context.probe_session(slots) as session:
        given = infer(session, 0)
        kept = {name: array.copy() for name, array in given.items()}
        for slot in (1, 2):
            infer(session, slot)
        if not all(np.array_equal(given[name], kept[name], equal_nan=True) for name in kept):
            return failed("arrays given out by fetch change when the session goes on")
    if not all(np.array_equal(given[name], kept[name], equal_nan=True) for name in kept):
        return failed("arrays given out by fetch change when the session is closed")
    return passed("arrays given out by fetch stayed as they were through later runs and close")


def placement(context: Context) -> Found:
    """Every node ran on the provider that was wanted."""
    if not context.placements:
        slots = context.draw(context.job.probe, BATCH, 1, "placement")
        with context.probe_session(slots) as session:
            placed = session.placement()
        if placed is None:
            return skipped("the backend runs everything in one place")
        context.placements[context.job.probe.name] = placed
    for what, placed in context.placements.items():
        total = sum(placed.nodes.values())
        if placed.share < 1:
            elsewhere = {p: n for p, n in placed.nodes.items() if p != placed.wanted}
            where = ", ".join(f"{n} ran on {p}" for p, n in elsewhere.items()) or "no node at all"
            return failed(f"of the {total} nodes of {what} not all ran on {placed.wanted}: {where}")
    wanted = next(iter(context.placements.values())).wanted
    return passed(f"every node of {len(context.placements)} loaded models ran on {wanted}")


def distance(one: Arrays, other: Arrays) -> float:
    """Largest relative L2 distance over the outputs; NaN where one is not finite."""
    found = []
    for name, array in other.items():
        right = np.asarray(array, np.float64)
        norm = float(np.linalg.norm(right)) or 1.0
        found.append(float(np.linalg.norm(np.asarray(one[name], np.float64) - right)) / norm)
    return float(np.max(found))  # numpy's maximum keeps a NaN


def _tolerance(context: Context) -> float:
    return context.job.probe.tolerance[context.job.precision].relative_l2
