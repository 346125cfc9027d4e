"""Finding backends, models, adapters and suites: plug-in folders plus entry points.

Nothing here imports a framework: names and TOML files are read, modules are imported only when a
worker or probe process asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from bench.adapter import Adapter
from bench.backend import Backend
from bench.errors import RefusedInput, UsageError
from bench.model import ModelCard
from bench.plugins import HOME
from bench.settings import packages, toml, words


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that does not exist, with the nearest ones that do."""
    return UsageError(f"no {what} is called {name!r}; known and near: {words.near(name, known)}")


def models() -> dict[str, ModelCard]:
    """Every model card by name: `models/*.toml`, then packages of the group `hetbench.models`."""
    return _models()[0]


@lru_cache(maxsize=1)
def _models() -> tuple[dict[str, ModelCard], list[str]]:
    """The cards, and what is wrong with packages'."""
    cards: dict[str, ModelCard] = {}

    def add(path: Path, package: str) -> None:
        for card in _cards(path, package):
            cards.setdefault(card.name, card)

    for path in sorted((HOME / "models").glob("*.toml")):
        add(path, "bench.plugins.models")
    return cards, _from_packages("models", add)


def _cards(path: Path, package: str) -> list[ModelCard]:
    tables = toml.read(path).get("model", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise toml.problem(path, ("model",), "it is not a list of tables")
    return [
        toml.convert(ModelCard, {**table, "module": package}, path, ("model", index))
        for index, table in enumerate(tables)
    ]


def _from_packages(group: str, add: Callable[[Path, str], None]) -> list[str]:
    """Add what every TOML file of the group's packages holds; returns what is wrong with some,
    which takes nothing from the others."""
    problems = []
    for entry in packages.of_group(group):
        try:
            paths = sorted(packages.folder(entry).glob("*.toml"))
        except RefusedInput as error:
            problems.append(f"the package {entry.package} cannot be used: {error}")
            continue
        for path in paths:
            try:
                add(path, entry.module)
            except RefusedInput as error:
                problems.append(f"a file of the package {entry.package} cannot be used: {error}")
    return problems


def broken() -> list[str]:
    """What of installed packages cannot be used, and why; one sentence each."""
    return [*packages.installed()[1], *_models()[1], *_adapters()[1]]


def model(name: str) -> ModelCard:
    """One card; raises UsageError with the nearest names."""
    if name not in models():
        raise unknown("model", name, models())
    return models()[name]


def builder(card: ModelCard) -> Callable[[str], Any]:
    """The `build(name)` function of a card's family; imports torch."""
    build: Callable[[str], Any] = import_module(f"{card.module}.{card.family}").build
    return build


def adapters() -> dict[str, Adapter]:
    """Every installed adapter by name: `backends/adapters/*.toml`, then `hetbench.adapters`."""
    return _adapters()[0]


@lru_cache(maxsize=1)
def _adapters() -> tuple[dict[str, Adapter], list[str]]:
    """The adapters, and what is wrong with packages'."""
    found: dict[str, Adapter] = {}

    def add(path: Path, package: str = "") -> None:
        adapter = toml.load(Adapter, path)
        found.setdefault(adapter.name, adapter)

    for path in sorted((HOME / "backends" / "adapters").glob("*.toml")):
        add(path)
    return found, _from_packages("adapters", add)


def backends() -> dict[str, str]:
    """Backend name -> module that holds its class `BACKEND`, without importing any."""
    names = {
        path.stem: f"bench.plugins.backends.{path.stem}"
        for path in sorted((HOME / "backends").glob("*.py"))
        if not path.stem.startswith("_")
    }
    for entry in packages.of_group("backends"):
        names.setdefault(entry.name, entry.module)
    return names


def backend(name: str) -> type[Backend]:
    """The backend's class; imports its framework, so only workers and probes call this."""
    if name not in backends():
        raise unknown("backend", name, backends())
    cls: type[Backend] = import_module(backends()[name]).BACKEND
    return cls


def suites() -> dict[str, Path]:
    """Suite name -> its file, of the suites that are shipped."""
    return {path.stem: path for path in sorted((HOME / "configs" / "suites").glob("*.toml"))}
