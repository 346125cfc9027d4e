"""The digest of a value: the same in every process, and on every machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def digest(value: Any, digits: int) -> str:
    """The first hex digits of the SHA-256 of a JSON-able value; keys may stand in any order.

    Raises ValueError for NaN and infinity, TypeError for what is not JSON-able.
    """
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:digits]
