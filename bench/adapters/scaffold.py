"""Beginnings of an adapter: a commented TOML file, or a Python package with its test."""

from __future__ import annotations

import os
import re
from pathlib import Path

from bench.errors import UsageError
from bench.system import files

_TEMPLATES = Path(__file__).parent / "templates"
_NAME = re.compile(r"[a-z][a-z0-9]*([_-][a-z0-9]+)*")

_PACKAGE = {
    "pyproject.toml": "package.toml.txt",
    "hetbench_MODULE/__init__.py": None,
    "hetbench_MODULE/NAME.toml": "package_adapter.toml.txt",
    "hetbench_MODULE/backend.py": "backend.py.txt",
    "tests/test_backend.py": "test_backend.py.txt",
}
"""File of a new package -> its template."""


def new_adapter(name: str, folder: Path, python: bool = False) -> list[Path]:
    """Write a new adapter into `folder` and return the files written.

    Without `python` it is one file, `NAME.toml`; with it a package of the folder `hetbench-NAME`.
    Raises UsageError for a name that cannot be one, and where a file is already there; CannotWrite.
    """
    if len(name) > 40 or not _NAME.fullmatch(name):
        raise UsageError(
            f"{name!r} cannot be the name of an adapter; use small letters, digits, - and _, "
            "beginning with a letter"
        )
    if python:
        home = folder / f"hetbench-{name}"
        texts = {home / _fill(path, name): _text(of, name) for path, of in _PACKAGE.items()}
    else:
        texts = {folder / f"{name}.toml": _text("adapter.toml.txt", name)}
    for path in texts:
        if os.path.lexists(path):
            raise UsageError(f"{path} is already there; nothing was written")
        files.check_target(path, force=False, option="--folder")
    for path, text in texts.items():
        try:
            files.write_text(path, text)
        except FileExistsError as error:
            raise UsageError(f"{path} came to be there meanwhile, and was left as it is") from error
    return list(texts)


def _text(template: str | None, name: str) -> str:
    if template is None:
        return f'"""hetbench on {name} devices."""\n'
    return _fill((_TEMPLATES / template).read_text("utf-8"), name)


def _fill(text: str, name: str) -> str:
    """The name for NAME, as a Python word for MODULE and within class names."""
    module = name.replace("-", "_")
    camel = "".join(part.capitalize() for part in module.split("_"))
    for class_name in ("NAMESession", "NAMEBackend", "NAMEExecutionProvider"):
        text = text.replace(class_name, class_name.replace("NAME", camel))
    text = text.replace("torch_NAME", f"torch_{module}")
    text = text.replace("NAME_VISIBLE_DEVICES", f"{module.upper()}_VISIBLE_DEVICES")
    return text.replace("MODULE", module).replace("NAME", name)
