"""What the commands really print to a Chinese reader has no English sentence in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.messages import english

Write = Callable[..., str]
NAMES = ("Simulated accelerator", "Intel GPU", "Apple GPU")
"""Names of things that come three words in a row with what stands beside them."""


def printed(cli: Cli, *args: str, code: int = 0) -> str:
    done = cli(*args, env={"HETBENCH_LANG": "zh"})
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "words",
    [
        "devices",
        "adapter list",
        "adapter show ascend",
        "adapter check simulated@sim:0",
        "models",
        "suites",
        "selftest",
        "run smoke --dry-run -t simulated@sim:0",
    ],
)
def test_lists_and_checks(cli: Cli, words: str) -> None:
    shown = printed(cli, *words.split())
    assert re.search("[\u4e00-\u9fff]", shown)
    assert [line for line in shown.splitlines() if english(line, *NAMES)] == []


def test_a_check_that_fails(cli: Cli) -> None:
    shown = printed(cli, "adapter", "check", "simulated+fault=wrong@sim:0", code=1)
    assert "未通过" in shown
    assert [line for line in shown.splitlines() if english(line, *NAMES)] == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [("", 0), ("crash-segv", 3), ("raise", 3), ("wrong", 1)],
)
def test_a_run(cli: Cli, suite: Write, fault: str, code: int) -> None:
    target = f"simulated+fault={fault}@sim:0" if fault else "simulated@sim:0"
    shown = printed(cli, "run", suite(), "-t", target, "-o", "r.json", code=code)
    assert "结果文件：r.json" in shown
    assert [line for line in shown.splitlines() if english(line, *NAMES)] == []
    again = printed(cli, "show", "r.json")
    assert [line for line in again.splitlines() if english(line, *NAMES)] == []


@pytest.mark.parametrize(
    "words",
    [
        "run quik",
        "run -t torch@npu:0",
        "run -t torch@cuda:0",
        "show nothing.json",
        "adapter check torch@npu:0",
        "run --onnx nothing.onnx",
    ],
)
def test_errors(cli: Cli, words: str) -> None:
    done = cli(*words.split(), env={"HETBENCH_LANG": "zh"})
    assert done.returncode not in (0, 1), done.stdout
    assert english(done.stdout + done.stderr) == [], done.stderr


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("s.toml", "name 3", "键的后面应为 '='（第 1 行第 6 列）"),
        ("s.toml", "cases = []\nmeasure = 3", "s.toml:1：（顶层）：缺少键 'name'"),
        ("r.json", '{"kind": "hetbench-results", "schema_version": "1-draft"}', "缺少该字段"),
    ],
)
def test_what_is_wrong_with_a_file(
    cli: Cli, tmp_path: Path, name: str, content: str, said: str
) -> None:
    (tmp_path / name).write_text(content)
    command = ("run",) if name.endswith("toml") else ("show",)
    shown = printed(cli, *command, f"./{name}", code=4)
    assert said in shown
    assert english(shown) == []
