"""An adapter's tables name the ways to its devices; nothing else knows which backends there are."""

from __future__ import annotations

from dataclasses import fields

import pytest

from bench import registry
from bench.adapter import OF_A_BACKEND, Adapter
from bench.way import OnnxProvider, TorchPlugin, Way

PLUGIN = TorchPlugin("x", module="torch_x", remedy="install torch_x")
FIRST = OnnxProvider("First", "FirstExecutionProvider")
SECOND = OnnxProvider("Second", "SecondExecutionProvider", module="ort_second")
HOST = OnnxProvider("Host", "HostExecutionProvider", kind="cpu")


def adapter(plugin: TorchPlugin | None = None, *providers: OnnxProvider, own: str = "") -> Adapter:
    return Adapter("x", "X", "npu", torch=plugin, onnxruntime=providers, backend=own)


def test_tables_are_called_as_backends_are() -> None:
    tables = {one.name for one in fields(Adapter) if one.metadata == OF_A_BACKEND}
    assert tables and tables <= {*registry.backends()}


def test_each_table_is_a_way() -> None:
    assert adapter(PLUGIN, FIRST, SECOND, own="acme").ways() == (
        Way(
            "torch",
            "npu",
            module="torch_x",
            remedy="install torch_x",
            claims="rest",
            alone=True,
        ),
        Way("onnxruntime", "npu", option="First", also="FirstExecutionProvider"),
        Way(
            "onnxruntime",
            "npu",
            option="Second",
            also="SecondExecutionProvider",
            default=False,
            module="ort_second",
            alone=True,
        ),
        Way("acme", "npu", alone=True),
    )


def test_an_adapter_of_sensors_alone_names_no_way() -> None:
    assert adapter().ways() == ()


def test_a_plug_in_that_knows_names_claims_those() -> None:
    (way,) = adapter(TorchPlugin("cuda", names="^X")).ways()
    assert (way.claims, way.alone) == ("named", False)


def test_the_first_provider_needs_a_word_where_it_leads_to_another_kind() -> None:
    (way,) = adapter(None, HOST).ways()
    assert (way.kind, way.default, way.options) == ("cpu", False, {"Host": ""})


def test_what_is_the_default_needs_no_word() -> None:
    assert [way.options for way in adapter(None, FIRST, HOST).ways()] == [{}, {"Host": ""}]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_way_can_be_led_astray(place: int) -> None:
    """The adapter has nothing else of that backend then, so that nothing else can answer."""
    whole = adapter(PLUGIN, FIRST, SECOND)
    way = whole.ways()[place]
    lost = whole.astray(way, "nobody_has_this")
    assert lost is not None
    (left,) = (one for one in lost.ways() if one.backend == way.backend)
    assert left.option == way.option
    assert "nobody_has_this" in repr(getattr(lost, way.backend))


def test_a_backend_of_its_own_cannot_be_led_astray() -> None:
    whole = adapter(own="acme")
    assert whole.astray(whole.ways()[0], "nobody_has_this") is None
