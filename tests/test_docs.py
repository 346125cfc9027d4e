"""What the pages on suites and on models of one's own say is so, in both languages."""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import MISSING, Field, fields
from pathlib import Path

import pytest

from bench import registry, scenarios, sensors
from bench.adapter import Adapter
from bench.device import Device
from bench.devices import matching
from bench.runner import suites
from bench.settings import toml
from bench.suite import BOUNDS, Group, Measure, Suite
from bench.target import Target
from bench.way import TorchPlugin
from tests.conftest import Cli

DOCS = Path(__file__).parents[1] / "docs"


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of one language in a page."""
    text = (DOCS / page).read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


@pytest.mark.parametrize("page", ["suites.md", "suites.zh-CN.md"])
def test_the_suites_shown_are_suites(tmp_path: Path, page: str) -> None:
    shown = blocks(page, "toml")
    assert len(shown) == 2
    for text in shown:
        path = tmp_path / "shown.toml"
        path.write_text(text, "utf-8")
        assert suites.cases(suites.load(str(path)), ["onnxruntime@cpu:0"])


@pytest.mark.parametrize("page", ["suites.md", "suites.zh-CN.md"])
def test_every_key_of_a_suite_is_told_with_its_default(page: str) -> None:
    text = (DOCS / page).read_text("utf-8")
    rows = dict(re.findall(r"^\| (.+?) \| (.+?) \|", text, re.MULTILINE))
    told = {name: row for names, row in rows.items() for name in re.findall(r"`(\w+)`", names)}
    known: list[Field[object]] = [*fields(Suite), *fields(Group), *fields(Measure)]
    for field in known:
        default = told.pop(field.name)
        if field.default_factory is not MISSING:
            own = f"`[{field.name}]`" in text  # a table of its own
            assert default in (("below", "见下") if own else ("`{}`",)), field.name
        elif field.default is MISSING:
            assert default in ("needed", "必需"), field.name
        else:
            shown = str(field.default).replace("(", "[").replace(",)", "]").replace(")", "]")
            assert default.strip("`") == shown.replace("'", '"').removesuffix(".0") or (
                default == '`""`' and field.default == ""
            ), field.name
    stated = re.findall(r"^\| `([\w-]+)` \| `(\w+)` \| (\S+) \|", text, re.MULTILINE)
    assert {(scenario, option): float(default) for scenario, option, default in stated} == {
        (name, field.name): float(str(field.default))
        for name in scenarios.names()
        for field in fields(scenarios.get(name).options)
        if field.name != "trials" or field.default
    }
    listed = next(line for line in text.splitlines() if line.startswith("| `scenarios`"))
    assert set(scenarios.names()) <= set(re.findall(r"`([\w-]+)`", listed))
    told = {name: row for name, row in told.items() if name not in scenarios.names()}
    assert {name: float(width) for name, width in told.items()} | {"*": 0.3} == BOUNDS
    assert rows["`*`"] == "0.3"


@pytest.mark.parametrize("page", ["own-model.md", "own-model.zh-CN.md"])
def test_the_adapter_of_a_jetson_reads_its_rails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    chip = tmp_path / "hwmon" / "hwmon3"
    chip.mkdir(parents=True)
    for name, text in {
        "name": "ina3221",
        "in1_label": "VDD_IN",
        "in1_input": "4920",
        "curr1_input": "1830",
        "in2_label": "VDD_CPU",
        "in2_input": "4900",
        "curr2_input": "300",
    }.items():
        (chip / name).write_text(text + "\n")
    program = next(text for text in blocks(page, "sh") if text.startswith("#!"))
    path = tmp_path / "jetson-power"
    path.write_text(program, "utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("HWMON", str(tmp_path / "hwmon"))
    done = subprocess.run([path, "VDD_CPU"], capture_output=True, text=True, check=True)
    assert done.stdout == "power 1470 mW\n"
    (text,) = blocks(page, "toml")
    (tmp_path / "jetson.toml").write_text(text, "utf-8")
    adapter = toml.load(Adapter, tmp_path / "jetson.toml")
    assert adapter.name in registry.adapters()  # in whose place it comes
    sensor = sensors.make(adapter.sensors[0], Device("cuda:0", "cuda", 0, "Orin"))
    assert sensor.probe().reason is None
    assert sensor.read().values == {"power_w": pytest.approx(9.003)}


def test_the_layout_tells_every_folder_of_bench() -> None:
    text = (DOCS.parent / "CONTRIBUTING.md").read_text("utf-8")
    told = re.findall(r"^\| `(\w+)/` \|", text.partition("| folder of `bench/`")[2], re.MULTILINE)
    folders = [path.parent.name for path in DOCS.parent.glob("bench/*/__init__.py")]
    assert sorted(told) == sorted(folders)


def test_every_target_shown_is_one_that_can_be(cli: Cli) -> None:
    """Here or not: what the pages write is never answered as a mistake of the person."""
    shown = set()
    for page in (*DOCS.parent.glob("README*.md"), *DOCS.glob("*.md")):
        text = page.read_text("utf-8")
        shown |= set(re.findall(r"\b(?:torch|onnxruntime)(?:\+\w+)*@\w+:\d+", text))
    assert "onnxruntime+TensorRT@cuda:0" in shown
    adapters = [
        *registry.adapters().values(),
        Adapter("acme", "A", "acme", torch=TorchPlugin("acme")),
    ]
    for one in shown:
        assert matching.meant(Target.parse(one), adapters)
    options = [word for one in sorted(shown) if "+" in one for word in ("-t", one)]
    done = cli("run", "smoke", "--dry-run", *options)
    assert done.returncode in (0, 5), done.stderr
