"""The wheel: one package and where it starts, and nobody's folders get in its way or in ours."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("bench", "backends", "models", "configs")
FILES = ("_hetbench.py", "pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE")
POISON = "raise ImportError('this is not the package you are looking for')\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that the checkout stays clean."""
    copy = tmp_path_factory.mktemp("source")
    for name in SOURCES:
        shutil.copytree(ROOT / name, copy / name)
    for name in FILES:
        shutil.copy(ROOT / name, copy)
    _run(
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        "dist",
        ".",
        cwd=copy,
    )
    (built,) = (copy / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of someone who has `models` and `backends` packages too."""
    folder = tmp_path_factory.mktemp("elsewhere")
    for name in ("models", "backends", "configs"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(POISON)
    for name in ("models/resnet.py", "backends/torch.py"):
        (folder / name).write_text(POISON)
    return folder


@pytest.fixture(scope="module")
def hetbench(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The command of a fresh environment that holds the wheel alone; the packages it depends on
    are these tests' own, found through a path file."""
    venv = tmp_path_factory.mktemp("venv")
    _run(sys.executable, "-m", "venv", "--without-pip", str(venv))
    python = venv / "bin" / "python"
    (site,) = venv.glob("lib/python*/site-packages")
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "dependencies.pth").write_text("\n".join(packages) + "\n")
    _run(
        *(sys.executable, "-m", "pip", "--python", str(python)),
        *("install", "--no-deps", "--no-index", "--ignore-installed", str(wheel)),
    )
    return venv / "bin" / "hetbench"


def _run(*command: str, **keywords: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **keywords)  # type: ignore[call-overload]
    assert done.returncode == 0, done.stderr[-4000:]
    return str(done.stdout)


def _hetbench(hetbench: Path, elsewhere: Path, *arguments: str) -> str:
    environment = {
        **os.environ,
        "PYTHONPATH": str(elsewhere),
        "HETBENCH_LANG": "en",
        "HETBENCH_LOCKS": str(elsewhere / "locks"),
    }
    return _run(str(hetbench), *arguments, cwd=elsewhere, env=environment)


def test_one_top_level_package(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"bench", "_hetbench.py"}
    assert not [name for name in names if "__pycache__" in name]


def test_everything_is_in_it(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, inside in (("bench", "bench"), *((s, f"bench/_home/{s}") for s in SOURCES[1:])):
        for path in (ROOT / folder).rglob("*"):
            if path.is_file() and "__pycache__" not in path.parts and "_home" not in path.parts:
                assert f"{inside}/{path.relative_to(ROOT / folder)}" in names


def test_the_installed_code_is_what_runs(hetbench: Path, elsewhere: Path) -> None:
    python = hetbench.with_name("python")
    code = "import bench.plugins as p; print(p.__file__, p.HOME)"
    module, home = _run(str(python), "-c", code, cwd=elsewhere).split()
    assert Path(module).is_relative_to(hetbench.parents[1])
    assert Path(home).is_relative_to(hetbench.parents[1])


def test_a_users_own_bench_does_not_come_first(hetbench: Path, tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "__init__.py").write_text(POISON)
    words = ("run", "smoke", "-t", "simulated@sim:0", "-m", "resnet8", "--json")
    assert json.loads(_hetbench(hetbench, tmp_path, *words))["results"]["schema_version"]


def test_models(hetbench: Path, elsewhere: Path) -> None:
    assert "resnet50" in _hetbench(hetbench, elsewhere, "models", "--json")


def test_devices(hetbench: Path, elsewhere: Path) -> None:
    found = json.loads(_hetbench(hetbench, elsewhere, "devices", "--json"))
    assert {"torch@cpu:0", "onnxruntime@cpu:0"} <= {one["target"] for one in found["targets"]}


def test_the_smoke_suite(hetbench: Path, elsewhere: Path) -> None:
    """On the runtimes that are here; the batch search is in the run above."""
    words = ("run", "smoke", "-s", "single-stream", "--json")
    document = json.loads(_hetbench(hetbench, elsewhere, *words))
    assert document["results"]["schema_version"]
