"""Execution providers of ONNX Runtime: which one a target means, and whether it is really here.

ONNX Runtime's own answer to a provider that is missing, misspelt or broken is a warning and the
CPU. Here every such case becomes a reason.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.adapter import Adapter
from bench.errors import UsageError
from bench.registry import unknown
from bench.way import OnnxProvider

try:
    import onnxruntime as ort

    MISSING = None
except ImportError as error:
    MISSING = f"ONNX Runtime cannot be imported ({error}); install it with: pip install onnxruntime"

_SUFFIX = "ExecutionProvider"

_TINY_MODEL = bytes.fromhex(
    "08083a370a100a017812017922084964656e746974791201675a0f0a0178120a0a08080112040a020801620f"
    "0a0179120a0a08080112040a02080142040a00100d"
)
"""y = Identity(x) for one float (IR version 8, opset 13): enough to see a provider start."""


def choose(adapter: Adapter, options: Mapping[str, str]) -> tuple[OnnxProvider, ...]:
    """The adapter's providers that the options mean, at most one for each kind of device.

    A bare word names a provider: one of the adapter's, else a built-in one of ONNX Runtime for the
    adapter's kind. Without a word it is the adapter's first provider for its own kind. Raises
    UsageError.
    """
    for name, value in options.items():
        if value:
            raise UsageError(
                f"the backend onnxruntime has no option {name!r}; it takes the name of one "
                "execution provider, for example onnxruntime+OpenVINO@cpu:0"
            )
    if not options:
        own = (p for p in adapter.onnxruntime if p.kind in ("", adapter.kind))
        return tuple(own)[:1]
    if len(options) > 1:
        raise UsageError(
            f"a target takes one execution provider, not {len(options)} ({', '.join(options)})"
        )
    (word,) = options
    named = {p.kind or adapter.kind: p for p in adapter.onnxruntime if p.name == word}
    if named:
        return tuple(named.values())
    known = {p.name for p in adapter.onnxruntime}
    if MISSING is None:
        built_in = {name.removesuffix(_SUFFIX) for name in ort.get_all_providers()}
        for name in built_in:
            if word.casefold() in (name.casefold(), f"{name}{_SUFFIX}".casefold()):
                return (OnnxProvider(name, name + _SUFFIX),)
        known |= built_in
    raise unknown("execution provider", word, known)


def unavailable(spec: OnnxProvider) -> str | None:
    """Why this provider cannot run here, in one sentence with the remedy; None when it can."""
    if MISSING is not None:
        return MISSING
    if spec.module:
        return _plugin_problem(spec)
    reason = _built_in_problem(spec)
    return None if reason is None else _with_remedy(reason, spec)


def _with_remedy(reason: str, spec: OnnxProvider) -> str:
    return f"{reason}; {spec.remedy}" if spec.remedy else reason


def _built_in_problem(spec: OnnxProvider) -> str | None:
    if spec.provider not in ort.get_available_providers():
        return f"this build of ONNX Runtime ({ort.__version__}) has no {spec.provider}"
    if spec.provider == "CPUExecutionProvider":
        return None
    # Being part of the build proves nothing: the libraries behind it are loaded with the first
    # session, and a failure is one line on stderr and a session on the CPU.
    with _stderr() as said:
        try:
            session = ort.InferenceSession(
                _TINY_MODEL, providers=[spec.provider], enable_fallback=0
            )
            started, raised = spec.provider in session.get_providers(), ""
        except Exception as error:  # noqa: BLE001 - ONNX Runtime's errors share no base class
            started, raised = False, one_line(error)
    if started:
        return None
    # What was logged names the library that is missing; what is raised often only a line of C++.
    why = next((line for line in said if "error" in line.lower() or "fail" in line.lower()), raised)
    why = why.rpartition(" : FAIL : ")[2][:300]
    return f"{spec.provider} is in this build but does not start{': ' + why if why else ''}"


def _plugin_problem(spec: OnnxProvider) -> str | None:
    if not hasattr(ort, "register_execution_provider_library"):
        return (
            f"ONNX Runtime {ort.__version__} takes no plug-in providers; version 1.23 or later does"
        )
    try:
        if find_spec(spec.module) is None:
            reason = f"the provider {spec.name} needs the Python package {spec.module}"
            return _with_remedy(reason, spec)
        register(spec)
    except Exception as error:  # noqa: BLE001 - a vendor's package may raise anything
        return _with_remedy(f"the provider {spec.name} does not load: {one_line(error)}", spec)
    if not ep_devices(spec):
        # The remedy says what to install, and nothing is missing: the plug-in does not take the
        # hardware, as OpenVINO's does not take another vendor's CPU.
        seen = sorted({f"{d.device.vendor} {d.device.type.name}" for d in ort.get_ep_devices()})
        return (
            f"the package {spec.module} is installed, but its {spec.provider} offers no "
            f"{spec.device_type or 'usable'} device on this machine (ONNX Runtime sees "
            f"{', '.join(seen)})"
        )
    return None


def register(spec: OnnxProvider) -> None:
    """Load a plug-in provider's library into ONNX Runtime, once in a process."""
    if any(d.ep_name == spec.provider for d in ort.get_ep_devices()):
        return
    source = getattr(import_module(spec.module), spec.library)
    library = str(source() if callable(source) else source)
    try:
        ort.register_execution_provider_library(spec.provider, library)
    except Exception as error:  # ONNX Runtime's errors share no base class
        # A library that found no device is registered although no device shows it.
        if "already registered" not in str(error):
            raise


def ep_devices(spec: OnnxProvider) -> list[Any]:
    """Devices of exactly this plug-in provider (a library may bring several), in its order."""
    return [
        d
        for d in ort.get_ep_devices()
        if d.ep_name == spec.provider and spec.device_type in ("", d.device.type.name)
    ]


def filled(spec: OnnxProvider, index: int, threads: int) -> dict[str, str]:
    """The provider's options with the device's index, the package's folder and the threads."""
    folder = ""
    if spec.module and any("{module}" in value for value in spec.options.values()):
        origin = getattr(find_spec(spec.module), "origin", None)
        folder = str(Path(origin).parent) if origin else ""
    words = {"{index}": str(index), "{module}": folder, "{threads}": str(threads)}
    options = {}
    for name, value in spec.options.items():
        for word, meaning in words.items():
            value = value.replace(word, meaning)
        options[name] = value
    return options


def one_line(error: BaseException) -> str:
    """What an error says, on one line, without ONNX Runtime's own prefix."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text.removeprefix("[ONNXRuntimeError] : ")[:400]


@contextlib.contextmanager
def _stderr() -> Iterator[list[str]]:
    """Collect what native code writes to standard error; the lines are there after the block."""
    lines: list[str] = []
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        try:
            yield lines
        finally:
            os.dup2(saved, 2)
            os.close(saved)
            file.seek(0)
            lines += file.read(65536).decode("utf-8", "replace").splitlines()
