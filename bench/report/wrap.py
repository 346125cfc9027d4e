"""Lines of a text for a width: broken at spaces and beside Chinese characters, not within words.

rich breaks at spaces alone, and a Chinese sentence has none: it would cut the names in it anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator

from rich.cells import get_character_cell_size
from rich.text import Text

_CLOSING = set("，。；：、）》？！％”’,.;:!?)]}%")
_OPENING = set("（《“‘([{")


def lines(text: Text, width: int) -> list[Text]:
    """The text in lines of at most `width` cells; a word longer than that is cut."""
    starts = [0]
    used, last_break = 0, 0
    plain = text.plain
    for at, character in enumerate(plain):
        if at and _may_break(plain[at - 1], character):
            last_break = at
        size = get_character_cell_size(character)
        while used + size > width and character != " ":  # a space may hang over: it is stripped
            begin = last_break if last_break > starts[-1] else at
            starts.append(begin)
            used = sum(map(get_character_cell_size, plain[begin:at]))
            if begin == at:
                break
        used += size
    found = list(text.divide(starts[1:]))
    for line in found:
        line.rstrip()
    return found


def longest_word(text: Text) -> int:
    """Cells of the longest part that is not broken: in no fewer can the text be shown whole."""
    return max(map(_cells, _words(text.plain)), default=0)


def _words(plain: str) -> Iterator[str]:
    start = 0
    for at in range(1, len(plain)):
        if _may_break(plain[at - 1], plain[at]):
            yield plain[start:at].rstrip()
            start = at
    yield plain[start:].rstrip()


def _cells(text: str) -> int:
    return sum(map(get_character_cell_size, text))


def _may_break(before: str, after: str) -> bool:
    """Whether a line may end between the two characters."""
    if after == " ":
        return False
    wide = get_character_cell_size(before) == 2 or get_character_cell_size(after) == 2
    return before == " " or (wide and before not in _OPENING and after not in _CLOSING)
