"""For tests that look at many things of one kind: a loop, which names every offender."""

from __future__ import annotations

from collections.abc import Iterable

import pytest


def assert_none(offenders: Iterable[object]) -> None:
    """Fail with each of them on a line of its own; a plain assertion would show the first few."""
    lines = [str(one) for one in offenders]
    if lines:
        pytest.fail("\n".join([f"{len(lines)} offenders:", *lines]), pytrace=False)
