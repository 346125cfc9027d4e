"""The helper of loops: every offender is named."""

from __future__ import annotations

import pytest

from tests.offenders import assert_none


def test_every_offender_is_named() -> None:
    with pytest.raises(pytest.fail.Exception) as failure:
        assert_none(f"file {number}" for number in range(100))
    assert str(failure.value).splitlines() == [
        "100 offenders:",
        *(f"file {number}" for number in range(100)),
    ]


def test_none_is_no_failure() -> None:
    assert_none([])
