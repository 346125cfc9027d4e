"""Numbers and texts as a results file may hold them: what its records' fields are made of."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Ge, Le, Lt, MaxLen

Text = Annotated[str, MaxLen(20_000)]
Name = Annotated[str, MaxLen(500)]
Count = Annotated[int, Ge(0), Lt(2**53)]
"""JSON's numbers are doubles (RFC 8785): a larger integer is another one to many readers."""
Amount = Annotated[float, Ge(0)]
"""In the unit that the field's name ends with."""
Share = Annotated[float, Ge(0), Le(1)]
