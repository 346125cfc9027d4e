"""Every shipped command sensor against every recorded output of its tool."""

from __future__ import annotations

import pytest

from bench import registry
from bench.device import Device
from bench.sensor import SensorError
from tests.offenders import assert_none

MIB = 1 << 20
P, A, L = "power_w", "power_average_w", "power_limit_w"
T, U, M = "temperature_c", "utilization_percent", "memory_used_bytes"
SM, MEM = "clock_sm_mhz", "clock_memory_mhz"


def mib(power, temperature, utilization, used, limit=None):
    """Figures of a device; None where the tool does not know."""
    memory = None if used is None else used * MIB
    values = {P: power, T: temperature, U: utilization, M: memory, L: limit}
    return {quantity: value for quantity, value in values.items() if value is not None}


def average(power, temperature, utilization, limit=None, used=None):
    values = mib(None, temperature, utilization, used, limit)
    return {A: float(power), **values}


CASES = [
    # adapter, program, recorded output, (index, card, chip), what it says of that device
    # Ascend: ids with gaps, unsorted, two and four chips on an NPU, NA and -, numbers touching /.
    ("ascend", "npu-smi", "huawei_npu-smi_info_910B4_v26", (0, 0, 0), mib(82.6, 32, 0, 2871)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910B3", (2, 2, 0), mib(102.0, 40, 0, 3314)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910B2C_v24", (0, 0, 0), mib(86.8, 35, 0, 59356)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910B2C_v23", (1, 1, 0), mib(99.6, 50, 0, 20687)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910B1_v24", (0, 6, 0), mib(100.8, 33, 0, 3384)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910B1_v25", (4, 4, 0), mib(98.3, 49, 0, 3453)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_A3-910C_v25", (0, 0, 0), mib(162.8, 37, 0, 3133)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_A3-910C_v25", (1, 0, 1), mib(None, 37, 0, 2876)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_A3-910C_v25", (3, 1, 1), mib(None, 38, 0, 10568)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_A3-910C_v26", (1, 0, 1), mib(None, 34, 0, 2874)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_310P3", (0, 1, 0), mib(None, 62, 0, 16302)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_310P3", (1, 1, 1), mib(None, 62, 0, 15543)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_310B4", (0, 0, 0), mib(None, 65, 0, 3628)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_flagperf", (0, 4, 0), mib(None, 43, 0, 861)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910A_v22", (3, 3, 0), mib(191.7, 42, 0, 0)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_910A_v24", (3, 3, 0), mib(206.9, 39, 0, 0)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_310_v20", (2, 215, 2), mib(12.8, 57, 0, 2703)),
    ("ascend", "npu-smi", "huawei_npu-smi_info_310_v21", (3, 6, 3), mib(12.8, 65, 0, 2867)),
    # Cambricon: blanks before units, the columns of v4, ECC N/A or a number.
    ("cambricon", "cnmon", "cambricon_cnmon_table_MLU370-X4_v4", 1, mib(25, 33, 0, 0, 150)),
    ("cambricon", "cnmon", "cambricon_cnmon_table_MLU370-X4_v5", 1, mib(27, 41, 0, 0, 150)),
    ("cambricon", "cnmon", "cambricon_cnmon_table_MLU370-X8_v5.10.13", 1, mib(106, 39, 0, 0, 250)),
    ("cambricon", "cnmon", "cambricon_cnmon_table_MLU370-X8_v5.10.22", 0, mib(107, 28, 0, 0, 250)),
    ("cambricon", "cnmon", "cambricon_cnmon_table_MLUxxx", 1, mib(100, 34, 0, 0, 550)),
    # Moore Threads: a table without power.
    ("moorethreads", "mthreads-gmi", "mthreads_mthreads-gmi_table_S80_v1", 0, mib(None, 49, 0, 2)),
    ("moorethreads", "mthreads-gmi", "mthreads_mthreads-gmi_table_S80_v2", 0,
     mib(None, 41, 0, 662)),
    ("moorethreads", "mthreads-gmi", "mthreads_mthreads-gmi_table_S5000", 1, mib(None, 48, 0, 0)),
    # Iluvatar: power on the second chip of a board only.
    ("iluvatar", "ixsmi", "iluvatar_ixsmi_table_BI-V100", 0,
     {**mib(40, 30, 0, 257, 250), SM: 1500, MEM: 1200}),
    ("iluvatar", "ixsmi", "iluvatar_ixsmi_table_BI-V150", 2,
     {**mib(None, 31, 0, 116), SM: 1500, MEM: 1600}),
    ("iluvatar", "ixsmi", "iluvatar_ixsmi_table_BI-V150", 3,
     {**mib(94, 31, 0, 116, 350), SM: 1500, MEM: 1600}),
    ("iluvatar", "ixsmi", "iluvatar_ixsmi_table_MR-V100-DUO", 0,
     {**mib(None, 37, 0, 68), SM: 500, MEM: 1600}),
    ("iluvatar", "ixsmi", "iluvatar_ixsmi_table_MR-V100-DUO", 1,
     {**mib(40, 36, 0, 68, 350), SM: 500, MEM: 1600}),
    # MetaX: three layouts, and a rebadge.
    ("metax", "mx-smi", "metax_mx-smi_C500_v2.1.12", 1, mib(45, 36, 0, 826, 350)),
    ("metax", "mx-smi", "metax_mx-smi_C500_v2.2.4", 0, mib(48, 45, 0, 858, 350)),
    ("metax", "mx-smi", "metax_mx-smi_C550_v2.2.4", 0, mib(53, 29, 0, 858, 450)),
    ("metax", "mx-smi", "metax_mx-smi_N260_v2.2.8", 1, mib(33, 37, 0, 666, 225)),
    ("metax", "mx-smi", "metax_mx-smi_C500_v2.2.9", 0, mib(50, 35, 0, 0, 350)),
    ("metax", "mx-smi", "metax_mx-smi_C500_v2.3.1", 0, mib(37, 32, 0, 826, 350)),
    ("metax", "ht-smi", "metax-rebadge_ht-smi", 0, mib(38, 44, 0, 858, 350)),
    # Kunlunxin
    ("kunlunxin", "xpu-smi", "kunlunxin_xpu-smi_P800", 0, mib(91, 39, 0, 31058, 400)),
    ("kunlunxin", "xpu-smi", "kunlunxin_xpu-smi_P800", 3, mib(94, 44, 0, 0, 400)),
    # Hygon: DCU and HCU, columns that come and go, C and c.
    ("hygon", "hy-smi", "hygon_hy-smi_table_400Wcard", 7, average(115, 58, 0, 400)),
    ("hygon", "hy-smi", "hygon_hy-smi_table_800Wcard", 5, average(515, 51, 100, 800)),
    ("hygon", "hy-smi", "hygon_hy-smi_table_BW1000", 1, average(89, 52, 0, 1000)),
    ("hygon", "hy-smi", "hygon_hy-smi_table_BW101", 0, average(51, 46, 0, 400)),
    ("hygon", "hy-smi", "hygon_rocm-smi_table_DCU_old-clk", 2, average(18, 44, 0, 450)),
    ("hygon", "hy-smi", "hygon_rocm-smi_table_DCU_old-noclk", 3, average(20, 43, 0, 450)),
    ("hygon", "rocm-smi", "hygon_rocm-smi_json_K100AI_dtk24", 0, average(80, 41, 0, None, 2)),
    ("hygon", "rocm-smi", "hygon_rocm-smi_json_K100AI_dtk25", 0, average(77, 37, 0, None, 2)),
    ("hygon", "rocm-smi", "hygon_rocm-smi_json_Z100L", 0, average(38, 38, 0, None, 2)),
    # Enflame: renamed keys, three ways to write a temperature, power N/A under SR-IOV.
    ("enflame", "efsmi -q", "enflame_efsmi-q_S60", 0, {**mib(96, 35, 0, 0, 300), MEM: 7000}),
    ("enflame", "efsmi -q", "enflame_efsmi-q-d", 1, mib(None, 34, 0, 1129)),
    ("enflame", "efsmi", "enflame_efsmi_table_S60_", 0, mib(105, 39, 0, None, 300)),
    ("enflame", "efsmi", "enflame_efsmi_table_S60G", 0, mib(None, 34, 0, None)),
    ("enflame", "efsmi", "enflame_efsmi_table_L300", 0, mib(68, 35, 0, None, 300)),
    # Biren, T-Head, Sophgo
    ("biren", "brsmi", "biren_brsmi", 0, mib(35, 30, 0, 0, 300)),
    ("thead", "ppu-smi", "thead_ppu-smi_table_ZW810E_v1.28_drv2.1.0", 0, mib(74, 24, 4, 49, 400)),
    ("thead", "ppu-smi", "thead_ppu-smi_table_ZW810E_v1.28_drv2.1.0", 1, mib(77, 23, 0, 9, 400)),
    ("thead", "ppu-smi", "thead_ppu-smi_table_ZW810E_v1.28_drv2.1.2", 0, mib(81, 38, 0, 1, 400)),
    ("sophgo", "bm-smi --text_format", "sophgo_bm-smi_text_format", 2, mib(1, None, 0, None)),
    # Gaudi: Mib and MiB, CSV with units.
    ("gaudi", "hl-smi -Q", "intel-gaudi_hl-smi_Q-csv", 1, mib(230, 39, 0, 672, 850)),
    ("gaudi", "hl-smi", "intel-gaudi_hl-smi_table_HL-205", 1, mib(101, 36, 1, 512, 350)),
    ("gaudi", "hl-smi", "intel-gaudi_hl-smi_table_HL-225", 1, mib(99, 28, 0, 768, 600)),
    ("gaudi", "hl-smi", "intel-gaudi_hl-smi_table_HL-325", 0, mib(264, 43, 0, 672, 900)),
]  # fmt: skip


def device_of(adapter: str, place: int | tuple[int, int, int]) -> Device:
    kind = registry.adapters()[adapter].kind
    if isinstance(place, int):
        return Device(f"{kind}:{place}", kind, place, adapter)
    index, card, chip = place
    facts = {"tool_index": str(index), "card": str(card), "chip": str(chip)}
    return Device(f"{kind}:{index}", kind, index, adapter, properties=facts)


def test_figures(smi):
    wrong = []
    for adapter, program, recorded, place, expected in CASES:
        program, _, argument = program.partition(" ")
        device = device_of(adapter, place)
        sensor, _ = smi.sensor(adapter, program, smi.text(recorded), device, argument)
        try:
            values = sensor.read().values
        except SensorError as error:
            values = {str(error): 0.0}
        if values != pytest.approx(expected):
            wrong.append((recorded, place, values, expected))
    assert_none(wrong)


@pytest.mark.parametrize(
    ("adapter", "program", "recorded", "place", "printed"),
    [
        ("ascend", "npu-smi", "huawei_npu-smi_info_A3-910C_v25", (1, 0, 1), "'-'"),
        ("ascend", "npu-smi", "huawei_npu-smi_info_310P3", (0, 1, 0), "'NA'"),
        ("ascend", "npu-smi", "huawei_npu-smi_info_310B4", (0, 0, 0), "'0.0'"),
        ("iluvatar", "ixsmi", "iluvatar_ixsmi_table_BI-V150", 0, "not in the tool's output"),
        ("enflame", "efsmi", "enflame_efsmi_table_S60G", 0, "not in the tool's output"),
    ],
)
def test_power_that_the_tool_does_not_know_is_missing_with_the_reason(
    smi, adapter, program, recorded, place, printed
):
    sensor, _ = smi.sensor(adapter, program, smi.text(recorded), device_of(adapter, place))
    probe = sensor.probe()
    assert P not in {channel.quantity for channel in probe.channels}
    assert printed in probe.missing[P]


@pytest.mark.parametrize("place", [(9, 9, 0), (1, 0, 1)])
def test_a_chip_that_the_table_does_not_have_is_not_read(smi, place):
    text = smi.text("huawei_npu-smi_info_910B4_v26")
    sensor, _ = smi.sensor("ascend", "npu-smi", text, device_of("ascend", place))
    with pytest.raises(SensorError, match="does not show npu:"):
        sensor.read()


@pytest.mark.parametrize(
    ("recorded", "watts"),
    [
        ("huawei_npu-smi_info-t-common_310P-duo_2chips", 45.2),
        ("huawei_npu-smi_info-t-common_310P-duo_npu2944", 42.8),
    ],
)
def test_power_of_a_300i_duo_is_its_boards(smi, recorded, watts):
    device = device_of("ascend", (0, 2944, 0))
    sensor, runs = smi.sensor("ascend", "npu-smi", smi.text(recorded), device, "common")
    probe = sensor.probe()
    assert sensor.read().values == {P: watts}
    assert [channel.scope for channel in probe.channels] == ["board"]
    assert runs[0] == ["npu-smi", "info", "-t", "common", "-i", "2944"]


@pytest.mark.parametrize(
    "recorded",
    [
        "huawei_npu-smi_info-t-common_910",
        "huawei_npu-smi_info-t-common_950PR",
        "huawei_npu-smi_info-t-power_910B",
    ],
)
def test_the_controllers_power_is_never_taken_for_a_chips(smi, recorded):
    device = device_of("ascend", (0, 0, 0))
    sensor, _ = smi.sensor("ascend", "npu-smi", smi.text(recorded), device, "common")
    with pytest.raises(SensorError, match="gave no figure"):
        sensor.read()


INTEL = "Timestamp, DeviceId, GPU Power (W)\n20:32:58.000,    0, 32.94\n"
MOFFETT = "MOFFETT-SMI 3.1\n| 0  S30 | 0000:0e:00.0 | 0% |\n| 35C  54W / 350W | 826/65536 MiB | |\n"
ROCM = "=========== ROCm System Management Interface ===========\n0  40.0c  20.0W\n"


@pytest.mark.parametrize(
    ("adapter", "program", "text"),
    [
        ("kunlunxin", "xpu-smi", INTEL),
        ("metax", "mx-smi", MOFFETT),
        ("hygon", "hy-smi", ROCM),
        ("hygon", "rocm-smi", '{"card0": {"Average Graphics Package Power (W)": "38.0"}}'),
        ("metax", "ht-smi", "HT-SMI of another firm"),
    ],
)
def test_another_vendors_tool_of_the_same_name_is_refused(smi, adapter, program, text):
    sensor, _ = smi.sensor(adapter, program, text, device_of(adapter, 0))
    with pytest.raises(SensorError, match="another program of that name"):
        sensor.read()


def test_intels_tool_is_told_from_kunlunxins(smi):
    device = device_of("intel", 0)
    sensor, runs = smi.sensor("intel", "xpu-smi", INTEL, device, "dump")
    assert sensor.read().values == {P: 32.94}
    assert runs == [["xpu-smi", "dump", "-d", "0", "-m", "1", "-n", "1"]]
    sensor, _ = smi.sensor("intel", "xpu-smi", smi.text("kunlunxin_xpu-smi"), device, "dump")
    with pytest.raises(SensorError, match="another program of that name"):
        sensor.read()


def test_averaged_power_is_called_averaged(smi):
    text = smi.text("hygon_hy-smi_table_BW101")
    sensor, _ = smi.sensor("hygon", "hy-smi", text, device_of("hygon", 0))
    quantities = {channel.quantity for channel in sensor.probe().channels}
    assert A in quantities
    assert P not in quantities
