"""What typer says to a Chinese reader."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from typer import Context, rich_utils
from typer.core import TyperGroup
from typer.main import get_command
from typer.testing import CliRunner

from bench.cli import app, chinese
from bench.cli.chinese import METAVAR
from bench.language import translate as text
from tests.conftest import Cli
from tests.messages import english

EXAMPLES = {
    "--help": ["用法：hetbench [选项] 命令 [参数]...", "─ 选项 ─", "─ 命令 ─", "显示本帮助。"],
    "show --help": ["用法：hetbench show [选项] {文件}", "─ 参数 ─", "<路径>", "[必填]"],
    "run --help": ["[选项] [套件]", "[默认：quick]", "名称=维度", "<整数> [1<=x<=1000]"],
    "show": ["用法：", "帮助见 'hetbench show -h'。", "─ 错误 ─", "缺少参数 '文件'。"],
    "run --seeed 3": ["没有选项 --seeed（相近的选项：--seed）"],
    "run --qqq": ["没有选项 --qqq"],
    "runn": ["没有命令 'runn'。您是想用 'run' 吗？"],
    "qqq": ["没有命令 'qqq'。"],
    "adapter --": ["缺少命令。"],
    "run a b": ["多余的参数：b"],
    "run --target": ["选项 '--target' 需要一个值。"],
    "run --json=3": ["选项 '--json' 不带值。"],
    "run --batch x": ["'--batch' / '-b' 的值无效：'x' 不是整数。"],
    "run --trials x": ["'--trials' 的值无效：'x' 不是整数。"],
    "run --trials 0": ["'--trials' 的值无效：0 不在范围 1<=x<=1000 之内。"],
    "run --wait x": ["'--wait' 的值无效：'x' 不是数。"],
}
"""Words of a command -> some of what they bring up."""


@pytest.fixture
def speaking(monkeypatch: pytest.MonkeyPatch) -> CliRunner:
    """A runner of commands in this process, where typer speaks Chinese until the test ends."""
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    for name in (*chinese.STRINGS, "highlighter", "types_highlighter"):
        monkeypatch.setattr(rich_utils, name, getattr(rich_utils, name))
    chinese.speak()
    return CliRunner(env={"COLUMNS": "100"})


@pytest.mark.parametrize("words", EXAMPLES)
def test_help_and_usage_errors(speaking: CliRunner, words: str) -> None:
    done = speaking.invoke(app, words.split(), prog_name="hetbench")
    assert done.exit_code == (0 if "--help" in words else 2)
    assert [text for text in EXAMPLES[words] if text not in done.output] == [], done.output


def test_every_entry_has_its_example() -> None:
    examples = [example for texts in EXAMPLES.values() for example in texts]
    entries = json.loads(text.CATALOGUE.read_text("utf-8"))["typer"].values()
    assert [entry for entry in entries if not any(map(_pattern(entry).search, examples))] == []


def _pattern(entry: str) -> re.Pattern[str]:
    shown = re.sub(r"\[/?(?:blue)?\]", "", entry)
    return re.compile(".+".join(map(re.escape, re.split(r"\{+\w*\}+", shown))))


def test_no_help_has_english_in_it(speaking: CliRunner) -> None:
    for words, command in _commands():
        context = Context(command)
        taken = [parameter.make_metavar(ctx=context) for parameter in command.params]
        for metavar in METAVAR.findall(" ".join([*taken, *command.collect_usage_pieces(context)])):
            assert text.tr(metavar) != metavar, f"{metavar} of {words} has no entry in metavars"
        shown = speaking.invoke(app, [*words, "--help"], prog_name="hetbench").output
        assert english(shown) == [], f"{words}: {shown}"


def _commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    yield (), group
    for name, command in group.commands.items():
        yield (name,), command
        if isinstance(command, TyperGroup):
            yield from (((name, inner), one) for inner, one in command.commands.items())


def test_help_is_not_cut_off(cli: Cli) -> None:
    done = cli("run", "--help", env={"HETBENCH_LANG": "zh", "COLUMNS": "80"})
    assert done.returncode == 0, done.stderr
    assert "─ 选项 ─" in done.stdout
    assert "…" not in done.stdout


def test_english_is_left_as_it_is(cli: Cli) -> None:
    done = cli("show", "--help")
    for words in ("Usage: ", "─ Arguments ─", "─ Options ─", "Show this message and exit."):
        assert words in done.stdout
