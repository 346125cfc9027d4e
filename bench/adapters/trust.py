"""Adapters from outside: a foreign TOML names modules to import and programs to run, so it is code.

Reading one imports and runs nothing. It is used only after its user has said so; what it would do
can be shown first.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from bench.adapter import Adapter
from bench.errors import UsageError
from bench.language.plain import plain


def describe(adapter: Adapter) -> list[str]:
    """Exactly what using the adapter would import, load and run, one line each.

    Control characters are escaped, so that a name cannot rewrite the terminal it is shown on.
    """
    lines = []
    if adapter.torch is not None and adapter.torch.module:
        lines.append(f"imports the Python module {plain(adapter.torch.module)}")
    for provider in adapter.onnxruntime:
        if provider.module:
            lines.append(f"imports the Python module {plain(provider.module)}")
            lines.append(
                "loads into ONNX Runtime the library whose path "
                f"{plain(provider.module)}.{plain(provider.library)} gives"
            )
        lines.extend(
            f"gives {plain(provider.provider)} the option {plain(name)} = {plain(value)}"
            for name, value in provider.options.items()
        )
    if adapter.backend:
        lines.append(f"imports the installed backend {plain(adapter.backend)}")
    if adapter.lists is not None:
        lines.append(f"runs, to list devices: {_command(adapter.lists.command)}")
    for sensor in adapter.sensors:
        if sensor.command:
            lines.append(f"runs, once per reading: {_command(sensor.command)}")
        else:
            options = "".join(f" {plain(k)}={plain(v)}" for k, v in sensor.options.items())
            lines.append(f"uses the sensor {plain(sensor.kind)}{options}")
    return lines or ["imports and runs nothing of its own"]


def require_trust(adapter: Adapter, path: Path, trusted: bool) -> None:
    """Refuse an adapter from outside that its user has not said to trust; raises UsageError.

    The adapters that come with the harness, and those of installed packages, are not asked about:
    installing a package is already trusting it.
    """
    if not trusted:
        what = "; ".join(describe(adapter))
        raise UsageError(
            f"the adapter {adapter.name} of {path} is code: it {what}. Nothing of it was used; "
            "if you trust where it came from, run again with --trust-adapter"
        )


def _command(words: tuple[str, ...]) -> str:
    return " ".join(shlex.quote(plain(word)) for word in words)
