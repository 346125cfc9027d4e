"""The house's rules of import, held by reading the code.

1. `bench` is built in floors, and a file imports only from its own floor and those below.
2. `bench` never imports a backend or a model by name; a backend never measures.
3. Nothing above the worker imports torch or onnxruntime.
"""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.offenders import assert_none

ROOT = Path(__file__).parents[1]

FLOORS: dict[str, tuple[str, ...]] = {
    "ground: the machine, files and text": (
        *("bench", "bounds", "cache", "command", "encoding", "environment", "errors", "files"),
        *("lock", "patterns", "plain", "plugins", "process", "procfs", "software", "text", "toml"),
    ),
    "numbers": ("stats", "units", "unsteady"),
    "contracts": (
        *("adapter", "backend", "cpu", "datasheet", "device", "inputs", "listing", "model"),
        *("metrics", "own_model", "partition", "registry", "results", "results_file", "scaffold"),
        *("sensor", "suite", "target", "trust"),
    ),
    "inside a trial": (
        *("clock", "energy", "fidelity", "integrate", "onnx_batch", "onnx_export", "onnx_flops"),
        *("onnx_read", "onnx_shapes", "overhead", "quantize", "scenarios", "sensors", "weights"),
    ),
    "child processes": ("child", "onnx_model", "prepare", "probe", "worker"),
    "the parent": ("discover", "runner"),
    "judgement": ("conformance",),
    "reports": ("report",),
    "command line": ("cli",),
}
"""Floor -> its modules and packages, from below. Every module of `bench` stands in it once."""

IN_CHILDREN_ONLY = {
    *("onnx_batch", "onnx_export", "onnx_flops", "onnx_model", "onnx_read", "prepare", "probe"),
    *("quantize", "weights", "worker"),
}
"""May import a framework; what the parent takes from them must not need one."""

FRAMEWORKS = {"torch", "onnxruntime", "onnx"}
CLOCKS = {"time", "timeit", "datetime", "bench.measure.clock"}
SIMULATED = {"_simulated_faults.py", "_simulated_session.py"}
"""A simulated device must take time, so it keeps it; it still reports none."""

LEVEL = {name: level for level, names in enumerate(FLOORS.values()) for name in names}


def _files(*folders: str) -> list[Path]:
    return [
        path
        for folder in folders
        for path in sorted((ROOT / folder).rglob("*.py"))
        if "_home" not in path.parts
    ]


def _imports(path: Path) -> Iterator[str]:
    """Full names of all that a file imports, wherever in it; relative ones made absolute."""
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
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


def _id(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def _part_of(path: Path) -> str:
    return _part(_module(path))


BENCH = _files("bench")
PARENT = [path for path in BENCH if _part_of(path) not in IN_CHILDREN_ONLY]


def test_every_module_has_one_floor() -> None:
    listed = [name for names in FLOORS.values() for name in names]
    assert len(listed) == len(set(listed))
    assert set(listed) == {_part_of(path) for path in BENCH}


def test_imports_go_down() -> None:
    upwards = [
        f"{_id(path)} imports {name}"
        for path in BENCH
        for name in _imports(path)
        if name.split(".")[0] == "bench" and LEVEL[_part(name)] > LEVEL[_part_of(path)]
    ]
    assert_none(upwards)


def test_no_circles() -> None:
    uses = {
        part: {
            _part(n) for p in BENCH if _part_of(p) == part for n in _imports(p) if n[:6] == "bench."
        }
        for part in LEVEL
    }
    done: set[str] = set()
    while free := {part for part in uses if part not in done and uses[part] - {part} <= done}:
        done |= free
    assert not set(uses) - done, "these import each other in a circle, or what does"


def _strings(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_bench_names_no_backend_or_model() -> None:
    plugin = re.compile(r"(bench\.plugins\.)?(backends|models)(\.|$)")
    named = [(_id(path), name) for path in BENCH for name in _imports(path) if plugin.match(name)]
    spelt = re.compile(r"plugins\.(backends|models)\.\w")
    named += [(_id(path), text) for path in BENCH for text in _strings(path) if spelt.search(text)]
    assert_none(named)


def test_backends_have_no_clock() -> None:
    reading = re.compile(r"\b(perf_counter|monotonic|process_time)(_ns)?\b")
    backends = [path for path in _files("backends") if path.name not in SIMULATED]
    assert len(backends) > 5
    clocks = [
        (_id(path), name)
        for path in backends
        for name in _imports(path)
        if any(f"{name}.".startswith(f"{clock}.") for clock in CLOCKS)
    ]
    clocks += [(_id(path), m[0]) for path in backends for m in reading.finditer(path.read_text())]
    assert_none(clocks)


def test_plugins_import_their_neighbours_relatively() -> None:
    absolute = re.compile(r"(?m)^\s*(from|import) (backends|models|bench\.plugins)\b")
    plugins = _files("backends", "models")
    assert len(plugins) > 10
    assert_none(_id(path) for path in plugins if absolute.search(path.read_text("utf-8")))


def test_the_parent_names_no_framework() -> None:
    named = [
        (_id(path), name)
        for path in PARENT
        for name in _imports(path)
        if name.split(".")[0] in FRAMEWORKS
    ]
    assert_none(named)


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
