"""Settings files are read strictly: every refusal names file, line and key."""

from __future__ import annotations

import os
import tracemalloc
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

from bench.errors import RefusedInput
from bench.settings import bounded, toml


@dataclass(frozen=True)
class Part:
    size: int
    unit: Literal["W", "J"] = "W"


@dataclass(frozen=True)
class Thing:
    name: str
    rate: float = 1.0
    words: tuple[str, ...] = ()
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    table: Mapping[str, str] = field(default_factory=dict)
    flag: bool = False

    def __post_init__(self) -> None:
        if self.name == "bad":
            raise ValueError("the name is bad")


@pytest.fixture
def load(tmp_path):
    def read(text):
        path = tmp_path / "thing.toml"
        path.write_text(text)
        return toml.load(Thing, path)

    return read


def test_everything_is_read(load):
    thing = load(
        'name = "a"\nrate = 2\nwords = ["x", "y"]\nflag = true\n[part]\nsize = 1\n'
        '[[parts]]\nsize = 2\nunit = "J"\n[table]\nk = "v"\n'
    )
    assert thing == Thing("a", 2.0, ("x", "y"), Part(1), (Part(2, "J"),), {"k": "v"}, True)
    assert isinstance(thing.rate, float)


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ('name = "a"\nnmae = "b"', 2, "nmae: unknown key; did you mean 'name'"),
        ('name = "a"\nzzzzzz = 1', 2, "unknown key; known: name, rate"),
        ("rate = 1.0", 1, "the key 'name' is missing"),
        ("name = 3", 1, "3 is not of type str"),
        ('name = "a"\nflag = 1', 2, "1 is not of type bool"),
        ('name = "a"\nrate = true', 2, "True is not of type float"),
        ('name = "a"\nwords = "x"', 2, "'x' is not a list"),
        ('name = "a"\nwords = ["x", 1]', 2, "1 is not of type str"),
        ('name = "a"\npart = 1', 2, "1 is not a table"),
        ('name = "a"\n\n[part]\nsize = "big"', 4, "part.size: 'big' is not of type int"),
        ('name = "a"\n[part]\nsize = 1\nunit = "V"', 4, "'V' is none of W, J"),
        ('name = "a"\n[part]\nunit = "W"', 2, "the key 'size' is missing"),
        ('name = "a"\n[[parts]]\nsize = 1\n[[parts]]\nsize = "x"', 5, "parts.1.size"),
        ('name = "a"\n[table]\nk = 1', 3, "table.k: 1 is not of type str"),
        ('\n\nname = "bad"', 1, "the name is bad"),
    ],
)
def test_refusals_name_line_and_key(load, text, line, said):
    with pytest.raises(RefusedInput) as refused:
        load(text)
    assert f"thing.toml:{line}: " in str(refused.value)
    assert said in str(refused.value)


def test_broken_toml(load):
    with pytest.raises(RefusedInput, match="is not valid TOML"):
        load("name = ")


def test_not_text(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RefusedInput, match="is not valid TOML"):
        toml.read(path)


@pytest.mark.parametrize(
    "number",
    ["9" * 5000, "9" * 400, "-9223372036854775809", "9223372036854775808", "0x1" + "0" * 5000],
)
@pytest.mark.parametrize("text", ["a = {}", "[[b.c]]\nd = [[1, {{ e = {} }}]]"])
def test_integers_that_are_too_large(tmp_path, number, text):
    path = tmp_path / "x.toml"
    path.write_text(text.format(number))
    with pytest.raises(RefusedInput, match=r"is not valid TOML: .*(64 bits|digits)"):
        toml.read(path)


def test_integers_of_64_bits_are_taken(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("a = 9223372036854775807\nb = -9223372036854775808")
    assert toml.read(path) == {"a": 2**63 - 1, "b": -(2**63)}


def test_a_byte_order_mark(tmp_path):
    path = tmp_path / "x.toml"
    path.write_bytes(b"\xef\xbb\xbfa = 1\r\n")
    assert toml.read(path) == {"a": 1}
    path.write_text("a = 1", encoding="utf-16")
    with pytest.raises(RefusedInput, match="is not valid TOML"):
        toml.read(path)


def test_nested_too_deep(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("a = " + "[" * 100_000)
    with pytest.raises(RefusedInput, match="is not valid TOML"):
        toml.read(path)


def test_too_large(tmp_path):
    path = tmp_path / "x.toml"
    path.write_text("#" * (toml.MAX_BYTES + 1))
    with pytest.raises(RefusedInput, match="is larger than"):
        toml.read(path)


def test_absent(tmp_path):
    with pytest.raises(RefusedInput, match="cannot read"):
        toml.read(tmp_path / "no.toml")


def test_a_line_of_spaces_is_no_work(load):
    """A pattern that looked for a header's name took the cube of their number: hours for these."""
    spaces = " " * 20_000
    with pytest.raises(RefusedInput, match=r"thing\.toml:4: oddity: unknown key"):
        load(f'name = """\n[{spaces}\n"""\noddity = 1\n')


def test_keys_of_very_many_parts_are_refused(load):
    with pytest.raises(RefusedInput, match="a line has more than 100 dots"):
        load(".".join("a" * 16_000) + " = 1\n")
    with pytest.raises(RefusedInput, match="unknown key"):
        load(".".join("a" * 50) + " = 1\n")


def test_what_would_be_waited_for_is_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe.toml")
    with pytest.raises(RefusedInput, match=r"cannot read .*pipe\.toml: it is not a regular file"):
        toml.load(Thing, tmp_path / "pipe.toml")
    with pytest.raises(RefusedInput, match="it is not a regular file"):
        toml.load(Thing, Path("/dev/zero"))


def test_a_small_file_takes_little_memory_whatever_may_be_read(tmp_path):
    path = tmp_path / "small"
    path.write_bytes(b"x" * 100)
    tracemalloc.start()
    try:
        assert bounded.read(path, 1 << 30) == b"x" * 100
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
        assert len(bounded.read(path, 9)) == 10  # one more, which tells that it is too large
    finally:
        tracemalloc.stop()


def test_a_number_that_no_float_holds_is_refused_also_from_another_process() -> None:
    with pytest.raises(RefusedInput, match="larger than a float can be"):
        toml.convert(Thing, {"name": "a", "rate": 10**400}, Path("a child's answer"))
