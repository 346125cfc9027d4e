"""Messages in Chinese: the mechanism, and whether every message has its entry."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import text, toml
from bench.registry import unknown
from bench.results import Status
from bench.suite import ScenarioName
from bench.text import Template, fill, language, split, tr

ROOT = Path(__file__).parents[2]
SHORT_TEXTS = {"tr", "unknown", "note", "warn"}
"""Functions whose first argument is shown, however short it is."""
WORD = re.compile(r"\b[A-Za-z']{2,}\b")
SENTENCE = 3
"""A text of so many words is taken for a message wherever it stands in the code."""

NOT_SHOWN = {
    '"""hetbench on {} devices."""\n',
    "Instantaneous power reading: +(\\d+) Watts",
    "You are using the legacy TorchScript",
    "bound in place",
    "bound in {} memory",
    "can't allocate memory",
    "copied when staged",
    "coretemp k10temp zenpower fam15h_power cpu_thermal",
    'exec 3<&0 </dev/null; {{ read -r _ <&3; kill -9 0; }} >/dev/null 2>&1 & exec "$@" 3<&-',
    "failed to allocate memory",
    "milliwatts, divided by 1000",
    "out of memory",
}
"""Templates that look like messages and are none."""


@pytest.fixture
def zh(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Callable[[dict[str, str]], None]]:
    """Chinese with the catalogue given."""
    monkeypatch.setenv("HETBENCH_LANG", "zh")

    def use(entries: dict[str, str]) -> None:
        path = tmp_path / "chinese.json"
        path.write_text(json.dumps({"words": entries}), "utf-8")
        monkeypatch.setattr(text, "CATALOGUE", path)
        text._catalogue.cache_clear()

    yield use
    text._catalogue.cache_clear()


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_MESSAGES": "C"}, "en"),
        ({"LC_ALL": "zh_TW", "LC_MESSAGES": "C", "LANG": "C"}, "zh"),
        ({"HETBENCH_LANG": "en", "LC_ALL": "zh_CN"}, "en"),
        ({"HETBENCH_LANG": "ZH"}, "zh"),
        ({"HETBENCH_LANG": "", "LANG": "zh_CN"}, "zh"),
        ({"HETBENCH_LANG": "de"}, "en"),
    ],
)
def test_language(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in ("HETBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert language() == expected


def test_whole_messages_and_templates(zh: Callable[[dict[str, str]], None]) -> None:
    zh(
        {
            "the model {} is not here": "这里没有模型 {}",
            "model": "模型",
            "no {} is called {}": "没有名为 {1} 的{0}",
            "{} of {{all}}": "{{全部}}中的 {}",
            "just so": "正是",
        }
    )
    assert tr("just so") == "正是"
    assert tr("no model is called 'x'") == "没有名为 'x' 的模型"
    assert tr("3 of {all}") == "{全部}中的 3"
    assert tr("the model a is not here") == "这里没有模型 a"
    assert tr("another message") == "another message"


def test_the_template_that_says_most_wins(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"cannot {}": "不能{}", "cannot read {}": "无法读取 {}", "{}: {}": "{}：{}"})
    assert tr("cannot read x") == "无法读取 x"
    assert tr("cannot go") == "不能go"


def test_messages_within_messages(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"{} failed: {}": "{} 失败：{}", "no driver for {}": "没有 {} 的驱动"})
    assert tr("npu:0 failed: no driver for npu") == "npu:0 失败：没有 npu 的驱动"


def test_a_remedy_put_behind_a_reason(zh: Callable[[dict[str, str]], None]) -> None:
    zh({"no driver for {}": "没有 {} 的驱动", "install it": "请安装"})
    assert tr("no driver for npu; install it") == "没有 npu 的驱动；请安装"
    assert tr("foreign words; install it") == "foreign words；请安装"
    assert tr("foreign words; and more") == "foreign words; and more"


def test_english_costs_nothing() -> None:
    code = (
        "import sys, time; a = time.perf_counter_ns(); from bench import text; "
        "assert text.tr('x') == 'x'; b = time.perf_counter_ns(); "
        "assert text._catalogue.cache_info().currsize == 0; print(b - a)"
    )
    subprocess.run(
        [sys.executable, "-c", code], check=True, env={"LANG": "C", "PYTHONPATH": str(ROOT)}
    )


# Text without braces, which is what surrounds and fills gaps; it holds what a regular expression,
# rich's markup or a terminal would take for instructions.
PIECE = st.text(st.one_of(st.sampled_from(list("ab .*+?()[]\\|^$/'\"%\n\t")), st.characters()))
LITERAL = PIECE.map(lambda piece: piece.replace("{", "").replace("}", ""))
TEMPLATES = st.lists(LITERAL, min_size=2, max_size=6).map("{}".join)


@given(TEMPLATES, st.data())
def test_what_a_template_makes_it_matches(template: str, data: st.DataObject) -> None:
    gaps = len(split(template)) - 1
    parts = data.draw(st.lists(PIECE, min_size=gaps, max_size=gaps))
    made = fill(template, parts)
    matched = Template(split(template), "").match(made)
    assert matched is not None
    assert fill(template, matched) == made


@given(TEMPLATES, PIECE)
def test_what_does_not_fit_is_not_matched(template: str, message: str) -> None:
    literals = split(template)
    matched = Template(literals, "").match(message)
    expected = re.fullmatch("(?s:.*?)".join(map(re.escape, literals)), message)
    assert (matched is None) == (expected is None)


@given(PIECE)
def test_gaps_are_taken_as_they_are(message: str) -> None:
    template = Template(split("<{}>"), "《{0}》{0}")
    assert template.match(f"<{message}>") == [message]
    assert fill(template.chinese, [message]) == f"《{message}》{message}"


@pytest.mark.parametrize("size", [1_000, 20_000, 2_000_000])
@pytest.mark.parametrize("unit", ["a", " is ", "cannot read ", "{", "; known: , "])
def test_long_text_takes_no_long_time(
    monkeypatch: pytest.MonkeyPatch, unit: str, size: int
) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    tr("warm")
    message = unit * (size // len(unit))
    start = time.perf_counter()
    tr(message)
    assert time.perf_counter() - start < 2


def test_a_real_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_LANG", "zh")
    assert tr(str(unknown("model", "resnet", ["resnet8"]))) == (
        "没有名为 'resnet' 的模型；已有的相近名称：resnet8"
    )


def _numbers(chinese: str) -> list[int]:
    fields = re.findall(r"\{(\d*)\}", chinese.replace("{{", "").replace("}}", ""))
    return [int(field) if field else index for index, field in enumerate(fields)]


def test_entries_are_well_formed() -> None:
    wrong = [
        f"{english!r}: {fault}"
        for english, chinese in text.entries().items()
        for fault in _faults(english, chinese)
    ]
    assert not wrong, "\n".join(wrong)


def test_malformed_entries_are_noticed() -> None:
    assert _faults("no {} is {}", "没有 {}") == ["a gap is lost or invented"]
    assert _faults("{}{}", "{}，{}") == ["it holds no text"]
    assert _faults("phase", "phase") == ["it is not Chinese"]
    assert _faults("phase", "阶段 ") == ["it gained a space at an end"]


def _faults(english: str, chinese: str) -> list[str]:
    """What is wrong with one entry of the catalogue."""
    gaps = len(split(english)) - 1
    found = {
        "a gap is lost or invented": sorted(set(_numbers(chinese))) != list(range(gaps)),
        "it holds no text": not "".join(split(english)).strip(),
        "it is not Chinese": not re.search(r"[\u4e00-\u9fff\uff00-\uffef]", chinese),
        "it gained a space at an end": chinese != chinese.strip() and english == english.strip(),
    }
    return [fault for fault, wrong in found.items() if wrong]


def test_every_message_has_an_entry() -> None:
    missing = sorted(set(messages()) - set(text.entries()) - NOT_SHOWN)
    assert not missing, "translate these in bench/chinese.json, or name them in NOT_SHOWN:\n" + (
        "".join(f"    {message!r}: '',\n" for message in missing)
    )


def test_every_entry_has_its_message() -> None:
    known = {text for tree in _trees() for node in ast.walk(tree) for text in _templates(node)}
    sections = json.loads(text.CATALOGUE.read_text("utf-8"))
    own = set(text.entries()) - set(sections["typer"])
    assert not sorted((own | NOT_SHOWN) - known - set(_toml_messages()))


def messages() -> Iterator[str]:
    """Template of every message that a person may be shown."""
    yield from (*get_args(Status), *get_args(ScenarioName))
    yield from _toml_messages()
    for tree in _trees():
        aside = _asides(tree)
        for node in ast.walk(tree):
            if id(node) not in aside:
                yield from filter(_is_sentence, _templates(node))
            if isinstance(node, ast.Call) and node.args and _name(node.func) in SHORT_TEXTS:
                yield from _templates(node.args[0])


def _is_sentence(template: str) -> bool:
    is_code = template.startswith("import ")
    return not is_code and " " in template and len(WORD.findall(template)) >= SENTENCE


def _trees() -> Iterator[ast.Module]:
    for folder in ("bench", "backends"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if "_home" not in path.parts:
                yield ast.parse(path.read_text("utf-8"))


def _toml_messages() -> Iterator[str]:
    for path in (ROOT / "backends" / "adapters").glob("*.toml"):
        table = toml.read(path)
        for part in (table.get("torch", {}), *table.get("onnxruntime", [])):
            yield from filter(None, [_escaped(part.get("remedy", ""))])
    for path in (ROOT / "models").glob("*.toml"):
        yield from (_escaped(card["task"]) for card in toml.read(path)["model"])


def _asides(tree: ast.AST) -> set[int]:
    """Docstrings, regular expressions and parts of longer texts."""
    found: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr):
            found.add(id(node.value))
        elif isinstance(node, ast.JoinedStr):
            found |= {id(part) for part in node.values}
        elif isinstance(node, ast.BinOp):
            found |= {id(node.left), id(node.right)}
        elif isinstance(node, ast.Call) and ast.unparse(node.func).startswith("re."):
            found |= {id(argument) for argument in node.args}
    return found


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _templates(node: ast.AST) -> Iterator[str]:
    """Templates of the literal texts an expression may be; nothing for a text made elsewhere."""
    if isinstance(node, ast.IfExp):
        yield from _templates(node.body)
        yield from _templates(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from _templates(value)
    elif (template := _template(node)) is not None and re.search("[A-Za-z]", template):
        yield template


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


def _template(node: ast.AST) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return _escaped(node.value)
    if isinstance(node, ast.JoinedStr):
        return "".join(_template(value) or "{}" for value in node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [_template(side) for side in (node.left, node.right)]
        return None if sides == [None, None] else "".join(side or "{}" for side in sides)
    return None


def test_templates_of_expressions() -> None:
    def of(code: str) -> list[str]:
        return list(_templates(ast.parse(code, mode="eval").body))

    assert of("'plain'") == ["plain"]
    assert of("f'no {x} is {y!r:>5}'") == ["no {} is {}"]
    assert of("f'{{braces}} {x}'") == ["{{braces}} {}"]
    assert of("'a' if b else f'c{d}'") == ["a", "c{}"]
    assert of("'one; ' f'two {x}'") == ["one; two {}"]
    assert of("'one ' + x") == ["one {}"]
    assert of("x") == of("''") == []
