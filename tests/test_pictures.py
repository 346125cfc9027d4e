"""The README's pictures are what the command prints now."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_the_pictures_are_not_stale() -> None:
    command = [sys.executable, str(ROOT / "docs" / "images" / "render.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("page", "language"), [("README.md", "en"), ("README.zh-CN.md", "zh")])
def test_the_readme_s_table_is_what_the_command_prints(page: str, language: str) -> None:
    (shown,) = re.findall(r"```text\n(.*?)```", (ROOT / page).read_text("utf-8"), re.DOTALL)
    command = [sys.executable, "-m", "bench.cli", "show"]
    (file,) = set(re.findall(r"\(results/reference/(.*?)\)", (ROOT / page).read_text("utf-8")))
    done = subprocess.run(
        [*command, f"results/reference/{file}"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": "100", "HETBENCH_LANG": language},
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().startswith(shown + "\n")
