"""Building the reference device once, into the cache folder; the digest of its sources names it.

`python -m tests.reference_npu.builder` prints the folder to put on PYTHONPATH.
"""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

import torch

from bench.system import cache

HERE = Path(__file__).parent
SOURCES = ("setup.py", "pyproject.toml", "csrc", "src")


def missing() -> str | None:
    """What the reference device cannot do without and this machine lacks; None: nothing."""
    if sys.platform != "linux":
        return "the reference NPU's memory is a Linux memfd"
    if shutil.which("g++") is None:
        return "building the reference NPU needs g++; on Debian: apt-get install g++"
    if not Path(sysconfig.get_path("include"), "Python.h").is_file():
        return "building the reference NPU needs Python.h; on Debian: apt-get install python3-dev"
    return None


def installed() -> Path:
    """The folder that holds the built package; takes about half a minute the first time."""
    paths = sorted(HERE / name for name in SOURCES)
    files = [f for p in paths for f in ([p] if p.is_file() else sorted(p.rglob("*.[chpt]*")))]
    digest = cache.key(
        files={str(f.relative_to(HERE)): cache.file_digest(f) for f in files},
        torch=torch.__version__,
        python=sys.version,
    )
    folder = cache.folder() / f"refnpu-{digest}"
    with (cache.folder() / "refnpu.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            _build(folder)
    return folder


def _build(folder: Path) -> None:
    with tempfile.TemporaryDirectory(dir=folder.parent) as text:
        work = Path(text)
        for name in SOURCES:  # built from a copy: setuptools leaves its own files beside sources
            copy = shutil.copytree if (HERE / name).is_dir() else shutil.copy
            copy(HERE / name, work / name)
        subprocess.run(
            [sys.executable, "setup.py", "-q", "build", "--build-lib", "built"],
            cwd=work,
            check=True,
            stdout=sys.stderr,
        )
        (work / "built").rename(folder)


if __name__ == "__main__":
    print(installed())
