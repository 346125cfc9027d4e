"""Finds every message in the code, so that tests can ask for its Chinese.

A message is a literal text, or an f-string, that may reach a person. What is one is told by where
it stands (the first argument of an error, of `tr`, of a check's verdict) or by how it reads.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple, get_args

from bench import scenarios
from bench.conformance import verdict
from bench.results.trial import Status
from bench.settings import toml

ROOT = Path(__file__).parents[1]
SAYS = {"tr", "unknown", "note", "warn", "passed", "failed", "skipped", "ValueError"}
SAYS |= {"HetbenchError", "UsageError", "RefusedInput", "Unsupported", "OutOfMemory", "DeviceBusy"}
SAYS |= {"SensorError", "CommandError"}
"""Functions and errors whose first argument is shown, however short it is."""
WORD = re.compile(r"\b[A-Za-z']{2,}\b")
SENTENCE = 3
"""A text of so many words is taken for a message wherever it stands in the code."""

NOT_SHOWN = {
    '"""hetbench on {} devices."""\n',
    "--shape {}={}",
    "Instantaneous power reading: +(\\d+) Watts",
    "You are using the legacy TorchScript",
    "bound in place",
    "bound in {} memory",
    "can't allocate memory",
    "copied when staged",
    "coretemp k10temp zenpower fam15h_power cpu_thermal",
    'exec 3<&0 </dev/null; {{ read -r _ <&3; kill -9 0; }} >/dev/null 2>&1 & exec "$@" 3<&-',
    "failed to allocate memory",
    "hetbench {}",
    "hetbench: {}\n",
    "implementer {} part {}",
    "milliwatts, divided by 1000",
    "out of memory",
    "sensor {}",
    "sha256 {}",
    "simulated fault: {}: {}\n",
    "{} ns",
}
"""Templates that look like messages and are none."""


class Message(NamedTuple):
    """A template, and the expressions that fill its gaps as they stand in the code."""

    template: str
    gaps: tuple[str, ...] = ()


def messages() -> Iterator[Message]:
    """Every message that a person may be shown."""
    words = (*get_args(Status), *scenarios.names(), *get_args(verdict.Status))
    yield from map(Message, words)
    yield from map(Message, _toml_messages())
    for tree in trees():
        aside = _asides(tree)
        for node in ast.walk(tree):
            found = list(literals(node))
            if isinstance(node, ast.Call) and node.args and _name(node.func) in SAYS:
                yield from literals(node.args[0])
            elif id(node) not in aside:
                yield from (one for one in found if _is_message(one))


def known() -> set[str]:
    """Every literal text of the code: what an entry of the catalogue may stand for."""
    found = {one.template for tree in trees() for node in ast.walk(tree) for one in literals(node)}
    return found | {one.template for one in messages()}


@lru_cache(maxsize=1)
def trees() -> tuple[ast.Module, ...]:
    """The code, parsed."""
    paths = (path for top in ("bench", "backends") for path in sorted((ROOT / top).rglob("*.py")))
    return tuple(ast.parse(path.read_text("utf-8")) for path in paths if "_home" not in path.parts)


def literals(node: ast.AST) -> Iterator[Message]:
    """The literal texts an expression may be; nothing for a text made elsewhere."""
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.BoolOp):
        for value in node.values:
            yield from literals(value)
    elif (found := _literal(node)) is not None and re.search("[A-Za-z]", found.template):
        yield found


def _literal(node: ast.AST) -> Message | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return Message(_escaped(node.value))
    if isinstance(node, ast.JoinedStr):
        return _concatenated(node.values)
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        sides = [node.left, node.right]
        return _concatenated(sides) if any(map(_literal, sides)) else None
    return None


def _concatenated(nodes: list[ast.expr]) -> Message:
    template, gaps = "", []
    for node in nodes:
        if (part := _literal(node)) is not None:
            template += part.template
            gaps += part.gaps
        else:
            template += "{}"
            gaps.append(ast.unparse(node.value if isinstance(node, ast.FormattedValue) else node))
    return Message(template, tuple(gaps))


def _is_message(message: Message) -> bool:
    words = len(WORD.findall(message.template.replace("{}", " ")))
    needed = 1 if message.gaps else SENTENCE
    is_code = message.template.startswith("import ")
    return not is_code and " " in message.template and words >= needed


def _toml_messages() -> Iterator[str]:
    for path in (ROOT / "backends" / "adapters").glob("*.toml"):
        table = toml.read(path)
        for part in (table.get("torch", {}), *table.get("onnxruntime", [])):
            yield from filter(None, [_escaped(part.get("remedy", ""))])
    for path in (ROOT / "models").glob("*.toml"):
        for card in toml.read(path)["model"]:
            yield from (_escaped(card["task"]), card["size"])


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


def _escaped(literal: str) -> str:
    return literal.replace("{", "{{").replace("}", "}}")


COMMAND = re.compile(
    r"(?:pip install|hetbench|sudo|source) [\w@./:+=*\[\]<>-]+(?: -*[\w@./:+=*-]+)*"
)
"""A command that a message tells to run."""
ENGLISH = re.compile(r"\b[A-Za-z][a-z']*(?:,? [A-Za-z]?[a-z']+){2,}\b")


def english(shown: str, *values: str) -> list[str]:
    """English sentences in a Chinese text: three words or more in a row.

    What is quoted, a command, or among the `values` that were put into the text is none.
    """
    for value in sorted(values, key=len, reverse=True):
        shown = shown.replace(value, "§")
    shown = re.sub(r"'[^']*'|`[^`]*`", "§", shown)
    return ENGLISH.findall(COMMAND.sub("§", shown))
