"""Settings files are read strictly: every refusal names file, line and key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytest

from bench.errors import RefusedInput
from bench.settings import toml


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
