"""The house's rules, held by reading the code.

1. `bench` is built in floors; a file imports only from its own and those below, in no circle.
2. The words at its top level, which a plug-in may import, know no machinery.
3. `bench` names no backend and no model, in an import or in a string; a backend never measures.
4. Nothing above the worker imports a framework.
5. Files are short, or say why not.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from bench import registry
from tests.offenders import assert_none

ROOT = Path(__file__).parents[1]

WORDS = {
    *("adapter", "axes", "backend", "clocks", "device", "model", "registry", "sensor", "suite"),
    *("target", "way", "weights", "workload"),
}
"""The contracts."""
FLOORS: dict[str, tuple[str, ...]] = {
    "ground": ("bench", "bounds", "digest", "errors", "plugins"),
    "what people read": ("language",),
    "files people write": ("settings",),
    "the machine": ("system",),
    "the words": tuple(sorted(WORDS)),
    "the results file": ("results",),
    "from samples to numbers": ("figures",),
    "inside a trial": ("adapters", "measure", "onnx", "scenarios", "sensors"),
    "what is here": ("devices",),
    "joules": ("energy",),
    "child processes": ("worker",),
    "the parent": ("runner",),
    "is it to be trusted": ("conformance",),
    "for people": ("report",),
    "command line": ("cli",),
}
"""Floor -> its folders and modules, from below. Every one of `bench` stands in it once."""
MACHINERY = {"adapters", "devices", "energy", "measure", "results", "system"}
"""What no word imports, beside what is above them anyway."""

FRAMEWORKS = {"torch", "onnxruntime", "onnx"}
IN_CHILDREN_ONLY = {"onnx", "weights", "worker"}
"""May import a framework; what the parent takes from them must not need one."""
CLOCKS = {"time", "timeit", "datetime", "bench.measure.clock"}
SIMULATED = {"_simulated_faults.py"}
"""A simulated device must take time, so it keeps it; it still reports none."""

LINES = 300
LONG: dict[str, str] = {}
"""File of more lines -> why it is one all the same."""
PACKAGES = {"bench/system/fingerprint.py", "bench/system/software.py", "bench/onnx/export.py"}
"""Name distributions and modules of others, whatever backends there are."""

LEVEL = {name: level for level, names in enumerate(FLOORS.values()) for name in names}


def _files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "_home" not in path.parts
    ]


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it; relative ones made absolute."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(_tree(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = [*package[: len(package) + 1 - node.level]] if node.level else []
            base += (node.module or "").split(".") if node.module else []
            yield from (".".join([*base, alias.name]) for alias in node.names)


def _part(name: str) -> str:
    """`runner` for bench.runner.plan; `bench` for what the package itself holds."""
    words = name.split(".")
    if len(words) > 1:
        module = ROOT / "bench" / words[1]
        if module.is_dir() or module.with_suffix(".py").is_file():
            return words[1]
    return words[0]


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _part_of(path: Path) -> str:
    return _part(_module(path))


def _own(path: Path) -> set[str]:
    """Parts of `bench` that a file imports, its own left out."""
    parts = {_part(name) for name in _imports(path) if name.startswith("bench.")}
    return parts - {_part_of(path)}


def _strings(path: Path) -> Iterator[ast.Constant]:
    """String constants that are no docstrings."""
    tree = _tree(path)
    docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node


BENCH = _files("bench")
PARENT = [path for path in BENCH if _part_of(path) not in IN_CHILDREN_ONLY]


def test_every_part_has_one_floor() -> None:
    listed = [name for names in FLOORS.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) == {_part_of(path) for path in BENCH}


def test_imports_go_down() -> None:
    assert_none(
        f"{path.relative_to(ROOT)} imports {part}, which is on a higher floor"
        for path in BENCH
        for part in sorted(_own(path))
        if LEVEL[part] > LEVEL[_part_of(path)]
    )


def test_no_circles() -> None:
    uses = {part: {n for p in BENCH if _part_of(p) == part for n in _own(p)} for part in LEVEL}
    done: set[str] = set()
    while free := {part for part in uses if part not in done and uses[part] <= done}:
        done |= free
    assert not set(uses) - done, "these import each other in a circle, or what does"


def test_the_words_know_no_machinery() -> None:
    assert_none(
        f"bench/{_part_of(path)}.py imports {part}"
        for path in BENCH
        if _part_of(path) in WORDS
        for part in sorted(_own(path) & MACHINERY)
    )


def test_bench_imports_no_backend_or_model() -> None:
    assert_none(
        f"{path.relative_to(ROOT)} imports {name}"
        for path in BENCH
        for name in _imports(path)
        if re.match(r"(bench\.plugins\.)?(backends|models)(\.|$)", name)
    )


def test_bench_names_no_backend_or_model() -> None:
    """In a string that something may depend on: prose, which has spaces, may give an example. The
    backend `simulated` shares its name with a property of results, sensors and devices."""
    names = ({*registry.backends()} - {"simulated"}) | {*registry.models()}
    assert_none(
        f"{path.relative_to(ROOT)}:{node.lineno}: {node.value!r}"
        for path in BENCH
        if str(path.relative_to(ROOT)) not in PACKAGES
        for node in _strings(path)
        if " " not in node.value.strip() and "@" not in node.value
        if names & {*re.findall(r"[\w-]+", node.value)}
        or re.search(r"plugins\.\w+\.\w", node.value)
    )


def test_backends_have_no_clock() -> None:
    reading = re.compile(r"\b(perf_counter|monotonic|process_time)(_ns)?\b")
    assert_none(
        f"{path.relative_to(ROOT)} has a clock"
        for path in _files("backends")
        if path.name not in SIMULATED
        if reading.search(path.read_text("utf-8"))
        or any(
            name == clock or name.startswith(f"{clock}.")
            for name in _imports(path)
            for clock in CLOCKS
        )
    )


def test_plugins_import_their_neighbours_relatively() -> None:
    absolute = re.compile(r"^\s*(from|import) (backends|models|bench\.plugins)\b", re.MULTILINE)
    assert_none(
        str(path.relative_to(ROOT))
        for path in _files("backends", "models")
        if absolute.search(path.read_text("utf-8"))
    )


def test_the_parent_names_no_framework() -> None:
    assert_none(
        f"{path.relative_to(ROOT)} imports {name}"
        for path in PARENT
        for name in _imports(path)
        if name.split(".")[0] in FRAMEWORKS
    )


def test_the_parent_loads_no_framework() -> None:
    names = [_module(path) for path in PARENT if path.stem != "__main__"]
    code = f"""
import sys
from importlib import import_module
for name in {names!r}:
    import_module(name)
    assert not {FRAMEWORKS!r} & {{*sys.modules}}, name
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_files_are_short_or_say_why_not() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text("utf-8").splitlines())
        for path in _files("bench", "backends", "models")
    }
    long = {name for name, lines in lengths.items() if lines > LINES}
    assert_none([*(f"{name} has {lengths[name]} lines" for name in sorted(long - LONG.keys()))])
    assert_none(f"{name} is not long any more" for name in sorted(LONG.keys() - long))
