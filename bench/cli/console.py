"""The console all text is printed through; nothing that is not ours acts on a terminal."""

from __future__ import annotations

from collections.abc import Iterable

import rich.console
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from bench.language.plain import plain


class Console(rich.console.Console):
    """rich's console, but text holds no control characters when it is laid out.

    What moves the cursor or colours text is made by rich beside the text, after this. A `Text` is
    one line, so that foreign text cannot begin another; several lines are several of them.
    """

    def on_broken_pipe(self) -> None:
        """rich would end the program with 1, which is our code for a verdict that failed."""
        raise BrokenPipeError

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Segments of the renderable and of all in it; rich calls this for every part again."""
        if isinstance(renderable, Text) and (shown := plain(renderable.plain)) != renderable.plain:
            renderable = Text(
                shown,
                style=renderable.style,
                justify=renderable.justify,
                overflow=renderable.overflow,
                no_wrap=renderable.no_wrap,
                end=renderable.end,
            )
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield segment._replace(text=plain(segment.text, keep="\n"))
