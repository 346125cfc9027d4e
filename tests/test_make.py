"""What `make run` and `make test` set up: which torch, and what they say before they download."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CPU = "https://download.pytorch.org/whl/cpu"
(WANTED,) = re.findall(r"(?m)^torch==(.+)$", (ROOT / "constraints.txt").read_text())

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")

PYTHON = """#!/bin/sh
# An environment's Python that writes down how pip is called, and knows what the indexes have.
here=$(dirname "$0")
case "$*" in
-c*) cat "$here/torch" 2>/dev/null || exit 1 ;;
*"index versions torch --index-url"*) echo "$*" >> "$here/calls"; cat "$here/other" || exit 1 ;;
*"index versions torch"*) echo "Available versions: $(cat "$here/plain")" ;;
*torch==*) echo "$*" >> "$here/calls"; expr "$*" : '.*torch==\\([^ ]*\\)$' > "$here/torch" ;;
*) echo "$*" >> "$here/calls" ;;
esac
"""


class Venv:
    """An environment to be set up, where no package is."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.bin = folder / "bin"
        self.bin.mkdir(parents=True)
        (self.bin / "python").write_text(PYTHON)
        (self.bin / "python").chmod(0o755)
        (self.bin / "plain").write_text(f"99.0, {WANTED}, 1.0")

    def offers(self, index: str, versions: str) -> None:
        """What `plain` pip's index or the `other` one has of torch."""
        (self.bin / index).write_text(f"Available versions: {versions}\n")

    def has(self, version: str) -> None:
        """Somebody put this torch there."""
        (self.bin / "torch").write_text(version)

    def make(self, *words: str) -> tuple[str, list[str]]:
        """What it says, and what pip was asked to install."""
        (self.bin / "calls").write_text("")
        (self.folder / "installed").unlink(missing_ok=True)  # as when the constraints change
        command = ["make", "-C", str(ROOT), f"VENV={self.folder}", f"{self.folder}/installed"]
        env = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "TORCH_INDEX")}
        done = subprocess.run([*command, *words], capture_output=True, text=True, env=env)
        assert done.returncode == 0, done.stderr + done.stdout
        calls = (self.bin / "calls").read_text().splitlines()
        installs = [call.partition(" install ")[2] for call in calls if " install " in call]
        return done.stdout, installs

    @property
    def constraint(self) -> str:
        """The torch that everything installed later has to live with."""
        return next(
            line
            for line in (self.folder / "constraints.txt").read_text().splitlines()
            if line.startswith("torch==")
        )


@pytest.fixture
def venv(tmp_path: Path) -> Venv:
    return Venv(tmp_path / "venv")


def own(venv: Venv) -> str:
    return f"--quiet --disable-pip-version-check -c {venv.folder}/constraints.txt --editable ."


def test_without_a_gpu_the_cpu_build_comes_from_its_index(venv: Venv) -> None:
    venv.offers("other", f"99.0+cpu, {WANTED}+cpu")
    said, installs = venv.make("NVIDIA=")
    asked = f"-c constraints.txt --extra-index-url {CPU} torch=={WANTED}+cpu"
    assert installs == [asked, own(venv)]
    assert f"torch {WANTED}+cpu" in said and "200 MB" in said and "minutes" in said
    assert said.index("200 MB") < said.index("--editable")
    assert venv.constraint == f"torch=={WANTED}"


def test_an_index_of_ones_own_that_has_the_cpu_build_is_enough(venv: Venv) -> None:
    venv.offers("plain", f"{WANTED}+cpu, {WANTED}")
    said, installs = venv.make("NVIDIA=")
    assert installs[0] == f"-c constraints.txt torch=={WANTED}+cpu"
    assert "CUDA" not in said


@pytest.mark.parametrize("versions", [None, "98.0+cpu", f"{WANTED}+cu130", f"1{WANTED}+cpu"])
def test_where_the_cpu_build_cannot_be_had_that_is_said_in_a_line(
    venv: Venv, versions: str | None
) -> None:
    if versions:
        venv.offers("other", versions)
    said, installs = venv.make("NVIDIA=")
    assert installs[0] == f"-c constraints.txt torch=={WANTED}"
    (line,) = [line for line in said.splitlines() if "cannot be reached" in line]
    for words in (CPU, f"{WANTED}+cpu", "2.5 to 5 GB", "minutes", "TORCH_INDEX="):
        assert words in line


def test_an_index_that_does_not_answer_is_not_waited_for(venv: Venv) -> None:
    venv.make("NVIDIA=")
    (asked,) = [c for c in (venv.bin / "calls").read_text().splitlines() if "versions" in c]
    assert asked.endswith(f"--index-url {CPU} --timeout 10 --retries 1")


def test_with_a_gpu_the_plain_build_is_taken_and_its_size_said(venv: Venv) -> None:
    venv.offers("other", f"{WANTED}+cpu")
    said, installs = venv.make("NVIDIA=GPU 0")
    assert installs[0] == f"-c constraints.txt torch=={WANTED}"
    assert "2.5 to 5 GB" in said and CPU in said


def test_another_build_is_chosen_by_its_index(venv: Venv) -> None:
    venv.offers("other", f"{WANTED}+rocm7.1")
    index = "https://mirror.example/pytorch/whl/rocm7.1"
    _, installs = venv.make(f"TORCH_INDEX={index}/")
    asked = f"-c constraints.txt --extra-index-url {index} torch=={WANTED}+rocm7.1"
    assert installs[0] == asked


@pytest.mark.parametrize("version", ["2.7.1+maca3.1", "2.5.1"])
def test_a_torch_that_is_there_is_taken(venv: Venv, version: str) -> None:
    venv.has(version)
    for _ in range(2):
        said, installs = venv.make("NVIDIA=")
        assert installs == [own(venv)]
        assert f"takes torch {version}, which is there" in said
        assert venv.constraint == f"torch=={version.partition('+')[0]}"


def test_a_torch_of_our_own_is_renewed_with_the_constraint(venv: Venv) -> None:
    venv.offers("other", f"{WANTED}+cpu, 99.0+cpu")
    venv.make("NVIDIA=")
    _, installs = venv.make("NVIDIA=", "TORCH=torch==99.0")
    assert installs[0].endswith("torch==99.0+cpu")
    assert venv.constraint == "torch==99.0"


def commands(*words: str) -> list[str]:
    done = subprocess.run(
        ["make", "-n", "-C", str(ROOT), "VENV=/nowhere/venv", "PYTHON=python3", *words],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "MAKEFLAGS"},
    )
    return done.stdout.splitlines()


def first(lines: list[str], found: Callable[[str], bool]) -> int:
    return next(number for number, line in enumerate(lines) if found(line))


@pytest.mark.parametrize(
    ("target", "ends"),
    [
        ("run", "hetbench run quick"),
        ("test", "pytest -n 3 --dist worksteal --ignore=tests/reference_npu"),
    ],
)
def test_the_two_commands_set_up_and_go(target: str, ends: str) -> None:
    lines = commands(target)
    steps = [
        first(lines, lambda line: "-m venv" in line),
        first(lines, lambda line: ".ci/torch" in line),
        first(lines, lambda line: line.endswith("--editable .")),
        first(lines, lambda line: line.endswith(ends)),
    ]
    assert steps == sorted(steps)
