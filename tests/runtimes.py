"""Which optional runtimes have a device on this machine, asked of the probe that users ask."""

from __future__ import annotations

import functools

from bench import registry
from bench.devices import discover
from bench.errors import Unavailable
from bench.target import Target


@functools.cache
def unavailable(target: str) -> str | None:
    """Why a target has no device here, in the words of `hetbench run`; None when it has one.

    Raises UsageError for what is no target: a misspelt one must not look absent.
    """
    try:
        discover.resolve([Target.parse(target)], registry.adapters().values())
    except Unavailable as error:
        return str(error)
    return None
