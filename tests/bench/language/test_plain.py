"""Every character that does anything but show itself is shown as its escape."""

from __future__ import annotations

import sys

import pytest

from bench.language.plain import first_line, plain, short


@pytest.mark.parametrize(
    "character",
    [
        *map(chr, [0, 7, 8, 9, 10, 13, 0x1B, 0x7F, 0x80, 0x85, 0x9B, 0x9D]),  # C0, DEL, C1
        *"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",  # bidi
        *"\xad\u200b\u200c\u200d\u2060\u2028\u2029\ufeff\xa0",  # invisible, line ends
        *"\u034f\u115f\u1160\u17b4\u17b5\u180b\u180f\u2800\u3164\ufe00\ufe0f\uffa0\U000e0100\U000e01ef",
        *"\U000e0001\U000e0041\U000e007f",  # tags
        "\ud800",
        "\udcff",
    ],
)
def test_shown_as_its_escape(character: str) -> None:
    shown = plain(f"a{character}b")
    assert shown.isascii()
    assert shown.isprintable()
    assert shown.encode().decode("unicode_escape") == f"a{character}b"


def test_no_character_at_all_gets_through_but_what_shows_itself() -> None:
    everything = "".join(map(chr, range(sys.maxunicode + 1)))
    shown = plain(everything)
    assert {c for c in shown if not c.isprintable()} == {"\u3000"}
    assert plain(shown) == shown
    shown.encode("utf-8")  # no surrogate is left


@pytest.mark.parametrize(
    "text", ["", "ok", "延迟 1.5 ms，功耗\u3000未知", "é ö ☃ 🙂", r"a\b [red]"]
)
def test_other_text_stays_as_it_is(text: str) -> None:
    assert plain(text) == text


def test_what_is_kept() -> None:
    assert plain("a\tb\nc\rd", keep="\n\t") == "a\tb\nc\\rd"


def test_short() -> None:
    assert short("abcdef", 6) == "abcdef"
    assert short("abcdefg", 6) == "abcdef..."
    assert short("ab\x1b", 6) == r"ab\x1b"
    assert short("abc\x1bdef", 5) == r"abc\x..."


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("\n \none\ntwo"), "one"),
        (ValueError(), "ValueError"),
        (ValueError("\n"), "ValueError"),
        (ValueError("a\x1b[2Jb\x85c"), r"a\x1b[2Jb"),
        (ValueError("x" * 600), "x" * 500 + "..."),
    ],
)
def test_first_line(error: Exception, said: str) -> None:
    assert first_line(error) == said
