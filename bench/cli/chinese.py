"""typer's own words in Chinese.

typer cannot be told them. But all the text of its help and usage errors is named in, or passes
through, a few variables of `typer.rich_utils`, which are set here, for a Chinese reader alone.
"""

from __future__ import annotations

import re

from rich.text import Text
from typer import rich_utils

from bench.language.translate import tr

STRINGS = {
    *("ARGUMENTS_PANEL_TITLE", "COMMANDS_PANEL_TITLE", "DEFAULT_STRING", "ERRORS_PANEL_TITLE"),
    *("OPTIONS_PANEL_TITLE", "REQUIRED_LONG_STRING", "RICH_HELP"),
}
"""Variables that hold a text; an older typer lacks some."""


METAVAR = re.compile("<[a-z ]+>|[A-Z]{2,}(?: RANGE)?")
"""What stands for a value or for words to come: <int range>, FILE, [OPTIONS]."""


class Highlighter(rich_utils.OptionHighlighter):
    """Translates what typer is about to print, and lets it break anywhere.

    Chinese has no spaces to break lines at, and typer cuts off what does not fit between two.
    """

    def __call__(self, text: str | Text) -> Text:
        """`text` as it is printed."""
        shown = super().__call__(_spoken(text))
        shown.overflow = "fold"
        return shown


class Types(rich_utils.TypesHighlighter):
    """Translates the column of what an option takes."""

    def __call__(self, text: str | Text) -> Text:
        """`text` as it is printed."""
        return super().__call__(_spoken(text))


def _spoken(text: str | Text) -> Text:
    if isinstance(text, str):
        text = Text(text)
    chinese = METAVAR.sub(lambda metavar: tr(metavar[0]), tr(text.plain))
    return Text(chinese, style=text.style, overflow=text.overflow)


def speak() -> None:
    """Make typer speak Chinese from here on."""
    for name in STRINGS & vars(rich_utils).keys():
        setattr(rich_utils, name, tr(getattr(rich_utils, name)))
    rich_utils.highlighter = Highlighter()
    rich_utils.types_highlighter = Types()
