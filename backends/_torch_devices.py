"""What torch tells of the devices of one of its device types."""

from __future__ import annotations

import os
import re
from typing import Any

import torch

from bench.adapter import Adapter
from bench.device import Device

from ._torch_accelerator import device_function

_NAME_LENGTH = 100


def names(kind: str) -> list[str]:
    """Names of all devices of this torch device type, whoever made them."""
    count = device_function(kind, "device_count")()
    name = device_function(kind, "get_device_name", otherwise=lambda index: f"{kind}:{index}")
    return [str(name(index)).strip()[:_NAME_LENGTH] for index in range(count)]


def describe(adapter: Adapter, kind: str, index: int, name: str) -> Device:
    """The device of this number and name, with what torch knows of it."""
    facts = device_function(kind, "get_device_properties", otherwise=lambda index: None)(index)
    properties = {
        variable: os.environ[variable]
        for variable in adapter.visible_devices
        if variable in os.environ
    }
    for fact in ("gcnArchName", "multi_processor_count"):
        if hasattr(facts, fact):
            properties[fact] = str(getattr(facts, fact))
    if hasattr(facts, "major") and hasattr(facts, "minor"):
        properties["compute_capability"] = f"{facts.major}.{facts.minor}"
    bus = _bus_id(facts)
    if bus:
        properties["pci_bus_id"] = bus
    is_slice = re.search(r"\bMIG \d", name) is not None
    uuid = _uuid(facts, is_slice) or bus
    id = f"{adapter.kind}:{index}"
    return Device(
        id=id,
        kind=adapter.kind,
        index=index,
        name=name,
        vendor=adapter.vendor,
        uuid=uuid,
        memory_bytes=getattr(facts, "total_memory", None),
        scope="slice" if is_slice else "device",
        board=bus if is_slice else None,
        locks=(uuid or id,),
        properties=properties,
    )


def cuda_versions() -> dict[str, str]:
    """Versions of the CUDA or HIP that torch was built for, and of its cuDNN."""
    versions = {"cuda": torch.version.cuda, "hip": torch.version.hip}
    cudnn = torch.backends.cudnn.version()  # type: ignore[no-untyped-call]
    if cudnn:
        versions["cudnn"] = str(cudnn)
    return {name: version for name, version in versions.items() if version}


def _bus_id(facts: Any) -> str | None:
    """PCI address, of which torch from 2.8 on has the parts."""
    try:
        return f"{facts.pci_domain_id:04x}:{facts.pci_bus_id:02x}:{facts.pci_device_id:02x}.0"
    except (AttributeError, ValueError, TypeError):
        return None


def _uuid(facts: Any, is_slice: bool) -> str | None:
    """The UUID as the vendor's management library writes it; torch leaves CUDA's prefix out."""
    text = str(getattr(facts, "uuid", "") or "")
    if not text.strip("0-"):  # some stacks answer with zeros
        return None
    if re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) and torch.version.cuda:
        return f"MIG-{text}" if is_slice else f"GPU-{text}"
    return text[:_NAME_LENGTH]
