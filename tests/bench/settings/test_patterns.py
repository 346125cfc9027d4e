"""Whatever the pattern and the text, matching ends soon; what RE2 cannot do is refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bench.settings import patterns

EXPLODING = ["(a+)+b", "(a*)*b", "(a|aa)+b", "(a?){40}b", r"(\w+\s?)*!", ".*.*.*.*x", "(x+x+)+y"]
"""Patterns on which a matcher that backtracks takes longer than the universe is old."""


@pytest.mark.parametrize("pattern", EXPLODING)
def test_patterns_that_explode_elsewhere_are_taken_and_end(pattern: str) -> None:
    patterns.check(pattern)
    for text in ("a" * patterns.MAX_TEXT, "a c" * patterns.MAX_TEXT, "é" * patterns.MAX_TEXT):
        assert patterns.search(pattern, text) is None
        assert patterns.matches(pattern, text) == []


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("(", r"^'\(' is not a regular expression that RE2 takes: missing \)"),
        ("(?=a)", r"RE2 takes: invalid perl operator"),
        ("(?<!a)b", r"RE2 takes: invalid perl operator"),
        (r"(\d+) \1", r"RE2 takes: invalid escape sequence"),
        (r"a\Z", r"RE2 takes: invalid escape sequence"),
        ("(a{1000}){1000}", r"RE2 takes: invalid repetition size"),
        ("(a{0,100}){10}b", r"is too large: its repeats multiply to \d+ steps, at most 500"),
        ("x" * 1001, r"longer than 1000 characters"),
        ("a\ud800", r"half a character"),
    ],
)
def test_refused_with_one_sentence(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        patterns.check(pattern)
    assert "\n" not in str(caught.value)


def test_no_line_of_the_matcher_lands_on_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match="missing"):
        patterns.check("(")
    assert capfd.readouterr().err == ""


def test_text_and_matches_are_bounded() -> None:
    assert patterns.search("b", "a" * patterns.MAX_TEXT + "b") is None
    assert patterns.fullmatch("(?s).*", "a" * patterns.MAX_TEXT + "b") is None
    assert len(patterns.matches("a", "a" * 5000)) == patterns.MAX_MATCHES


def test_groups_by_number_and_name() -> None:
    pattern = r"(?m)^(?P<index>\d+): (?P<name>\w+)?"
    assert patterns.groups(pattern) == 2
    assert patterns.names(pattern) == {"index": 1, "name": 2}
    one, two = patterns.matches(pattern, "0: 中\n1: K100\n")
    assert one.groupdict() == {"index": "0", "name": None}
    assert (two[1], two["name"]) == ("1", "K100")


def test_text_that_utf8_has_no_bytes_for_is_searched_too() -> None:
    found = patterns.search("b+", "\ud800bb")
    assert found is not None
    assert found[0] == "bb"


@pytest.mark.parametrize("text", ["1.5", "a|b", r"\d", "0000:c1:00.0", "卡 [0]\n"])
def test_what_is_escaped_matches_itself(text: str) -> None:
    pattern = patterns.escape(text)
    patterns.check(pattern)
    assert patterns.fullmatch(pattern, text)
    assert not patterns.fullmatch(pattern, text.replace(text[1], "x"))


@pytest.mark.parametrize("words", [["--help"], ["suites"], ["show", "--help"]])
def test_commands_that_read_no_adapter_do_not_load_the_matcher(words: list[str]) -> None:
    code = (
        "import sys, atexit\n"
        "atexit.register(lambda: print('re2' in sys.modules, file=sys.stderr))\n"
        f"sys.argv = ['hetbench', *{words!r}]\n"
        "from bench.cli import main\nmain()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(patterns.__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stderr == "False\n"
