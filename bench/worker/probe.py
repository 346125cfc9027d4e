"""The child that asks backends what they can reach; frameworks are imported only here and in
workers, so a plug-in that crashes at import takes nothing else down."""

from __future__ import annotations

import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bench import registry
from bench.errors import UsageError
from bench.settings import toml
from bench.system.child import Emit
from bench.target import Candidate


@dataclass(frozen=True, slots=True)
class Job:
    candidates: tuple[Candidate, ...]


def perform(table: dict[str, Any], emit: Emit) -> None:
    """Report one `found` event per candidate, in order."""
    job = toml.convert(Job, table, Path("the probe's job"))
    for index, candidate in enumerate(job.candidates):
        emit("asking", index=index)
        emit("found", index=index, **_ask(candidate))


def _ask(candidate: Candidate) -> dict[str, Any]:
    answer: dict[str, Any] = {
        "reason": None,
        "versions": {},
        "devices": [],
        "simulated": False,
        "format": "",
        "misused": False,
    }
    try:
        kind = registry.backend(candidate.way.backend)
        answer["format"] = kind.format
        backend = kind(candidate.adapter, candidate.options)
        availability = backend.probe()
        devices = backend.devices() if availability.available else []
    except UsageError as error:
        return {**answer, "reason": str(error), "misused": True}
    except Exception as error:  # noqa: BLE001 - foreign code may raise anything; said, not hidden
        traceback.print_exc()
        failure = f"the probe of {candidate.adapter.name} failed: {type(error).__name__}: {error}"
        return {**answer, "reason": failure}
    name, reason = candidate.way.backend, availability.reason
    if availability.available and not devices:
        reason = f"{name} works, but finds no device of {candidate.adapter.vendor}"
    return {
        **answer,
        "reason": reason,
        "versions": dict(availability.versions),
        "devices": [asdict(device) for device in devices],
        "simulated": backend.simulated,
    }
