"""Messages in the reader's language.

Code writes its messages in English, as plain strings and f-strings; they are stored in English
too. Only where text is shown does `tr` turn it into Chinese, by the catalogue's templates: the
f-string `f"no {what} is called {name!r}"` has the template `no {} is called {}`. What the
catalogue does not know stays English.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import islice
from pathlib import Path
from string import Formatter
from typing import Literal, NamedTuple

CATALOGUE = Path(__file__).with_name("chinese.json")
"""Section -> English template -> Chinese template. Gaps are `{}` in order, `{0}` and `{1}` where
Chinese wants another order. `phrases` are no sentences: what fills their gaps is a name, one word
or quoted. `typer`, `metavars` and `libraries` hold what the libraries say that we use."""
_LONGEST = 2_000
"""Characters; longer text is output of a program, not a message."""
_DEPTH = 12
"""How deep messages nest and how many are joined; real ones stay below 8."""
_STEPS = 2_000
"""Most readings tried for one text; real messages take fewer than 500. Text that comes from
outside, such as an exception's, could otherwise be read in exponentially many ways. What is not
read when they are used up stays English."""
_MATCHES = 8
"""Ways in which one template is fitted to one text."""
_JOINTS = {"; ": "；", ": ": "："}
"""How the code joins messages."""
_COMMA = {"en": ", ", "zh": "、"}
"""Between the items of a list."""
_TERSE = 6
"""Characters other than spaces; a template of fewer says little."""
_WORD = re.compile(r"'[^']*'|\S+")
"""A name: without spaces, or quoted."""


def language() -> Literal["en", "zh"]:
    """`zh` if HETBENCH_LANG, or else the locale for messages, begins with zh; `en` otherwise."""
    for name in ("HETBENCH_LANG", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(name):
            return "zh" if value.lower().startswith("zh") else "en"
    return "en"


def colon() -> str:
    """What stands between a label and its text in the reader's language."""
    return ": " if language() == "en" else _JOINTS[": "]


def listing(items: Iterable[str]) -> str:
    """The items, already translated, as a list in the reader's language."""
    return _COMMA[language()].join(items)


def tr(text: str) -> str:
    """`text` in the reader's language; unchanged where the catalogue has no entry for it."""
    if language() == "en" or len(text) > _LONGEST:
        return text
    return Reader().read(text).chinese


class Template(NamedTuple):
    """An English message with gaps, and its Chinese form."""

    literals: tuple[str, ...]
    """The text around the gaps: one more than there are gaps."""
    chinese: str
    names: bool = False
    """Whether only names may fill its gaps: it is a phrase (`the device of {}`), which stands in
    sentences and has none in it, or it says little (`{} of {}`): any text has an "of" in it."""

    def matches(self, text: str) -> Iterator[list[str]]:
        """What may fill the gaps if `text` is made from this template, the shortest first.

        Takes no more than one search per literal for each match: when a literal is not found
        behind one position, it is not found behind a later one either, so that nothing is tried
        twice in vain.
        """
        first, *inner, last = self.literals
        end = len(text) - len(last)
        if len(first) <= end and text.startswith(first) and text.endswith(last):
            return _fit(text, len(first), end, inner)
        return iter(())


def _fit(text: str, position: int, end: int, inner: Sequence[str]) -> Iterator[list[str]]:
    if not inner:
        yield [text[position:end]]
        return
    literal, *later = inner
    found = text.find(literal, position, end)
    while found >= 0:
        fitted = False
        for parts in _fit(text, found + len(literal), end, later):
            fitted = True
            yield [text[position:found], *parts]
        found = text.find(literal, found + 1, end) if fitted else -1


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


class Reading(NamedTuple):
    """A text in Chinese as far as it was understood."""

    chinese: str
    left: int
    """What speaks against it: English letters that no entry accounts for, joints that were not
    taken for joints."""


class Reader:
    """Reads one text: of all the ways to make it from the catalogue, the one that leaves least.

    A text is an entry, a template whose gaps are texts again, or several texts joined. Which it is
    cannot be told from its first match: a gap may reach too far (a reason that took in the remedy
    behind it) or stop too early (a reason that holds the words that follow it in the template).
    So all ways are tried, in bounded number. Where two leave the same, a template with more literal
    text comes before one with less, and any before texts that are joined.
    """

    def __init__(self) -> None:
        self.steps = 0
        self._read: dict[str, Reading] = {}

    def read(self, text: str, depth: int = _DEPTH) -> Reading:
        """The best reading of `text`; the text itself where there is none."""
        whole, _ = _catalogue()
        if text in whole:
            return Reading(whole[text], 0)
        if not depth or " " not in text:  # every template has a space in it
            return _unread(text)
        if text not in self._read:
            ways = (_unread(text), *self._made(text, depth), *self._joined(text, depth))
            self._read[text] = min(ways, key=lambda reading: reading.left)
        return self._read[text]

    def _joined(self, text: str, depth: int) -> Iterator[Reading]:
        for english, chinese in _JOINTS.items():
            read = self._label if english == ": " else self.read
            for reason, rest in self._fits(Template(("", english, ""), ""), text):
                before, after = read(reason, depth - 1), self.read(rest, depth - 1)
                # what another program said after a colon or semicolon stays as it said it
                own = after.chinese != rest
                joint = chinese if own else english
                yield Reading(
                    before.chinese + joint + after.chinese, before.left + after.left + (not own)
                )

    def _label(self, text: str, depth: int) -> Reading:
        """What stands before the first colon: a message, or a name, be it a word that has an entry:
        of a file, of a key in it, of a type of error."""
        is_name = " " not in text or ": " in text
        return _unread(text) if is_name else self.read(text, depth)

    def _made(
        self, text: str, depth: int, templates: Iterable[Template] | None = None
    ) -> Iterator[Reading]:
        for template in _catalogue()[1] if templates is None else templates:
            for parts in self._fits(template, text):
                if not template.names or all(map(_WORD.fullmatch, parts)):
                    read = [self._gap(part, depth - 1) for part in parts]
                    chinese = fill(template.chinese, [one.chinese for one in read])
                    swallowed = sum(part.count("; ") for part in parts)
                    yield Reading(chinese, sum(one.left for one in read) + swallowed)

    def _gap(self, text: str, depth: int) -> Reading:
        """What fills a gap; a list where all its items are names or phrases."""
        items = text.split(_COMMA["en"])
        read = [self._item(item, depth) for item in items] if len(items) > 1 else []
        if not read or None in read:
            return self.read(text, depth)
        known = list(filter(None, read))
        return Reading(listing(one.chinese for one in known), sum(one.left for one in known))

    def _item(self, text: str, depth: int) -> Reading | None:
        if _WORD.fullmatch(text):
            return _unread(text)
        phrases = self._made(text, depth, [one for one in _catalogue()[1] if one.names])
        return min(phrases, key=lambda reading: reading.left, default=None)

    def _fits(self, template: Template, text: str) -> Iterator[list[str]]:
        for parts in islice(template.matches(text), _MATCHES):
            if self.steps == _STEPS:
                return
            self.steps += 1
            yield parts


def _unread(text: str) -> Reading:
    return Reading(text, len(re.findall("[A-Za-z]", text)) + sum(map(text.count, _JOINTS)))


def entries() -> dict[str, str]:
    """Every entry of the catalogue, all sections as one."""
    return {english: chinese for one in sections().values() for english, chinese in one.items()}


def sections() -> dict[str, dict[str, str]]:
    """The catalogue by its sections."""
    found: dict[str, dict[str, str]] = json.loads(CATALOGUE.read_text("utf-8"))
    return found


@lru_cache(maxsize=1)
def _catalogue() -> tuple[dict[str, str], tuple[Template, ...]]:
    """Whole messages, and templates, the one with most literal text first: it says most."""
    whole: dict[str, str] = {}
    templates: list[Template] = []
    for section, found in sections().items():
        for english, chinese in found.items():
            literals = split(english)
            if len(literals) == 1:
                whole[literals[0]] = fill(chinese, [])
            else:
                terse = len("".join(literals).replace(" ", "")) < _TERSE
                templates.append(Template(literals, chinese, terse or section == "phrases"))
    templates.sort(key=lambda template: -sum(map(len, template.literals)))
    return whole, tuple(templates)
