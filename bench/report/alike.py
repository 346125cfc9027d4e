"""Sentences that differ in their figures alone, as one that says the range."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

_FIGURE = re.compile(
    r"(?<![\w.:@/-])(?<!code )(?<!error )(?<!signal )[+-]?\d+(?:\.\d+)?(?![\w:@/-]|\.\d)"
)
"""A number that stands for itself: not a part of a name such as `npu:0`, and no code of an error,
of which there is no range."""


def together(pairs: Iterable[tuple[str, str | None]]) -> Iterator[tuple[str, list[str]]]:
    """(sentence, name) by sentence, with the names of all it is said of, each once.

    `took 3 s` and `took 5 s` are the sentence `took 3-5 s`.
    """
    found: dict[tuple[str, ...], list[tuple[str, str | None]]] = {}
    for text, name in pairs:
        found.setdefault(tuple(_FIGURE.split(text)), []).append((text, name))
    for words, said in found.items():
        columns = zip(*(_FIGURE.findall(text) for text, _ in said), strict=True)
        figures = [*map(_range, columns), ""]
        whole = "".join(word + figure for word, figure in zip(words, figures, strict=True))
        yield whole, list(dict.fromkeys(name for _, name in said if name))


def _range(figures: tuple[str, ...]) -> str:
    least, most = min(figures, key=float), max(figures, key=float)
    if float(least) == float(most):
        return least
    return f"{least}-{most}" if least[0].isdigit() else f"{least} to {most}"
