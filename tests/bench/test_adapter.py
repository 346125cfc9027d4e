"""Adapters are validated when they are read, and filled in for one device when they are used."""

from __future__ import annotations

import re

import pytest

from bench.adapter import Adapter, fill, fill_pattern
from bench.device import Device
from bench.errors import RefusedInput
from bench.settings import toml

HEAD = 'name = "x"\nvendor = "X"\nkind = "x"\n'


@pytest.fixture
def load(tmp_path):
    def read(text, head=HEAD):
        path = tmp_path / "x.toml"
        path.write_text(head + text)
        return toml.load(Adapter, path)

    return read


def test_the_least_adapter(load):
    adapter = load('[torch]\ndevice = "x"')
    assert (adapter.kind, adapter.torch.device, adapter.sensors) == ("x", "x", ())


COMMAND = '[[sensors]]\nkind = "command"\ncommand = ["x"]\n'
LIST = '[lists]\ncommand = ["x"]\n'
PROVIDER = '[[onnxruntime]]\nname = "X"\nprovider = "XExecutionProvider"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[torch]\ndevice = "X Y"', "torch: 'X Y' is not usable as a torch device type"),
        ('[torch]\ndevice = "x"\nmodule = "os; import x"', "not usable as a dotted module name"),
        ('[torch]\ndevice = "x"\nmodule = "../x"', "not usable as a dotted module name"),
        ('[torch]\ndevice = "x"\nnames = "(?=a)b"', "not a regular expression that RE2 takes"),
        ('[torch]\ndevice = "x"\nnames = "("', "is not a regular expression"),
        (PROVIDER + 'module = "a b"', "not usable as a dotted module name"),
        (PROVIDER + 'library = "f()"', "not usable as the name of a function"),
        (PROVIDER + 'precisions = ["fp7"]', "'fp7' is no precision; known: fp32"),
        (PROVIDER + 'options.a = "{secret}"', "'secret' is no placeholder; known: index, module"),
        (PROVIDER + 'kind = "A B"', "not usable as a kind of device"),
        ('[[sensors]]\nkind = "a/b"', "not usable as a kind of sensor"),
        ('[[sensors]]\nkind = "command"', "needs both"),
        ('[[sensors]]\nkind = "nvml"\ncommand = ["x"]\npatterns.power_w = "(1)"', "belong to"),
        (COMMAND, "needs both"),
        (COMMAND + 'patterns.watts = "(1)"', "'watts' is no quantity; known: energy_j"),
        (COMMAND + 'patterns.power_w = "1"', "has no group for the number"),
        (COMMAND + 'patterns.power_w = "((a{1,9}){30})"', "is too large"),
        (COMMAND + 'patterns.power_w = "{slot}(1)"', "'slot' is no placeholder"),
        (
            COMMAND + """patterns.power_w = "(1)"\nselect = '(a)\\1'""",
            "not a regular expression that RE2 takes",
        ),
        (COMMAND + 'patterns.power_w = "(1)"\nrequire = "["', "is not a regular expression"),
        (COMMAND + 'patterns.power_w = "(1)"\nscale.energy_j = 2', "no quantity of patterns"),
        (COMMAND + 'patterns.power_w = "(1)"\nscale.power_w = 0', "not a positive number"),
        (COMMAND + 'patterns.power_w = "(1)"\nscale.power_w = nan', "not a positive number"),
        (COMMAND + 'patterns.power_w = "(1)"\nupdate_period_s = 0', "not within 0.001 to 3600"),
        (COMMAND + 'patterns.power_w = "(1)"\nscope = "rack"', "none of die"),
        ('[lists]\ncommand = []\npattern = "(?P<index>1)"', "the command is empty"),
        (LIST + "pattern = '(?P<name>x)'", "neither a group 'index' nor a group 'card'"),
        (LIST + "pattern = '(?P<index>x)(?P<colour>y)'", "'colour' is no group"),
        ('visible_devices = ["A=B"]', "not usable as the name of an environment variable"),
        ('collective = "N C"', "not usable as the name of a torch.distributed backend"),
        ('title = "a\\u001b[2J"', "not one line of at most 300 printable"),
        ('[torch]\ndevice = "x"\nremedy = "a\\nb"', "not one line"),
        ('backend = "a.b"', "not usable as the name of a backend"),
        ("torhc = 1", "unknown key; did you mean 'torch'"),
    ],
)
def test_refused(load, text, said):
    with pytest.raises(RefusedInput) as refused:
        load(text)
    assert said in str(refused.value)
    assert re.search(r"x\.toml:\d+: ", str(refused.value))


@pytest.mark.parametrize("name", ["X", "a b", "../x", "", "1x"])
def test_refused_names(load, name):
    with pytest.raises(RefusedInput, match="not usable as an adapter's name"):
        load("", f'name = "{name}"\nvendor = "X"\nkind = "x"\n')


DEVICE = Device("npu:1", "npu", 1, "N", uuid="a.b", properties={"card": "4", "chip": "0"})


def test_a_command_is_filled_in():
    assert fill("-i {card} -c {chip} {index} {uuid} {2}", DEVICE) == "-i 4 -c 0 1 a.b {2}"


def test_without_a_list_the_card_is_the_index():
    assert fill("{card}/{chip}", Device("npu:3", "npu", 3, "N")) == "3/0"


def test_the_tools_own_number_counts():
    device = Device("npu:0", "npu", 0, "N", properties={"tool_index": "5"})
    assert fill("{index}", device) == "5"


def test_in_a_pattern_the_device_is_taken_literally():
    pattern = fill_pattern(r"^{uuid} \d{2}", DEVICE)
    assert re.search(pattern, "a.b 12")
    assert not re.search(pattern, "axb 12")


def test_no_guess_about_a_device_of_unknown_identity():
    with pytest.raises(ValueError, match="has no UUID"):
        fill("{uuid}", Device("npu:0", "npu", 0, "N"))
    with pytest.raises(ValueError, match="two lists"):
        fill("{index}", Device("npu:0", "npu", 0, "N", properties={"identity": "two lists"}))
