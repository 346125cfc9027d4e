"""Facts of the software around a run: packages, commit and environment variables."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
_PACKAGES = re.compile(
    r"(torch|onnx|openvino|tensorrt|triton|intel_ext|habana|nvidia|amdsmi|gpustack|hetbench)"
    r"|(numpy|scipy|psutil|pydantic)$",
    re.IGNORECASE,
)
_VARIABLES = re.compile(
    r"(OMP|GOMP|KMP|MKL|OPENBLAS|BLIS|DNNL|ONEDNN|NUMEXPR|MALLOC|TORCH|PYTORCH|ATEN|ORT|ONNX|CUDA|"
    r"CUBLAS|CUDNN|NVIDIA|NCCL|HIP|HSA|ROCR|MIOPEN|ASCEND|HCCL|MUSA|MLU|HETBENCH)\w*_\w+"
    r"|\w+_VISIBLE_DEVICES|LD_PRELOAD|PYTHONPATH|PYTHONMALLOC"
)
_SECRET = re.compile(r"TOKEN|SECRET|PASS|KEY|CREDENTIAL|AUTH")
_HOME_FOLDER = re.compile(r"/(home|Users)/[^/:;,\s]+|/root(?![^/:;,\s])")
_VALUE_LIMIT = 200
_SHADOWABLE = ("bench", "numpy", "onnx", "onnxruntime", "torch")


def packages() -> dict[str, str]:
    """Distribution -> version, of those that change results.

    Both come from the names of the `*.dist-info` folders: to learn a name, importlib.metadata
    parses each distribution's metadata, which costs more than everything else here.
    """
    found: dict[str, str] = {}
    for entry in sys.path:
        folder = Path(entry)
        if not folder.is_dir():
            continue
        for info in folder.glob("*.dist-info"):
            name, _, version = info.name.removesuffix(".dist-info").partition("-")
            if _PACKAGES.match(name):
                found.setdefault(name.replace("_", "-").lower(), version)
    return dict(sorted(found.items()))


def git_commit(checkout: Path = _CHECKOUT) -> str | None:
    """The commit checked out, read from the repository's own files; None: not a checkout.

    Raises OSError or ValueError for a repository that cannot be read.
    """
    git = checkout / ".git"
    if git.is_file():  # a worktree: the file names the folder
        git = checkout / git.read_text("utf-8").removeprefix("gitdir:").strip()
    if not git.is_dir():
        return None
    commit = _head(git)
    if not re.fullmatch("[0-9a-f]{40,64}", commit):
        raise ValueError(commit)
    return commit


def _head(git: Path) -> str:
    head = (git / "HEAD").read_text("utf-8").strip()
    if not head.startswith("ref: "):
        return head
    reference = head.removeprefix("ref: ")
    common = git / "commondir"
    shared = git / common.read_text("utf-8").strip() if common.is_file() else git
    for folder in (git, shared):
        if (folder / reference).is_file():
            return (folder / reference).read_text("utf-8").strip()
    for line in (shared / "packed-refs").read_text("utf-8").splitlines():
        commit, _, name = line.partition(" ")
        if name == reference:
            return commit
    raise ValueError(reference)


def variables(environment: Mapping[str, str]) -> dict[str, str]:
    """Environment variables that change results: bounded, without secrets or home folders; bytes
    that are no UTF-8 as escapes."""
    found = {}
    for name, value in sorted(environment.items()):
        if _VARIABLES.fullmatch(name) and not _SECRET.search(name):
            value = _HOME_FOLDER.sub("~", os.fsencode(value).decode("utf-8", "backslashreplace"))
            found[name] = value if len(value) <= _VALUE_LIMIT else value[:_VALUE_LIMIT] + "..."
    return found


def shadows(pythonpath: str) -> tuple[str, ...]:
    """Packages that matter and that PYTHONPATH provides in place of the installed ones."""
    folders = [Path(entry) for entry in pythonpath.split(os.pathsep) if entry]
    return tuple(
        name
        for name in _SHADOWABLE
        if any((folder / name / "__init__.py").is_file() for folder in folders)
    )
