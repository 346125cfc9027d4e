"""Regular expressions from settings files: refused when matching them could run away.

Python's matcher backtracks and has no time limit, so `(a+)+b` on forty letters takes hours. The
check is stricter than needed and simple to state: inside a repeated group every path has one
fixed length and there are no alternatives, two unlimited repeats that can take the same
characters are not neighbours, at most `MAX_CHAIN` of them can compete for one stretch of text, and
text comes in bounded pieces (`MAX_TEXT`).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from typing import Any

if sys.version_info >= (3, 11):
    from re import _constants as codes  # type: ignore[attr-defined]
    from re import _parser as parser  # type: ignore[attr-defined]
else:
    import sre_constants as codes
    import sre_parse as parser

MAX_PATTERN = 1000
"""Longest pattern taken, in characters."""
MAX_TEXT = 1 << 16
"""Longest text to search in, in characters: cut a program's output to this."""
MAX_SPANS = 2
"""Unlimited repeats of one pattern that may run over line ends."""

MAX_CHAIN = 3
"""Unlimited repeats that can compete for the same stretch of text, as in `.*a.*b.*c`."""

_MANY = 1000
"""A repeat allowed to go this far counts as unlimited."""
_ALPHABET = frozenset(map(chr, range(128)))


def check(pattern: str) -> None:
    """Accept a pattern whose matching time stays bounded; raises ValueError with the reason."""
    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the regular expression is longer than {MAX_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
        tree: Any = parser.parse(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is not a regular expression: {error}") from error
    walk = _Walk(pattern)
    walk.sequence(tree, compiled.flags)
    if walk.spans > MAX_SPANS:
        raise ValueError(
            f"{pattern!r} could run away: {walk.spans} unlimited repeats run over line ends, "
            f"at most {MAX_SPANS} may"
        )


class _Walk:
    """One pass over a parsed pattern, from left to right."""

    def __init__(self, pattern: str) -> None:
        self.pattern = pattern
        self.spans = 0
        """Unlimited repeats that can cross a line end."""
        self.before: frozenset[str] = frozenset()
        """Characters that an unlimited repeat ending right here can take."""
        self.chain: list[frozenset[str]] = []
        """What the unlimited repeats can take that could also have taken all that follows them."""

    def sequence(self, items: Iterable[Any], flags: int) -> None:
        for op, argument in items:
            if op in _UNKNOWN:
                raise ValueError(f"{self.pattern!r}: possessive and atomic parts are not taken")
            if op in _REPEATS:
                low, high, body = argument
                self.repeat(low, high, body, flags)
            elif op is codes.SUBPATTERN:
                _, added, removed, body = argument
                self.sequence(body, (flags | added) & ~removed)
            elif op is codes.BRANCH:
                self.branches(argument[1], flags)
            elif op in _LOOKS:
                before, chain = self.before, self.chain
                self.sequence(argument[1], flags)
                self.before, self.chain = before, chain
            elif op is codes.GROUPREF or op is codes.GROUPREF_EXISTS:
                raise ValueError(f"{self.pattern!r} could run away: it refers back to a group")
            elif op is not codes.AT:
                taken = _characters([(op, argument)], flags)
                self.chain = [other for other in self.chain if other & taken]
                self.before = frozenset()

    def repeat(self, low: int, high: int, body: Any, flags: int) -> None:
        before, chain = self.before, self.chain
        if high > 1:
            _refuse_variable(body, self.pattern)
        if high < _MANY:
            self.sequence(body, flags)
            if low == 0:  # left out, it parts nothing
                self.before |= before
                self.chain = max(self.chain, chain, key=len)
            return
        taken = _characters(body, flags)
        if taken & before:
            raise ValueError(
                f"{self.pattern!r} could run away: two unlimited repeats side by side take "
                "the same characters"
            )
        self.chain = [*(other for other in self.chain if other & taken), taken]
        if len(self.chain) > MAX_CHAIN:
            raise ValueError(
                f"{self.pattern!r} could run away: more than {MAX_CHAIN} unlimited repeats "
                "can take the same text"
            )
        self.spans += "\n" in taken and not taken <= _SPACE
        self.before = taken | before if low == 0 else taken

    def branches(self, branches: Iterable[Any], flags: int) -> None:
        before = self.before
        chain = self.chain
        after: frozenset[str] = frozenset()
        longest: list[frozenset[str]] = []
        for branch in branches:
            self.before, self.chain = before, chain
            self.sequence(branch, flags)
            after |= self.before
            longest = max(longest, self.chain, key=len)
        self.before, self.chain = after, longest


_SPACE = frozenset(filter(str.isspace, map(chr, range(128))))
_REPEATS = {codes.MAX_REPEAT, codes.MIN_REPEAT}
_UNKNOWN = {getattr(codes, name, None) for name in ("POSSESSIVE_REPEAT", "ATOMIC_GROUP")}
"""New in Python 3.11, so a settings file that uses them would not work everywhere."""
_LOOKS = {codes.ASSERT, codes.ASSERT_NOT}


def _refuse_variable(body: Any, pattern: str) -> None:
    low, high = body.getwidth()
    if low != high or _has_branch(body):
        raise ValueError(
            f"{pattern!r} could run away: a repeated group must have one fixed length "
            "and no alternatives"
        )


def _has_branch(items: Iterable[Any]) -> bool:
    return any(
        op is codes.BRANCH or any(_has_branch(part) for part in _parts(op, argument))
        for op, argument in items
    )


def _parts(op: Any, argument: Any) -> list[Any]:
    """The sub-patterns of one parsed item."""
    if op in _REPEATS:
        return [argument[2]]
    if op is codes.SUBPATTERN:
        return [argument[3]]
    if op is codes.BRANCH:
        return list(argument[1])
    if op in _LOOKS:
        return [argument[1]]
    return []


def _characters(body: Any, flags: int) -> frozenset[str]:
    """ASCII characters a one-character body can take; all of them for anything longer."""
    if len(body) != 1:
        return _ALPHABET
    op, argument = body[0]
    if op is codes.SUBPATTERN:
        return _characters(argument[3], flags)
    if op is codes.ANY:
        return _ALPHABET if flags & re.DOTALL else _ALPHABET - {"\n"}
    if op is codes.LITERAL:
        return frozenset(chr(argument))
    if op is codes.NOT_LITERAL:
        return _ALPHABET - {chr(argument)}
    if op is codes.IN:
        return frozenset(c for c in _ALPHABET if _in_set(argument, c))
    return _ALPHABET


def _in_set(items: Iterable[Any], character: str) -> bool:
    negate = False
    found = False
    for op, argument in items:
        if op is codes.NEGATE:
            negate = True
        elif op is codes.LITERAL:
            found |= ord(character) == argument
        elif op is codes.RANGE:
            found |= argument[0] <= ord(character) <= argument[1]
        elif op is codes.CATEGORY:
            found |= re.fullmatch(_CATEGORIES[str(argument)], character) is not None
    return found is not negate


_CATEGORIES = {
    "CATEGORY_DIGIT": r"\d",
    "CATEGORY_NOT_DIGIT": r"\D",
    "CATEGORY_SPACE": r"\s",
    "CATEGORY_NOT_SPACE": r"\S",
    "CATEGORY_WORD": r"\w",
    "CATEGORY_NOT_WORD": r"\W",
}
