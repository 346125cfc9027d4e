"""typer's own words in Chinese.

typer cannot be told them. But all the text of its help and usage errors is named in, or passes
through, a few variables of `typer.rich_utils`, which are set here, for a Chinese reader alone.
"""

from __future__ import annotations

from rich.text import Text
from typer import rich_utils

from bench.text import tr

STRINGS = {
    *("ARGUMENTS_PANEL_TITLE", "COMMANDS_PANEL_TITLE", "DEFAULT_STRING", "ERRORS_PANEL_TITLE"),
    *("OPTIONS_PANEL_TITLE", "REQUIRED_LONG_STRING", "RICH_HELP"),
}
"""Variables that hold a text; an older typer lacks some."""


class Highlighter(rich_utils.OptionHighlighter):
    """Translates what typer is about to print, and lets it break anywhere.

    Chinese has no spaces to break lines at, and typer cuts off what does not fit between two.
    """

    def __call__(self, text: str | Text) -> Text:
        """`text` as it is printed."""
        if isinstance(text, str):
            text = Text(text)
        if (chinese := tr(text.plain)) != text.plain:
            text = Text(chinese, style=text.style)
        shown = super().__call__(text)
        shown.overflow = "fold"
        return shown


def speak() -> None:
    """Make typer speak Chinese from here on."""
    for name in STRINGS & vars(rich_utils).keys():
        setattr(rich_utils, name, tr(getattr(rich_utils, name)))
    rich_utils.highlighter = Highlighter()
