"""What words of a settings file must look like before anything is done with them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches

from bench.language.plain import plain

WORD = re.compile(r"[a-z][a-z0-9_-]*")
NAME = re.compile(r"[A-Za-z][\w.+-]*")
MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
"""A word in braces, to be filled in."""


def matches(shape: re.Pattern[str], text: str, what: str) -> None:
    """Raises ValueError unless all of a text of at most 100 characters is of this shape."""
    if len(text) > 100 or shape.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not usable as {what}")


def shown(text: str) -> None:
    """Raises ValueError for what could rewrite the terminal or the report it is shown in."""
    if len(text) > 300 or plain(text) != text:
        raise ValueError(f"{text[:40]!r} is not one line of at most 300 printable characters")


def known(word: str, words: tuple[str, ...], what: str) -> None:
    """Raises ValueError, which lists the words, for one that is not among them."""
    if word not in words:
        raise ValueError(f"{word!r} is no {what}; known: {', '.join(words)}")


def near(word: str, words: Iterable[str]) -> str:
    """The names that a misspelt one may have meant, else all; with commas."""
    choices = {choice.lower(): choice for choice in sorted(words)}
    close = get_close_matches(word.lower(), choices, 3, 0.5)
    return ", ".join(choices[choice] for choice in close or choices)


def placeholders(text: str, words: tuple[str, ...]) -> None:
    """Raises ValueError for a placeholder that nothing will fill in."""
    for match in PLACEHOLDER.finditer(text):
        known(match[1], words, "placeholder")
