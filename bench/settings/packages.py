"""What installed packages offer: entry points and folders, found without importing any of it.

Each package is looked at for itself: what is wrong with one is told, and hides no other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import Distribution, distributions
from importlib.util import find_spec
from pathlib import Path

from bench.errors import RefusedInput
from bench.language.plain import first_line, short
from bench.settings import bounded, words

PREFIX = "hetbench."
"""What the names of our groups of entry points begin with."""
MAX_BYTES = 1 << 18
_FILE = "entry_points.txt"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry point of ours."""

    package: str
    group: str
    name: str
    module: str
    """The module or package that it names."""


@lru_cache(maxsize=1)
def installed() -> tuple[tuple[Entry, ...], tuple[str, ...]]:
    """The entry points of our groups in the order of sys.path, and why others cannot be used."""
    found: list[Entry] = []
    problems: list[str] = []
    seen: set[str] = set()
    for distribution in distributions():
        folder = getattr(distribution, "_path", None)  # METADATA, which has the name, may be broken
        name = re.sub(r"[-_.]+", "-", str(getattr(folder, "name", "")).partition("-")[0]).lower()
        if name and name in seen:
            continue  # the first on the path is the one that is imported
        seen.add(name)
        try:
            text = _text(distribution, folder)
        except (RefusedInput, OSError, ValueError) as error:
            problems.append(f"the package {short(name)} cannot be asked: {first_line(error)}")
            continue
        for group, key, value in _entries(text):
            try:
                words.matches(words.WORD, key, "the name of an entry point")
                words.matches(words.MODULE, value, "the name of a module")
            except ValueError as error:
                problems.append(f"the package {short(name)} is no plug-in for {group}: {error}")
            else:
                found.append(Entry(name, group, key, value))
    return tuple(found), tuple(problems)


def of_group(group: str) -> list[Entry]:
    """The entry points of one group that can be used."""
    return [entry for entry in installed()[0] if entry.group == PREFIX + group]


def folder(entry: Entry) -> Path:
    """The folder of the package that the entry point names; raises RefusedInput.

    Only the place of the outermost package is asked for: Python would import it to find what is
    in it.
    """
    top, *rest = entry.module.split(".")
    try:
        spec = find_spec(top)
        places = [Path(place) for place in (spec and spec.submodule_search_locations) or ()]
    except (ImportError, ValueError) as error:
        raise RefusedInput(f"{entry.module!r} cannot be found: {first_line(error)}") from error
    for part in rest:
        places = [place / part for place in places]
    found = next((place for place in places if place.is_dir()), None)
    if found is None:
        raise RefusedInput(
            f"the entry point {entry.name!r} names {entry.module!r}, which is no installed package"
        )
    return found


def _text(distribution: Distribution, folder: object) -> str:
    """The file of entry points; empty where there is none."""
    if not isinstance(folder, Path):  # in an archive
        return distribution.read_text(_FILE) or ""
    path = folder / _FILE
    if not path.exists():
        return ""
    data = bounded.read(path, MAX_BYTES)
    if len(data) > MAX_BYTES:
        raise RefusedInput(f"{path} is larger than {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        if PREFIX.encode() not in data:
            return ""
        raise RefusedInput(f"{path} is not UTF-8 text") from error


def _entries(text: str) -> list[tuple[str, str, str]]:
    """(group, name, value) of every line of our groups."""
    found = []
    group = ""
    for line in map(str.strip, text.splitlines()):
        if line.startswith("["):
            group = line.strip("[] ")
        elif line and not line.startswith("#") and group.startswith(PREFIX):
            name, _, value = line.partition("=")
            found.append((group, name.strip(), value.strip()))
    return found
