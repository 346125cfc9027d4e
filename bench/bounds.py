"""Numbers and texts as a results file may hold them: what its records' fields are made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any


class Bound:
    """Limits that pydantic holds a field to, by its own names for them.

    Its Field, or annotated_types, would make every command import them.
    """

    def __init__(self, **limits: float) -> None:
        self._limits = limits

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        """Called by pydantic alone: the schema of the bare type, with the limits."""
        return {**handler(source), **self._limits}


Text = Annotated[str, Bound(max_length=20_000)]
Name = Annotated[str, Bound(max_length=500)]
Count = Annotated[int, Bound(ge=0, lt=2**53)]
"""JSON's numbers are doubles (RFC 8785): a larger integer is another one to many readers."""
Amount = Annotated[float, Bound(ge=0)]
"""In the unit that the field's name ends with."""
Share = Annotated[float, Bound(ge=0, le=1)]


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
