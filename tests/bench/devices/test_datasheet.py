"""Datasheet limits: which device has which, and what a file must not say."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import registry
from bench.device import Device
from bench.devices import datasheet
from bench.errors import RefusedInput


def device(name: str) -> Device:
    return Device("cuda:0", "cuda", 0, name)


@pytest.mark.parametrize(
    ("name", "precision", "teraflops", "watts"),
    [
        ("NVIDIA H100 80GB HBM3", "bf16", 989.4, 700),
        ("NVIDIA H100 80GB HBM3 MIG 1g.10gb", "bf16", 989.4, 700),
        ("NVIDIA H200", "fp32", 67, 700),
        ("NVIDIA A100-SXM4-80GB", "tf32", 156, 400),
        ("NVIDIA A100-SXM4-40GB", "int8", 624, 400),
        ("NVIDIA A100 80GB PCIe", "fp16", 312, 300),
        ("NVIDIA L40S", "fp16", 366.5, 350),
        ("Ascend910B3", "fp16", 313.5, None),
        ("Ascend910B4", "bf16", 280.5, None),
        ("Ascend910_9392", "bf16", 376.5, None),
        ("MTT S4000", "int8", 200, 450),
        ("MLU370-X8", "fp16", 96, 250),
    ],
)
def test_limits(name: str, precision: str, teraflops: float, watts: float | None) -> None:
    sheet = datasheet.find(device(name))
    assert sheet is not None
    assert sheet.peak_flops[precision] == pytest.approx(teraflops * 1e12)
    assert sheet.board_power_w == watts


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA H100 PCIe",
        "NVIDIA H100 NVL",
        "NVIDIA H200 NVL",
        "NVIDIA L40",
        "NVIDIA GeForce RTX 4090 D",
        "NVIDIA GeForce RTX 4090 Laptop GPU",
        "Ascend910B2C",
        "Ascend910A",
        "MLU370-X4",
        "",
    ],
)
def test_a_sister_has_no_limit_of_its_own(name: str) -> None:
    assert datasheet.find(device(name)) is None
    peak, reason = datasheet.peak_flops(device(name), "fp32")
    assert peak is None
    assert "no datasheet" in reason


def test_a_precision_without_a_source_is_said_so() -> None:
    peak, reason = datasheet.peak_flops(device("Ascend910B3"), "fp32")
    assert peak is None
    assert "gives no fp32 peak" in reason


def test_the_simulated_device_plays_its_datasheet() -> None:
    backend = registry.backend("simulated")(registry.adapters()["simulated"], {})
    one = backend.devices()[0]
    sheet = datasheet.find(one)
    assert sheet is not None
    assert set(sheet.peak_flops.values()) == {float(one.properties["peak_flops"])}


def test_names_are_distinct_and_figures_are_in_order() -> None:
    sheets = datasheet.shipped()
    assert len({sheet.name for sheet in sheets}) == len(sheets)
    for sheet in sheets:
        peaks = [sheet.peak_flops[p] for p in ("fp32", "fp16", "int8") if p in sheet.peak_flops]
        assert peaks == sorted(peaks)


def test_two_that_claim_one_device_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    twice = tuple(datasheet.Datasheet(name, "Acme", "A.*") for name in ("A1", "A2"))
    monkeypatch.setattr(datasheet, "shipped", lambda: twice)
    with pytest.raises(RefusedInput, match="A1 and A2"):
        datasheet.find(device("A1"))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('[[device]]\nname = "x"\nvendor = "x"', "'match' is missing"),
        ('[[device]]\nname = "x"\nvendor = "x"\nmatch = "("', "not a regular expression"),
        (
            '[[device]]\nname = "x"\nvendor = "x"\nmatch = "(?=a)"',
            "not a regular expression that RE2",
        ),
        (
            '[[device]]\nname = "x"\nvendor = "x"\nmatch = "x"\npeak_flops = { fp7 = 1 }',
            "'fp7' is no precision",
        ),
        (
            '[[device]]\nname = "x"\nvendor = "x"\nmatch = "x"\nboard_power_w = 0',
            "must be above 0",
        ),
        (
            '[[device]]\nname = "x"\nvendor = "x"\nmatch = "x"\nboard_power_w = nan',
            "must be above 0",
        ),
        ('[device]\nname = "x"', "two brackets"),
        ("[[devices]]", "unknown key"),
    ],
)
def test_refused(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(RefusedInput, match=says):
        datasheet.load(path)
