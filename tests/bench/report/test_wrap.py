"""Lines end between words, in Chinese too, and nothing is lost."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

from bench.report import wrap

NAME = "resnet8/fp32/b1/single-stream/torch@cpu:0"


def lines(text: str, width: int) -> list[str]:
    return [line.plain for line in wrap.lines(Text(text), width)]


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("", 10, [""]),
        ("one two three", 7, ["one two", "three"]),
        ("one two three", 8, ["one two", "three"]),
        ("onetwothree", 4, ["onet", "woth", "ree"]),
        ("读不到功耗，请检查。", 10, ["读不到功", "耗，请检", "查。"]),
        ("最差的是 torch@cpu:0（50 倍）；请等", 16, ["最差的是", "torch@cpu:0（50", "倍）；请等"]),
        (f"波动（{NAME}）", 45, ["波动", f"（{NAME}）"]),
        ("甲、乙、丙", 5, ["甲、", "乙、", "丙"]),
    ],
)
def test_where_lines_end(text: str, width: int, expected: list[str]) -> None:
    assert lines(text, width) == expected


def test_colours_stay_where_they_were() -> None:
    text = Text("one ").append("two three", style="red")
    first, second = wrap.lines(text, 7)
    assert [span.style for span in first.spans] == [span.style for span in second.spans] == ["red"]


@example("1、1字、", 3)
@given(st.text(st.sampled_from("ab ，（）、字。1"), max_size=80), st.integers(2, 30))
def test_nothing_is_lost_or_too_wide(text: str, width: int) -> None:
    found = lines(text, width)
    assert "".join(found).replace(" ", "") == text.replace(" ", "")
    assert all(cell_len(line) <= width for line in found)
    longest = wrap.longest_word(Text(text))
    assert all(
        cell_len(line) <= longest for line in lines(text, max(longest, 1)) if " " not in line
    )
