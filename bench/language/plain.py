"""Text that is not ours, made safe to show: the one filter between it and a terminal or pipe.

A control character can repaint a terminal, a bidirectional one reorders what is read, an invisible
one hides a difference. Each is shown as its escape, such as `\\x1b` or `\\u202e`; so is a line end,
where text must not begin a line of its own.
"""

from __future__ import annotations

import re

_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0"
    "\U0001d159\U000e0100-\U000e01ef]"
)
"""Letters and marks that show nothing: what Unicode calls default ignorable but neither control nor
format (fillers, variation selectors), the empty Braille pattern and the empty note head."""
_SPACE = "\u3000"
"""The ideographic space of Chinese text."""


def plain(text: str, keep: str = "") -> str:
    """`text` with every character that does not just show itself as its escape.

    These are all that Unicode calls other or separator (controls, formats, surrogates, unassigned,
    line and paragraph separators, spaces unlike the usual), but for the ideographic space and what
    is in `keep`, and letters that show nothing.
    """
    if not text.isprintable():
        kept = _SPACE + keep
        text = "".join(c if c.isprintable() or c in kept else _escape(c) for c in text)
    return text if text.isascii() else _INVISIBLE.sub(lambda match: _escape(match[0]), text)


def short(text: str, most: int = 200) -> str:
    """The text as one plain line of at most `most` characters, and `...` where it is longer."""
    shown = plain(text[: most + 1])
    return shown if len(shown) <= most else f"{shown[:most]}..."


def first_line(error: BaseException | str, most: int = 500) -> str:
    """What an error says in its first line that is not empty, or its type where it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return short(next(filter(None, lines), type(error).__name__), most)


def _escape(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")
