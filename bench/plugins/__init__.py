"""The package whose path is the folder that holds `backends/` and `models/`.

In a checkout that is the repository root; in the wheel it is `bench/_home`. Importing the
plug-in folders as `bench.plugins.backends` and `bench.plugins.models` keeps both names out of
everyone's site-packages, and nothing on PYTHONPATH can shadow them.
"""

from __future__ import annotations

from pathlib import Path

_installed = Path(__file__).parents[1] / "_home"
HOME = _installed if _installed.is_dir() else Path(__file__).parents[2]
"""Folder that holds `backends/`, `models/` and `configs/`."""

__path__ = [str(HOME)]
