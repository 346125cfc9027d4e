"""Streams that cannot carry Chinese: every command works, with escapes for what is lost."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Cli

NARROW = [
    {"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1:strict"},
]
COMMANDS = [
    (["--help"], 0),
    (["models"], 0),
    (["suites", "--json"], 0),
    (["run", "--help"], 0),
    (["run", "smoke", "-t", "simulated@sim:0", "-m", "resnet8"], 0),
    (["show", "r.json"], 4),
    (["show"], 2),
    (["run", "没有这个"], 2),
]


@pytest.mark.parametrize("env", NARROW, ids=str)
def test_no_command_fails_for_the_encoding(cli: Cli, env: dict[str, str]) -> None:
    for words, code in COMMANDS:
        done = cli(*words, env={"HETBENCH_LANG": "zh", **env})
        assert "Error" not in done.stderr
        assert "Traceback" not in done.stderr
        assert done.returncode == code, (words, done.stderr)
        assert done.stdout + done.stderr


def test_json_loses_nothing(cli: Cli) -> None:
    wide = cli.json("suites")
    assert cli.json("suites", env={"PYTHONIOENCODING": "ascii"}) == wide
    assert not json.dumps(wide, ensure_ascii=False).isascii()
