"""Messages in the reader's language.

Code writes its messages in English, as plain strings and f-strings; they are stored in English
too. Only where text is shown does `tr` turn it into Chinese, by the catalogue's templates: the
f-string `f"no {what} is called {name!r}"` has the template `no {} is called {}`. What the
catalogue does not know stays English.
"""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Literal, NamedTuple

CATALOGUE = Path(__file__).with_name("chinese.json")
"""Section -> English template -> Chinese template. Gaps are `{}` in order, `{0}` and `{1}` where
Chinese wants another order; the section `typer` holds the command line library's own messages."""
_DEPTH = 3
"""How deep messages nest: a reason inside a status inside a warning."""
_LONGEST = 20_000
"""Characters; longer text is output of a program, not a message."""


def language() -> Literal["en", "zh"]:
    """`zh` if HETBENCH_LANG, or else the locale for messages, begins with zh; `en` otherwise."""
    for name in ("HETBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def tr(text: str) -> str:
    """`text` in the reader's language; unchanged where the catalogue has no entry for it."""
    if language() == "en" or len(text) > _LONGEST:
        return text
    return _chinese(text, _DEPTH)


class Template(NamedTuple):
    """An English message with gaps, and its Chinese form."""

    literals: tuple[str, ...]
    """The text around the gaps: one more than there are gaps."""
    chinese: str

    def match(self, text: str) -> list[str] | None:
        """What fills the gaps if `text` is made from this template, each as short as can be.

        Takes time linear in the text: with the first and last literal at the ends, taking every
        one in between where it first occurs finds a match if there is one.
        """
        first, *inner, last = self.literals
        end = len(text) - len(last)
        if end < len(first) or not text.startswith(first) or not text.endswith(last):
            return None
        parts = []
        position = len(first)
        for literal in inner:
            found = text.find(literal, position, end)
            if found < 0:
                return None
            parts.append(text[position:found])
            position = found + len(literal)
        return [*parts, text[position:end]]


def split(template: str) -> tuple[str, ...]:
    """The literals of a template: `no {} is called {}` gives ("no ", " is called ", "")."""
    literals = [""]
    for literal, field, _, _ in Formatter().parse(template):
        literals[-1] += literal
        if field is not None:
            literals.append("")
    return tuple(literals)


def fill(template: str, parts: list[str]) -> str:
    """Put `parts` into the gaps, in order where they are `{}`, by number where they are `{1}`."""
    words = []
    following = iter(parts)
    for literal, field, _, _ in Formatter().parse(template):
        words.append(literal)
        if field is not None:
            words.append(parts[int(field)] if field else next(following))
    return "".join(words)


def _chinese(text: str, depth: int) -> str:
    whole, templates = _catalogue()
    if text in whole:
        return whole[text]
    if not depth:
        return text
    # An adapter's remedy, put behind a reason whose last gap would take it in.
    reason, _, remedy = text.rpartition("; ")
    if remedy in whole:
        return f"{_chinese(reason, depth - 1)}；{whole[remedy]}"
    for template in templates:
        if (parts := template.match(text)) is not None:
            return fill(template.chinese, [_chinese(part, depth - 1) for part in parts])
    return text


def entries() -> dict[str, str]:
    """Every entry of the catalogue, all sections as one."""
    sections: dict[str, dict[str, str]] = json.loads(CATALOGUE.read_text("utf-8"))
    return {english: chinese for one in sections.values() for english, chinese in one.items()}


@lru_cache(maxsize=1)
def _catalogue() -> tuple[dict[str, str], tuple[Template, ...]]:
    """Whole messages, and templates, the one with most literal text first: it says most."""
    whole: dict[str, str] = {}
    templates: list[Template] = []
    for english, chinese in entries().items():
        literals = split(english)
        if len(literals) == 1:
            whole[literals[0]] = fill(chinese, [])
        else:
            templates.append(Template(literals, chinese))
    templates.sort(key=lambda template: -sum(map(len, template.literals)))
    return whole, tuple(templates)
