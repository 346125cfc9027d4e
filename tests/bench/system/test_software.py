"""Packages, commit and environment variables around a run."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import pytest

from bench.system import software

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def test_packages_agree_with_their_metadata() -> None:
    found = software.packages()
    assert {"numpy", "onnxruntime", "torch"} <= set(found)
    assert found == {name: version(name) for name in found}


def _repository(folder: Path, head: str) -> Path:
    (folder / ".git/refs/heads").mkdir(parents=True)
    (folder / ".git/HEAD").write_text(head)
    return folder


def test_commit_of_a_branch(tmp_path: Path) -> None:
    checkout = _repository(tmp_path, "ref: refs/heads/main\n")
    (checkout / ".git/refs/heads/main").write_text(COMMIT + "\n")
    assert software.git_commit(checkout) == COMMIT


def test_commit_of_a_packed_branch(tmp_path: Path) -> None:
    checkout = _repository(tmp_path, "ref: refs/heads/main\n")
    (checkout / ".git/packed-refs").write_text(
        f"# pack-refs with: peeled\n{COMMIT} refs/heads/main\n"
    )
    assert software.git_commit(checkout) == COMMIT


def test_detached_commit(tmp_path: Path) -> None:
    assert software.git_commit(_repository(tmp_path, COMMIT + "\n")) == COMMIT


def test_commit_of_a_worktree(tmp_path: Path) -> None:
    main = _repository(tmp_path / "main", "ref: refs/heads/main\n")
    (main / ".git/refs/heads/side").write_text(COMMIT + "\n")
    private = main / ".git/worktrees/side"
    private.mkdir(parents=True)
    (private / "HEAD").write_text("ref: refs/heads/side\n")
    (private / "commondir").write_text("../..\n")
    side = tmp_path / "side"
    side.mkdir()
    (side / ".git").write_text(f"gitdir: {private}\n")
    assert software.git_commit(side) == COMMIT


def test_no_checkout(tmp_path: Path) -> None:
    assert software.git_commit(tmp_path) is None


@pytest.mark.parametrize("head", ["", "ref: refs/heads/gone\n", "ref: ../../secret\n", "x" * 999])
def test_a_broken_repository_is_an_error(tmp_path: Path, head: str) -> None:
    checkout = _repository(tmp_path, head)
    (tmp_path / "secret").write_text("not a commit")
    with pytest.raises((OSError, ValueError)):
        software.git_commit(checkout)


def test_variables_are_bounded_and_hold_nothing_private() -> None:
    kept = software.variables(
        {
            "OMP_NUM_THREADS": "4",
            "ASCEND_RT_VISIBLE_DEVICES": "0,1",
            "MY_VISIBLE_DEVICES": "2",
            "TORCHINDUCTOR_FREEZING": "1",
            "LD_PRELOAD": "/home/alice/lib/libjemalloc.so:/root/x.so:/rootfs/y.so",
            "CUDA_CACHE_PATH": "x" * 5000,
            "TORCH_API_TOKEN": "secret",
            "CUDA_SECRET_X": "secret",
            "ORT_PASSWORD_FILE": "secret",
            "HETBENCH_SIGNING_KEY": "secret",
            "USER": "alice",
            "HOME": "/home/alice",
        }
    )
    assert kept.pop("CUDA_CACHE_PATH") == "x" * 200 + "..."
    assert kept == {
        "ASCEND_RT_VISIBLE_DEVICES": "0,1",
        "LD_PRELOAD": "~/lib/libjemalloc.so:~/x.so:/rootfs/y.so",
        "MY_VISIBLE_DEVICES": "2",
        "OMP_NUM_THREADS": "4",
        "TORCHINDUCTOR_FREEZING": "1",
    }


def test_shadows(tmp_path: Path) -> None:
    (tmp_path / "numpy").mkdir()
    assert software.shadows(str(tmp_path)) == ()  # a folder that is no package hides nothing
    (tmp_path / "numpy/__init__.py").touch()
    assert software.shadows(f"/nowhere::{tmp_path}") == ("numpy",)
    assert software.shadows("") == ()
