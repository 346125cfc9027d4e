"""Listing the devices that ONNX Runtime's providers reach; it does not list most of them itself."""

from __future__ import annotations

import os
from typing import Any

from bench.adapter import Adapter
from bench.device import Device
from bench.devices import smi as listing
from bench.devices.cpu import cpu_device
from bench.system import command
from bench.way import OnnxProvider

from . import _ort_providers as providers


def devices(adapter: Adapter, spec: OnnxProvider) -> list[Device]:
    """Devices of the provider's kind. Their order is the provider's own device index."""
    kind = spec.kind or adapter.kind
    if kind == "cpu":
        return [cpu_device()]
    if spec.module:
        return _of_plugin(adapter, spec, kind)
    if kind == "cuda" and adapter.name == "nvidia":
        return _of_nvml(adapter)
    listed = _of_command(adapter, kind)
    # `probe` has started a session on device 0, so that one is known to exist.
    return listed or [_device(adapter, kind, 0, adapter.title or adapter.vendor)]


def _device(adapter: Adapter, kind: str, index: int, name: str, **facts: Any) -> Device:
    facts.setdefault("locks", (facts.get("uuid") or f"{kind}:{index}",))
    return Device(f"{kind}:{index}", kind, index, name, vendor=adapter.vendor, **facts)


def _of_plugin(adapter: Adapter, spec: OnnxProvider, kind: str) -> list[Device]:
    """One device for each that the plug-in provider offers."""
    found = []
    for index, one in enumerate(providers.ep_devices(spec)):
        facts = {**one.device.metadata, **one.ep_metadata}
        name = facts.get("FULL_DEVICE_NAME") or facts.get("Description")
        address = facts.get("pci_bus_id")
        known = {"driver": facts.get("version"), "pci_bus_id": address}
        found.append(
            _device(
                adapter,
                kind,
                index,
                name or f"{one.device.vendor or one.ep_vendor} {one.device.type.name}",
                uuid=address,
                properties={k: v for k, v in known.items() if v},
            )
        )
    return found


def _of_command(adapter: Adapter, kind: str) -> list[Device]:
    """What the vendor's own tool lists; nothing where the adapter names none or it fails."""
    if adapter.lists is None:
        return []
    try:
        rows = listing.run_list(adapter.lists)
    except command.CommandError:  # the tool's absence is told by the sensors that use it
        return []
    seen = listing.visible(rows, adapter.visible_devices, os.environ) or []
    devices = [
        _device(adapter, kind, index, row.name or adapter.title or adapter.vendor)
        for index, row in enumerate(seen)
    ]
    return listing.identify(devices, adapter, rows)


def _of_nvml(adapter: Adapter) -> list[Device]:
    """NVIDIA devices this process may use, in CUDA_VISIBLE_DEVICES' order.

    NVML's order is the PCI bus order; CUDA's is the same with CUDA_DEVICE_ORDER=PCI_BUS_ID.
    """
    import pynvml as nvml

    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        driver = nvml.nvmlSystemGetDriverVersion()
        return [
            _nvml_device(adapter, nvml, index, handle, driver)
            for index, handle in enumerate(_visible(nvml))
        ]
    finally:
        nvml.nvmlShutdown()


def _visible(nvml: Any) -> list[Any]:
    """Handles of the visible devices. As in CUDA, the first invalid entry hides what follows."""
    count = nvml.nvmlDeviceGetCount()
    listed = os.environ.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(count)]
    handles = []
    for word in (part.strip() for part in listed.split(",")):
        if word.isdecimal() and int(word) < count:
            handles.append(nvml.nvmlDeviceGetHandleByIndex(int(word)))
        elif word.startswith(("GPU-", "MIG-")):
            try:
                handles.append(nvml.nvmlDeviceGetHandleByUUID(word))
            except nvml.NVMLError:
                break
        else:
            break
    return handles


def _nvml_device(adapter: Adapter, nvml: Any, index: int, handle: Any, driver: str) -> Device:
    uuid = nvml.nvmlDeviceGetUUID(handle)
    parent = handle
    if uuid.startswith("MIG-"):
        parent = nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(handle)
    bus = str(nvml.nvmlDeviceGetPciInfo(parent).busId)[-12:].lower()  # as the kernel writes it
    return _device(
        adapter,
        adapter.kind,
        index,
        nvml.nvmlDeviceGetName(handle),
        uuid=uuid,
        memory_bytes=int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
        scope="slice" if parent is not handle else "device",
        board=bus if parent is not handle else None,
        properties={"driver": driver, "pci_bus_id": bus},
    )
