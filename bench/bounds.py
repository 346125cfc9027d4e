"""Numbers and texts as a results file may hold them: what its records' fields are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from annotated_types import Ge, Le, Lt, MaxLen

Text = Annotated[str, MaxLen(20_000)]
Name = Annotated[str, MaxLen(500)]
Count = Annotated[int, Ge(0), Lt(2**53)]
"""JSON's numbers are doubles (RFC 8785): a larger integer is another one to many readers."""
Amount = Annotated[float, Ge(0)]
"""In the unit that the field's name ends with."""
Share = Annotated[float, Ge(0), Le(1)]


def fits(value: object) -> bool:
    """Whether a results file can hold what came from outside: every text is a Name and every
    number finite, not negative and below 2^53."""
    if isinstance(value, Mapping):
        return all(fits(key) and fits(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return all(map(fits, value))
    if isinstance(value, str):
        return len(value) <= 500
    return not isinstance(value, int | float) or 0 <= value < 2**53
