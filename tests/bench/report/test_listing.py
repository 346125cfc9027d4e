"""A plain table is readable whatever the width."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench.report.listing import Listing

ROWS = [
    ("resnet8", "image classification (CIFAR-10)", "image 3x32x32", "-"),
    ("minilm-l6", "sentence embedding", "input_ids 128, attention_mask 128", "sequence 8 to 512"),
]


def shown(width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width)
    console.print(Listing(["model", "task", "inputs", "axes"], ROWS))
    file = console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def test_a_wide_one_has_a_line_a_row() -> None:
    header, *rows = shown(120)
    assert header.split() == ["model", "task", "inputs", "axes"]
    assert [row.split("  ")[0] for row in rows] == ["resnet8", "minilm-l6"]


def test_a_narrower_one_is_wrapped_between_words() -> None:
    lines = shown(90)
    assert len(lines) == 5 and max(map(len, lines)) <= 90
    assert [line.split() for line in lines[1:3]] == [
        ["resnet8", "image", "classification", "image", "3x32x32", "-"],
        ["(CIFAR-10)"],
    ]


def test_a_narrow_one_is_paragraphs() -> None:
    assert shown(60) == [
        "resnet8",
        "  task: image classification (CIFAR-10)",
        "  inputs: image 3x32x32",
        "minilm-l6",
        "  task: sentence embedding",
        "  inputs: input_ids 128, attention_mask 128",
        "  axes: sequence 8 to 512",
    ]


@pytest.mark.parametrize("width", range(40, 140, 9))
def test_no_word_is_cut(width: int) -> None:
    text = "\n".join(shown(width))
    words = {word for row in ROWS for cell in row for word in cell.split() if word != "-"}
    assert words <= set(text.split())
    assert all(len(line) <= width for line in text.splitlines())
