"""Memory is bounded for as long as what others made is read."""

from __future__ import annotations

import resource

import numpy as np
import pytest

from bench.system import memory

MIB = 1 << 20


def test_an_allocation_beyond_the_bound_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: 256 * MIB)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.bounded():
        np.empty(64 * MIB, np.uint8)
        with pytest.raises(MemoryError):
            np.empty(512 * MIB, np.uint8)
    np.empty(512 * MIB, np.uint8)
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_a_limit_that_is_lower_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    monkeypatch.setattr(memory, "free_bytes", lambda: 1 << 60)
    resource.setrlimit(resource.RLIMIT_DATA, (1 << 40, hard))
    try:
        with memory.bounded():
            assert resource.getrlimit(resource.RLIMIT_DATA)[0] == 1 << 40
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))


def test_without_a_word_of_the_system_nothing_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda: None)
    before = resource.getrlimit(resource.RLIMIT_DATA)
    with memory.bounded():
        assert resource.getrlimit(resource.RLIMIT_DATA) == before
