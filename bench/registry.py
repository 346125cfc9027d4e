"""Finding backends, models, adapters and suites: plug-in folders plus entry points.

Nothing here imports a framework: names and TOML files are read, modules are imported only when a
worker or probe process asks for one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bench.adapter import Adapter
from bench.backend import Backend
from bench.errors import UsageError
from bench.model import ModelCard
from bench.plugins import HOME
from bench.settings import toml, words


def unknown(what: str, name: str, known: Iterable[str]) -> UsageError:
    """The error for a name that does not exist, with the nearest ones that do."""
    return UsageError(f"no {what} is called {name!r}; known and near: {words.near(name, known)}")


@lru_cache(maxsize=1)
def models() -> dict[str, ModelCard]:
    """Every model card by name: `models/*.toml`, then packages of the group `hetbench.models`."""
    packages = {"bench.plugins.models": HOME / "models"}
    for entry in entry_points(group="hetbench.models"):
        packages[entry.value] = _package_folder(entry)
    cards: dict[str, ModelCard] = {}
    for package, folder in packages.items():
        for path in sorted(folder.glob("*.toml")):
            for index, table in enumerate(toml.read(path).get("model", [])):
                card = toml.convert(ModelCard, {**table, "module": package}, path, ("model", index))
                cards.setdefault(card.name, card)
    return cards


def model(name: str) -> ModelCard:
    """One card; raises UsageError with the nearest names."""
    if name not in models():
        raise unknown("model", name, models())
    return models()[name]


def builder(card: ModelCard) -> Callable[[str], Any]:
    """The `build(name)` function of a card's family; imports torch."""
    build: Callable[[str], Any] = import_module(f"{card.module}.{card.family}").build
    return build


@lru_cache(maxsize=1)
def adapters() -> dict[str, Adapter]:
    """Every installed adapter by name: `backends/adapters/*.toml`, then `hetbench.adapters`."""
    folders = [HOME / "backends" / "adapters"]
    folders += [_package_folder(entry) for entry in entry_points(group="hetbench.adapters")]
    found: dict[str, Adapter] = {}
    for folder in folders:
        for path in sorted(folder.glob("*.toml")):
            adapter = toml.load(Adapter, path)
            found.setdefault(adapter.name, adapter)
    return found


def backends() -> dict[str, str]:
    """Backend name -> module that holds its class `BACKEND`, without importing any."""
    names = {
        path.stem: f"bench.plugins.backends.{path.stem}"
        for path in sorted((HOME / "backends").glob("*.py"))
        if not path.stem.startswith("_")
    }
    for entry in entry_points(group="hetbench.backends"):
        names.setdefault(entry.name, entry.value)
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


def _package_folder(entry: EntryPoint) -> Path:
    spec = find_spec(entry.value)
    if spec is None or not spec.submodule_search_locations:
        raise UsageError(
            f"the entry point {entry.name!r} names {entry.value!r}, which is no installed package"
        )
    return Path(spec.submodule_search_locations[0])
