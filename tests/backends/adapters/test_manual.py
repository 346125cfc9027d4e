"""The manual's example is a real adapter, and the manual leaves no key out."""

from __future__ import annotations

import dataclasses
import re
from typing import get_args

import pytest

from bench.adapter import GROUPS, Adapter, DeviceList, SensorSpec
from bench.devices import smi as listing
from bench.plugins import HOME
from bench.sensor import Quantity
from bench.settings import toml
from bench.way import OnnxProvider, TorchPlugin

MANUAL = (HOME / "docs" / "adapters.md").read_text("utf-8")
EXAMPLE = next(text for text in re.findall(r"```toml\n(.*?)```", MANUAL, re.DOTALL))


@pytest.fixture
def example(tmp_path):
    path = tmp_path / "acme.toml"
    path.write_text(EXAMPLE)
    return toml.load(Adapter, path)


def test_the_example_loads_and_is_short(example):
    lines = [x for x in EXAMPLE.splitlines() if x.strip() and not x.startswith("#")]
    assert len(lines) <= 25
    assert example.torch.module == "torch_acme"
    assert example.sensors[0].scale == {"memory_used_bytes": 1048576.0}


def test_the_examples_list_reads_what_it_describes(example):
    rows = listing.parse(example.lists, "Card 0: A1 (UUID: ab-1)\nCard 1: A1 (UUID: ab-2)\n")
    assert [(row.index, row.name, row.uuid) for row in rows] == [
        ("0", "A1", "ab-1"),
        ("1", "A1", "ab-2"),
    ]


@pytest.mark.parametrize("cls", [Adapter, TorchPlugin, OnnxProvider, DeviceList, SensorSpec])
def test_every_key_is_in_the_manual(cls):
    keys = {field.name for field in dataclasses.fields(cls)}
    assert {key for key in keys if not re.search(rf"`\[*{key}\b", MANUAL)} == set()


def test_every_quantity_and_group_is_in_the_manual():
    assert {word for word in (*get_args(Quantity), *GROUPS) if f"`{word}`" not in MANUAL} == set()
