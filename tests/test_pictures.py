"""The README's pictures are what the command prints now."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_the_pictures_are_not_stale() -> None:
    command = [sys.executable, str(ROOT / "docs" / "images" / "render.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
