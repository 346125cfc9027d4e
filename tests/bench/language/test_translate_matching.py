"""How a template is fitted to a text: every way, the shortest first, in bounded time."""

from __future__ import annotations

import re
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.language import translate as text
from bench.language.translate import Reader, Template, fill, split

# Text without braces, which is what surrounds and fills gaps; it holds what a regular expression,
# rich's markup or a terminal would take for instructions.
PIECE = st.text(st.one_of(st.sampled_from(list("ab .*+?()[]\\|^$/'\"%\n\t")), st.characters()))
LITERAL = PIECE.map(lambda piece: piece.replace("{", "").replace("}", ""))
TEMPLATES = st.lists(LITERAL, min_size=2, max_size=6).map("{}".join)


@given(TEMPLATES, st.data())
def test_what_a_template_makes_it_matches(template: str, data: st.DataObject) -> None:
    gaps = len(split(template)) - 1
    parts = data.draw(st.lists(PIECE, min_size=gaps, max_size=gaps))
    made = fill(template, parts)
    matched = list(islice(Template(split(template), "").matches(made), 50))
    assert matched
    assert [fill(template, one) for one in matched] == [made] * len(matched)


@given(TEMPLATES, PIECE)
def test_what_does_not_fit_is_not_matched(template: str, message: str) -> None:
    literals = split(template)
    matched = next(Template(literals, "").matches(message), None)
    expected = re.fullmatch("(?s:(.*?))".join(map(re.escape, literals)), message)
    assert matched == (list(expected.groups()) if expected else None)


@given(PIECE)
def test_gaps_are_taken_as_they_are(message: str) -> None:
    template = Template(split("<{}>"), "《{0}》{0}")
    assert list(template.matches(f"<{message}>")) == [[message]]
    assert fill(template.chinese, [message]) == f"《{message}》{message}"


def test_every_fit_is_found_the_shortest_first() -> None:
    template = Template(split("{} of {} of {}"), "")
    assert list(template.matches("a of b of c of d")) == [
        ["a", "b", "c of d"],
        ["a", "b of c", "d"],
        ["a of b", "c", "d"],
    ]


class Counted(str):
    """A text that counts how often it is searched."""

    searches = 0

    def find(self, *arguments: Any) -> int:
        Counted.searches += 1
        return super().find(*arguments)


@pytest.mark.parametrize("size", [50, 4000])
def test_the_searches_for_a_match_do_not_grow_with_the_text(size: int) -> None:
    template = Template(split("{} a {} a {} a {} a {} b {}"), "")
    message = Counted("x a " * size)
    Counted.searches = 0
    assert list(template.matches(message)) == []
    assert Counted.searches == 5
    fits = list(islice(template.matches(Counted(message + "b x")), 8))
    assert len(fits) == 8
    assert Counted.searches <= 5 + 8 * 6


UNITS = (
    "a",
    " is ",
    "cannot read ",
    "{",
    "; known: , ",
    "a; ",
    "x: ",
    " is not in : ;",
    "a of b: ",
)


def test_a_hostile_text_takes_a_bounded_number_of_steps() -> None:
    for unit in UNITS:
        reader = Reader()
        reader.read(unit * (text._LONGEST // len(unit)))
        assert reader.steps <= text._STEPS, unit
