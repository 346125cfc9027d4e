"""Run the checks against real foreign runtimes, each in an environment of its own.

    python tests/adapters/run.py [NAME...]

An environment is made once, in hetbench's cache folder, and named by what is installed in it. The
package under test is this checkout. Needs Python 3.11 or later, the package index and 1.5 GB of
disk for each.
"""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT))

from bench.settings import toml  # noqa: E402
from bench.system import cache  # noqa: E402

TORCH = "torch==2.13.0"
CPU_BUILDS = "https://download.pytorch.org/whl/cpu"
ENVIRONMENTS: dict[str, tuple[str, ...]] = {
    "qualcomm": ("onnxruntime==1.31.1", "onnxruntime-qnn==2.7.0"),
    "ggml": ("onnxruntime-ggml==0.2.0",),
    "torch_npu": ("onnxruntime==1.31.1", "torch-npu==2.13.0"),
    "cann": ("onnxruntime-cann==1.24.4", "numpy<2"),
}
"""What each file NAME_checks.py needs beside hetbench's own dependencies."""


def main(names: list[str]) -> int:
    unknown = set(names) - set(ENVIRONMENTS)
    if unknown:
        print(f"no environment is called {', '.join(unknown)}; known: {', '.join(ENVIRONMENTS)}")
        return 2
    failed = [name for name in names or ENVIRONMENTS if not check(name)]
    print(f"failed: {', '.join(failed)}" if failed else "all adapter checks passed")
    return 1 if failed else 0


def check(name: str) -> bool:
    """Whether the checks of one environment passed; their output is shown."""
    print(f"== {name}: {' '.join(ENVIRONMENTS[name])}", flush=True)
    python = environment(name)
    return not subprocess.run(
        [python, "-m", "pytest", "-rA", "-s", "-p", "no:cacheprovider", f"{name}_checks.py"],
        cwd=HERE,
    ).returncode


def environment(name: str) -> str:
    """The Python of that environment, installed if it is not there yet."""
    common = dependencies()
    digest = cache.key(packages=[TORCH, *ENVIRONMENTS[name], *common], python=sys.version)
    folder = cache.folder() / f"adapter-{name}-{digest}"
    python = str(folder / "bin" / "python")
    if not (folder / "ready").exists():
        venv.create(folder, with_pip=True, clear=True)
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run(["sh", ".ci/torch", folder, TORCH, CPU_BUILDS], cwd=ROOT, check=True)
        subprocess.run([*install, TORCH, *ENVIRONMENTS[name], *common], check=True)
        (folder / "ready").touch()
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "hetbench.pth").write_text(f"{ROOT}\n")
    return python


def dependencies() -> list[str]:
    """hetbench's own, and pytest. Which ONNX Runtime is what the environments differ in."""
    listed = toml.read(ROOT / "pyproject.toml")["project"]["dependencies"]
    own = [one for one in listed if not one.startswith(("onnxruntime", "torch"))]
    return [*own, "pytest>=8.2", "pytest-timeout>=2.3"]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
