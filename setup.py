"""Puts the plug-in folders into the wheel, below the one package; the rest is in pyproject.toml."""

from __future__ import annotations

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

HOME = ("backends", "configs", "models")


class BuildWithHome(build_py):
    """Copies the folders to `bench/_home`, where `bench.plugins` looks before the checkout."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for folder in HOME:
            target = Path(self.build_lib, "bench", "_home", folder)
            shutil.rmtree(target, ignore_errors=True)
            shutil.copytree(folder, target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithHome})
