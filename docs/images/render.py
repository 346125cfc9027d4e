"""Makes the README's pictures from what the command really prints.

python docs/images/render.py          writes run.svg and run.zh.svg beside this file
python docs/images/render.py --check  exits with 1 if they are not what it would write
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from html import escape
from pathlib import Path

from rich.cells import cell_len
from rich.color import Color
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import MONOKAI
from rich.text import Text

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
FILE = "results/reference/epyc-2-cores-quick.json"
PICTURES = {"run.svg": "en", "run.zh.svg": "zh"}
WIDTH = 100
CELL, LINE, BASE, MARGIN = 8.4, 18, 13, 14
"""Pixels: width of a cell at 14 pixels a letter, height of a line, from its top to the foot of its
letters, space around the text."""
CONSOLE = Console()
FONTS = "'DejaVu Sans Mono', Menlo, Consolas, 'Noto Sans Mono CJK SC', 'Microsoft YaHei', monospace"


def printed(language: str) -> str:
    """What the command prints in a colour terminal of the width."""
    env = {
        **os.environ,
        "COLUMNS": str(WIDTH),
        "FORCE_COLOR": "1",
        "TERM": "xterm-256color",
        "HETBENCH_LANG": language,
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", "bench.cli", "show", FILE]
    done = subprocess.run(command, cwd=ROOT, env=env, check=True, stdout=subprocess.PIPE)
    return done.stdout.decode()


def svg(ansi: str) -> str:
    """A picture of the text. Every word has its place and length given, so that columns
    stand level whatever font the reader has; a Chinese character takes two cells."""
    lines = Text.from_ansi(ansi).split("\n")
    while lines and not lines[-1].plain.strip():
        lines.pop()
    width, height = WIDTH * CELL + 2 * MARGIN, len(lines) * LINE + 2 * MARGIN
    body = "\n".join(
        text for number, line in enumerate(lines) for text in _words(line, MARGIN + LINE * number)
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:g} {height:g}" '
        f'font-family="{FONTS}" font-size="14" xml:space="preserve">\n'
        f'<rect width="100%" height="100%" rx="6" fill="{MONOKAI.background_color.hex}"/>\n'
        f"{body}\n</svg>\n"
    )


def _words(line: Text, top: float) -> Iterator[str]:
    """The words of a line, each at its own cell."""
    cell = 0
    for text, style, _ in line.render(CONSOLE, end=""):
        for piece in _pieces(text):
            size = cell_len(piece)
            if piece.strip():
                place = f'x="{MARGIN + cell * CELL:g}" y="{top + BASE}"'
                length = f'textLength="{size * CELL:g}"'
                yield f"<text {place} {length}{_look(style)}>{escape(piece)}</text>"
            cell += size


def _pieces(text: str) -> Iterator[str]:
    """The text in words and the spaces between them."""
    start = 0
    for place in range(1, len(text) + 1):
        if place == len(text) or (text[place] == " ") != (text[place - 1] == " "):
            yield text[start:place]
            start = place


def _look(style: Style | None) -> str:
    chosen = style or Style()
    color = chosen.color or Color.default()
    look = f' fill="{color.get_truecolor(MONOKAI).hex}"'
    if chosen.bold:
        look += ' font-weight="bold"'
    return look + (' opacity="0.6"' if chosen.dim else "")


def main(check: bool) -> int:
    """Write the pictures, or say which are stale."""
    stale = []
    for name, language in PICTURES.items():
        made = svg(printed(language))
        path = HERE / name
        if not check:
            path.write_text(made, "utf-8")
        elif not path.is_file() or path.read_text("utf-8") != made:
            stale.append(name)
    if stale:
        sys.stderr.write(f"stale, make them anew: {', '.join(stale)}\n")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv[1:]))
