"""Listing devices with the vendor's own tool, and joining that with what a framework lists.

A framework numbers the devices it may see; the vendor's tool knows which cards those are. Joined,
a device has an identity that survives a changed order, and its sensors read the right card.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.adapter import Adapter, DeviceList
from bench.device import Device
from bench.language.plain import plain
from bench.settings import patterns
from bench.system import command

TIMEOUT_S = 10.0

_IDENTITY = re.compile(r"[\w.:+-]{1,64}")
_EVERYTHING = frozenset({"", "all"})
_BUS_ID = re.compile(r"([0-9a-f]{2,8}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-9a-f])", re.IGNORECASE)
_NOTHING = frozenset({"", "-1", "none", "void", "nodevfiles"})


@dataclass(frozen=True, slots=True)
class ListedDevice:
    """One device as the vendor's tool prints it; what the tool does not print is None."""

    index: str
    """Its number in the tool, or else its rank by card and chip."""
    name: str | None = None
    uuid: str | None = None
    """UUID or bus id. Chips that share a bus id get `/CHIP` after it."""
    pci_bus_id: str | None = None
    """Bus id as Linux writes it (`0000:c1:00.0`), where `uuid` is one."""
    card: str | None = None
    chip: str | None = None
    board: str | None = None
    """What this device shares with others on the same card; None where it has the card alone."""
    memory_bytes: int | None = None


def join(
    devices: Sequence[Device], adapter: Adapter, environ: Mapping[str, str] | None = None
) -> list[Device]:
    """A framework's devices of one adapter, with what the vendor's tool knows of them.

    Runs the adapter's list command, if it has one. Without its answer a visible-devices variable
    made of numbers still tells which of the tool's devices these are; any other makes them
    unidentified, so that no sensor reads a wrong card.
    """
    if not devices or any(device.kind != adapter.kind for device in devices):
        return list(devices)  # a provider of the adapter's that runs on another kind, as on the CPU
    environ = os.environ if environ is None else environ
    listed: tuple[ListedDevice, ...] = ()
    if adapter.lists is not None:
        try:
            listed = run_list(adapter.lists)
        except command.CommandError:
            listed = ()  # the tool's absence is told by the sensors that use it
    if listed:
        return identify(devices, adapter, listed, environ)
    value = next((environ[name] for name in adapter.visible_devices if name in environ), "")
    if value.strip().lower() in _EVERYTHING:
        return list(devices)
    numbers = [word.strip() for word in value.split(",")]
    if not all(number.isdecimal() for number in numbers):
        numbers = []
    return identify(devices, adapter, [ListedDevice(number) for number in numbers], {})


def run_list(spec: DeviceList, timeout_s: float = TIMEOUT_S) -> tuple[ListedDevice, ...]:
    """Run the vendor's tool and read its list; raises command.CommandError with the reason."""
    output = command.run(spec.command, timeout_s)
    if output.truncated:
        raise command.CommandError(
            f"{spec.command[0]} printed more than {patterns.MAX_TEXT} bytes; a list that is cut "
            "off would leave devices out"
        )
    return parse(spec, output.text)


def parse(spec: DeviceList, text: str) -> tuple[ListedDevice, ...]:
    """Read a tool's output; raises command.CommandError when it is not the tool expected."""
    if spec.require and not patterns.search(spec.require, text):
        raise command.CommandError(
            f"{spec.command[0]} is another vendor's program: {spec.require!r} is not in its output"
        )
    found = [_listed(match.groupdict()) for match in patterns.matches(spec.pattern, text)]
    if "index" not in patterns.names(spec.pattern):
        found.sort(key=lambda row: (_number(row.card), _number(row.chip)))
        found = [replace(row, index=str(rank)) for rank, row in enumerate(found)]
    return tuple(_boards(found))


def visible(
    listed: Sequence[ListedDevice], variables: Sequence[str], environ: Mapping[str, str]
) -> list[ListedDevice] | None:
    """The listed devices that a framework may see, in its order; None when it cannot be told.

    The first of `variables` that is set decides; its value is a list of indices or UUIDs, as
    CUDA_VISIBLE_DEVICES has it: whatever follows a word that names no device is ignored.
    """
    value = next((environ[name] for name in variables if name in environ), "all").strip()
    if value.lower() == "all":
        return list(listed)
    chosen: list[ListedDevice] = []
    for word in value.split(","):
        word = word.strip()
        if word.lower() in _NOTHING:
            break
        hits = [row for row in listed if row.index == word or _is_uuid(row.uuid, word)]
        if len(hits) != 1:
            return None
        chosen.append(hits[0])
    return chosen


def identify(
    devices: Sequence[Device],
    adapter: Adapter,
    listed: Sequence[ListedDevice],
    environ: Mapping[str, str] | None = None,
) -> list[Device]:
    """The framework's devices with the identities the vendor's tool gives them.

    Sets uuid, board, memory, locks and the properties `tool_index`, `card` and `chip`, which an
    adapter's commands and patterns name, and `pci_bus_id`, by which sensors find a card. Where the
    two lists do not agree in length nothing is guessed: the devices come back with the property
    `identity` that says why.
    """
    seen = visible(listed, adapter.visible_devices, os.environ if environ is None else environ)
    if seen is None or len(seen) != len(devices):
        count = "an unknown part" if seen is None else len(seen)
        reason = (
            f"not matched: the vendor's tool lists {len(listed)} devices, of which the environment "
            f"shows {count}, and the framework lists {len(devices)}"
        )
        return [
            replace(device, properties={**device.properties, "identity": reason})
            for device in devices
        ]
    ordered = sorted(devices, key=lambda device: device.index)
    return [_joined(device, row) for device, row in zip(ordered, seen, strict=True)]


def _joined(device: Device, row: ListedDevice) -> Device:
    facts = {
        "tool_index": row.index,
        "card": row.card,
        "chip": row.chip,
        "pci_bus_id": device.properties.get("pci_bus_id", row.pci_bus_id),  # its own comes first
    }
    own = device.locks if device.uuid else (row.uuid or device.id,)
    shared = (fact for fact in (row.pci_bus_id, row.board) if fact is not None)
    return replace(
        device,
        uuid=device.uuid or row.uuid,
        board=device.board or row.board,
        memory_bytes=device.memory_bytes or row.memory_bytes,
        locks=tuple(dict.fromkeys((*own, *shared))),
        properties={**device.properties, **{k: v for k, v in facts.items() if v is not None}},
    )


def _listed(groups: Mapping[str, str | None]) -> ListedDevice:
    texts = {name: (value or "").strip() for name, value in groups.items()}
    identities = {
        name: texts[name] if _IDENTITY.fullmatch(texts.get(name, "")) else None
        for name in ("index", "uuid", "card", "chip")
    }
    if identities["uuid"] in {"NA", "N/A"}:
        identities["uuid"] = None
    bus_id = _BUS_ID.fullmatch(identities["uuid"] or "")
    pci = f"{bus_id[1].zfill(4)[-4:]}:{bus_id[2]}".lower() if bus_id else None
    name = plain(texts.get("name", ""))[:100]
    memory = texts.get("memory_mib", "")
    return ListedDevice(
        index=identities["index"] or "",
        name=name or None,
        uuid=pci or identities["uuid"],
        pci_bus_id=pci,
        card=identities["card"],
        chip=identities["chip"],
        memory_bytes=int(memory) << 20 if memory.isdecimal() and len(memory) < 10 else None,
    )


def _boards(rows: Sequence[ListedDevice]) -> list[ListedDevice]:
    """Mark devices that share a card or a bus id, and make shared bus ids distinct."""
    cards = Counter(row.card for row in rows if row.card)
    uuids = Counter(row.uuid for row in rows if row.uuid)
    seen: Counter[str] = Counter()
    result = []
    for row in rows:
        board, uuid = None, row.uuid
        if row.card and cards[row.card] > 1:
            board = f"card:{row.card}"
        if uuid and uuids[uuid] > 1:
            board = board or uuid
            uuid = f"{row.uuid}/{row.chip or seen[uuid]}"
            seen[row.uuid or ""] += 1
        result.append(replace(row, uuid=uuid, board=board))
    return result


def _number(text: str | None) -> tuple[int, str]:
    return (int(text), "") if text and text.isdecimal() else (1 << 30, text or "")


def _is_uuid(uuid: str | None, word: str) -> bool:
    """Whether a word is a UUID or the beginning of one, as CUDA takes it."""
    return uuid is not None and len(word) >= 4 and uuid.lower().startswith(word.lower())
