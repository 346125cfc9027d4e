"""Ways: by which backend, and how, an adapter's devices are reached.

An adapter has a table for each backend it teaches, called as the backend is; what the tables say
that is particular to a backend stays here and in that backend. Everything else asks the ways.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from bench.model import PRECISIONS
from bench.settings import patterns, words

Claims = Literal["all", "named", "rest"]
"""Which of the devices that a way lists are its adapter's: all; those whose names it knows; those
that no other adapter knows by name."""


@dataclass(frozen=True, slots=True)
class Way:
    """One way to an adapter's devices."""

    backend: str
    kind: str
    """Kind of device it leads to."""
    option: str = ""
    """Word of a target that chooses this way among the adapter's of the backend."""
    also: str = ""
    """Another name of the same, which a person may write as well."""
    default: bool = True
    """True when a target that chooses none means this one."""
    module: str = ""
    """Python package it needs; empty: none beside the backend's own."""
    remedy: str = ""
    """What to install when it is missing."""
    claims: Claims = "all"
    alone: bool = False
    """True where asking loads code of others': it gets a process of its own."""

    @property
    def options(self) -> dict[str, str]:
        """What a target must say to mean it."""
        return {} if self.default else {self.option: ""}

    def is_called(self, word: str) -> bool:
        """Whether a word of a target chooses this way, in capitals or small letters."""
        return word.casefold() in {one.casefold() for one in (self.option, self.also) if one}


@dataclass(frozen=True, slots=True)
class TorchPlugin:
    """How torch reaches this kind of device."""

    device: str
    """Device type in torch's own device strings, for example `npu`."""
    module: str = ""
    """Plug-in to import first; empty when torch itself knows the device."""
    names: str = ""
    """Regular expression searched in the device name. Needed where several vendors answer to one
    device type, as the CUDA-compatible stacks do; empty: claims what no other adapter claims."""
    remedy: str = ""
    """What to install when the plug-in is missing."""

    def __post_init__(self) -> None:
        words.matches(words.WORD, self.device, "a torch device type such as npu")
        if self.module:
            words.matches(words.MODULE, self.module, "a dotted module name")
        patterns.check(self.names)
        words.shown(self.remedy)

    def way(self, backend: str, kind: str, first: bool) -> Way:
        """The way that this table names; `first` of the adapter's for the backend."""
        return Way(
            backend,
            kind,
            default=first,
            module=self.module,
            remedy=self.remedy,
            claims="named" if self.names else "rest",
            alone=bool(self.module),
        )

    def astray(self, name: str) -> TorchPlugin:
        """The same with a module and a device called so, which nobody has."""
        return replace(self, module=name, device="absent")


@dataclass(frozen=True, slots=True)
class OnnxProvider:
    """One ONNX Runtime execution provider that reaches this kind of device."""

    name: str
    """Word used in targets: `OpenVINO` in `onnxruntime+OpenVINO@cpu:0`."""
    provider: str
    """Full name as ONNX Runtime knows it, for example `CANNExecutionProvider`."""
    kind: str = ""
    """Kind of device it runs on, if not the adapter's own."""
    module: str = ""
    """For a plug-in provider: Python package that carries the library. Empty: built in."""
    library: str = "get_library_path"
    """Function or attribute of `module` that gives the library's path."""
    device_type: Literal["", "CPU", "GPU", "NPU"] = ""
    """For a plug-in provider: which of its hardware devices to use; empty: all."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Provider options. `{index}` is the device's index, `{module}` the folder of `module` and
    `{threads}` the number of host threads a trial may use."""
    precisions: tuple[str, ...] = ("fp32", "int8")
    """Precisions the provider computes in, as its documentation says."""
    remedy: str = ""
    """What to install when the provider is missing."""

    def __post_init__(self) -> None:
        words.matches(words.NAME, self.name, "a provider's short name")
        words.matches(words.NAME, self.provider, "a provider's full name")
        if self.kind:
            words.matches(words.WORD, self.kind, "a kind of device such as npu")
        if self.module:
            words.matches(words.MODULE, self.module, "a dotted module name")
        words.matches(words.VARIABLE, self.library, "the name of a function or attribute")
        words.shown(self.remedy)
        for precision in self.precisions:
            words.known(precision, PRECISIONS, "precision")
        for text in self.options.values():
            words.placeholders(text, ("index", "module", "threads"))

    def way(self, backend: str, kind: str, first: bool) -> Way:
        """The way that this table names. The first of an adapter is its devices' own and needs no
        word in a target, unless it leads to another kind of device."""
        return Way(
            backend,
            self.kind or kind,
            option=self.name,
            also=self.provider,
            default=first and self.kind in ("", kind),
            module=self.module,
            remedy=self.remedy,
            alone=bool(self.module),
        )

    def astray(self, name: str) -> OnnxProvider:
        """The same with a provider called so, which nobody has."""
        return replace(self, provider=f"{name}Provider", module="", kind="")
