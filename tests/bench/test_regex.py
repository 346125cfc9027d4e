"""Patterns that could run away are refused before they meet any text."""

from __future__ import annotations

import re
import time

import pytest

from bench import regex


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a*)*b",
        "(a|aa)+b",
        "(aa|aa)+b",
        "(a?){40}b",
        "(?:a{1,9}){20}b",
        r"(\w+\s?)*$",
        ".*.*x",
        "(.*)(.*)x",
        r"\s*\s*x",
        r"\d+[.]?\d*x",
        "a*(?:b*|c)a*x",
        ".*a.*b.*c.*d",
        r"[\s\S]*?a[^x]*b[\s\S]*c",
        r"(\d+) \1",
        r"(?P<a>x)(?(a)y|z)",
        "x" * 1001,
        "(",
        "[",
        "a{2,1}",
    ],
)
def test_refused(pattern):
    with pytest.raises(ValueError, match=r"regular expression|run away"):
        regex.check(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        r"Power +: ([\d.]+) W",
        r"(?m)^\| +0 +\S[^|\n]*\|[^\n]*\n[^\n]*",
        r"\|[^|\n]*\|[^|\n]*\|[^|\n]*\| (\d+)%",
        r"(?ms)^DEV ID 0$.*?(?=^DEV ID|\Z)",
        r"\d+(?:\.\d+)?",
        r"(?:\d{3})+",
        r"(?i)\bDCU\b|^K100",
    ],
)
def test_taken(pattern):
    regex.check(pattern)


def test_reason_names_the_pattern():
    with pytest.raises(ValueError, match=r"'\(a\+\)\+' could run away: a repeated group"):
        regex.check("(a+)+")


def test_what_is_refused_does_run_away_and_what_is_taken_does_not():
    started = time.perf_counter()
    re.search("(a+)+b", "a" * 20)
    bad = time.perf_counter() - started
    taken = ".*a.*b.*c"
    regex.check(taken)
    started = time.perf_counter()
    re.search(taken, "a" * 20)
    assert time.perf_counter() - started < bad
