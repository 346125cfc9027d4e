"""Regular expressions from settings files, matched by RE2: in time linear in the text, by design.

RE2 has neither look-around nor references back to a group; it says so when asked for one. `\\d`,
`\\s`, `\\w` and `\\b` know ASCII alone, and the end of the text is `\\z`. Text, matches and
compiled size are bounded, so that linear is also soon.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Protocol

MAX_PATTERN = 1000
"""Longest pattern taken, in characters."""
MAX_TEXT = 1 << 16
"""Longest text that is searched, in characters; a program's output is cut to it."""
MAX_MATCHES = 256
"""Most matches taken from one text; each may look at all of it that is left."""
MAX_SIZE = 500
"""Most instructions a pattern may compile to. The slowest of RE2's ways visits them all at each
character, so that one search through the longest text takes at most a fifth of a second."""


class Match(Protocol):
    """What a pattern found."""

    def __getitem__(self, group: int | str) -> str | None: ...
    def groupdict(self) -> dict[str, str | None]: ...


def check(pattern: str) -> None:
    """Accept a pattern that RE2 takes within the limits; raises ValueError with the reason."""
    import re2

    if len(pattern) > MAX_PATTERN:
        raise ValueError(f"the regular expression is longer than {MAX_PATTERN} characters")
    try:
        size = _compiled(pattern).programsize
    except re2.error as error:
        said = error.args[0]
        reason = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
        raise ValueError(
            f"{pattern!r} is not a regular expression that RE2 takes: {reason}"
        ) from error
    except UnicodeEncodeError as error:
        raise ValueError(f"{pattern!r} is not text: it holds half a character") from error
    if size > MAX_SIZE:
        raise ValueError(
            f"{pattern!r} is too large: its repeats multiply to {size} steps, at most {MAX_SIZE} "
            "are taken"
        )


def groups(pattern: str) -> int:
    """Number of groups of a checked pattern."""
    return int(_compiled(pattern).groups)


def names(pattern: str) -> Mapping[str, int]:
    """Named groups of a checked pattern, with their numbers."""
    return dict(_compiled(pattern).groupindex)


def search(pattern: str, text: str) -> Match | None:
    """The first place in the text where a checked pattern matches."""
    found: Match | None = _compiled(pattern).search(_bounded(text))
    return found


def fullmatch(pattern: str, text: str) -> Match | None:
    """The match of a checked pattern with the whole text, which is short."""
    found: Match | None = _compiled(pattern).fullmatch(text) if len(text) <= MAX_TEXT else None
    return found


def matches(pattern: str, text: str) -> list[Match]:
    """Every match in the text, from left to right, at most `MAX_MATCHES`."""
    return list(islice(_compiled(pattern).finditer(_bounded(text)), MAX_MATCHES))


def escape(text: str) -> str:
    """A pattern that matches just this text."""
    import re2

    return str(re2.escape(text))


def _compiled(pattern: str) -> Any:
    """RE2's own object, which the package keeps; raises re2.error."""
    import re2  # by those alone who match: registering adapters' types does not

    options = re2.Options()
    options.log_errors = False
    return re2.compile(pattern, options)


def _bounded(text: str) -> str:
    """The beginning of the text, in characters that UTF-8 has."""
    return text[:MAX_TEXT].encode("utf-8", "replace").decode("utf-8")
