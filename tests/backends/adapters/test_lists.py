"""Every shipped device list against every recorded output of its tool."""

from __future__ import annotations

import pytest

from bench import registry
from bench.device import Device
from bench.devices import smi as listing
from bench.system.command import CommandError

COUNTS = {
    "ascend": {
        "huawei_npu-smi_info_310B4_v23.0.0_nohbm": 1,
        "huawei_npu-smi_info_310P3_v24.1.0.1_2chips_rows": 2,
        "huawei_npu-smi_info_310_v20.2.0_4chips_DOCFORMAT": 4,
        "huawei_npu-smi_info_310_v21.0.4_4chips_DOCFORMAT": 4,
        "huawei_npu-smi_info_910A_v22.0.3.1_DOCFORMAT": 8,
        "huawei_npu-smi_info_910A_v24.1.RC2_procs_DOCFORMAT": 8,
        "huawei_npu-smi_info_910B1_v24.1.rc2_npu6-only": 1,
        "huawei_npu-smi_info_910B1_v25.3.rc1_retyped": 8,
        "huawei_npu-smi_info_910B2C_v23.0.2.1": 2,
        "huawei_npu-smi_info_910B2C_v24.1.rc1_nospace_3of8": 3,
        "huawei_npu-smi_info_910B3_v24.1.rc1_3of8": 3,
        "huawei_npu-smi_info_910B4_v26.0.rc1": 1,
        "huawei_npu-smi_info_A3-910C_v25.2.0_2chips": 4,
        "huawei_npu-smi_info_A3-910C_v26.0.rc2_2chips_head": 2,
        "huawei_npu-smi_info_flagperf_v22.0.3_powerNA": 1,
    },
    "biren": {"biren_brsmi_table_106B_v1.11.0": 1},
    "cambricon": {
        "cambricon_cnmon_table_MLU370-X4_v4.20.11_2of3": 2,
        "cambricon_cnmon_table_MLU370-X4_v5.10.10": 2,
        "cambricon_cnmon_table_MLU370-X8_v5.10.13": 2,
        "cambricon_cnmon_table_MLU370-X8_v5.10.22": 2,
    },
    "enflame": {
        "enflame_efsmi_table_L300_v1.7.2.14": 1,
        "enflame_efsmi_table_S60G_v1.6.3.12_powerNA": 1,
        "enflame_efsmi_table_S60_v1.2.0.301": 1,
    },
    "hygon": {
        "hygon_rocm-smi_json_K100AI_dtk24.04.3": 1,
        "hygon_rocm-smi_json_K100AI_dtk2504plus_HCU_masked": 1,
        "hygon_rocm-smi_json_Z100L_masked": 1,
    },
    "iluvatar": {
        "iluvatar_ixsmi_table_BI-V100_v3.1.1": 1,
        "iluvatar_ixsmi_table_BI-V150_v4.1.0_dualchip-NA_4of16": 4,
        "iluvatar_ixsmi_table_MR-V100-DUO_v4.4.0_dualchip-NA": 2,
    },
    "kunlunxin": {"kunlunxin_xpu-smi_P800-OAM_drv515.58": 4},
    "metax": {
        "metax_mx-smi_C500_v2.1.12_2of8": 2,
        "metax_mx-smi_C500_v2.2.4": 1,
        "metax_mx-smi_C500_v2.2.9_board-layout": 1,
        "metax_mx-smi_C500_v2.3.1_board-layout": 1,
        "metax_mx-smi_C550_v2.2.4_1of8": 1,
        "metax_mx-smi_N260_v2.2.8": 2,
    },
    "moorethreads": {
        "mthreads_mthreads-gmi_table_S5000_v2.4.1_2of8": 2,
        "mthreads_mthreads-gmi_table_S80_v1.14.0": 1,
        "mthreads_mthreads-gmi_table_S80_v2.0.0_head": 1,
    },
    "thead": {"thead_ppu-smi-L_guide": 2},
}


@pytest.mark.parametrize("adapter", COUNTS)
def test_every_recorded_device_is_listed_once(smi, adapter):
    found = smi.lists(registry.adapters()[adapter])
    assert {name: len(rows) for name, rows in found.items()} == COUNTS[adapter]
    for rows in found.values():
        assert len({row.index for row in rows}) == len(rows)
        uuids = [row.uuid for row in rows if row.uuid]
        assert len(set(uuids)) == len(uuids)


def ascend(smi, name):
    return listing.parse(
        registry.adapters()["ascend"].lists, smi.text(f"huawei_npu-smi_info_{name}")
    )


def test_chips_of_an_npu_are_devices_of_one_board(smi):
    rows = ascend(smi, "A3-910C_v25")
    assert [(r.index, r.card, r.chip, r.board) for r in rows] == [
        ("0", "0", "0", "card:0"),
        ("1", "0", "1", "card:0"),
        ("2", "1", "0", "card:1"),
        ("3", "1", "1", "card:1"),
    ]
    assert rows[3].uuid == "0000:39:00.0"
    assert rows[3].memory_bytes == 64 << 30


def test_npu_ids_may_start_anywhere_and_come_unsorted(smi):
    (only,) = ascend(smi, "910B1_v24")
    assert (only.index, only.card) == ("0", "6")
    assert [r.card for r in ascend(smi, "910B1_v25")] == [str(i) for i in range(8)]
    assert ascend(smi, "910B1_v25")[4].uuid == "0000:02:00.0"
    assert [r.card for r in ascend(smi, "310_v20")] == ["215"] * 4


def test_two_chips_behind_one_bus_id(smi):
    assert [r.uuid for r in ascend(smi, "310P3")] == ["0000:01:00.0/0", "0000:01:00.0/1"]


def test_a_bus_id_the_tool_does_not_know_is_none(smi):
    (row,) = ascend(smi, "310B4")
    assert row.uuid is None
    assert row.memory_bytes == 15609 << 20


def test_names_carry_no_other_column(smi):
    rows = smi.lists(registry.adapters()["metax"])["metax_mx-smi_N260_v2.2.8"]
    assert {row.name for row in rows} == {"MetaX N260"}


def test_uuids_of_vendors_that_print_them(smi):
    first, _ = smi.lists(registry.adapters()["thead"])["thead_ppu-smi-L_guide"]
    assert first.uuid == "GPU-019ea108-c110-0828-0000-0000c07e1a46"
    hygon = smi.lists(registry.adapters()["hygon"])
    assert hygon["hygon_rocm-smi_json_K100AI_dtk24.04.3"][0].uuid == "7100fa8866904061"


def test_gaudis_modules_are_not_its_indices():
    adapter = registry.adapters()["gaudi"]
    text = (
        "3, 0, 01P4-HL3090A0-18-U4V193-22-07-00, HL-325L, 131072 MiB\n"
        "6, 1, 01P4-HL3090A0-18-U4V298-03-04-04, HL-325L, 131072 MiB\n"
    )
    rows = listing.parse(adapter.lists, text)
    (device,) = listing.identify(
        [Device("hpu:0", "hpu", 0, "HL-325L")], adapter, rows, {"HABANA_VISIBLE_MODULES": "6"}
    )
    assert device.properties["card"] == "1"
    assert device.uuid == "01P4-HL3090A0-18-U4V298-03-04-04"


@pytest.mark.parametrize(
    ("adapter", "recorded"),
    [
        ("metax", "kunlunxin_xpu-smi"),
        ("kunlunxin", "metax_mx-smi_C500_v2.2.4"),
        ("iluvatar", "biren_brsmi"),
        ("biren", "intel-gaudi_hl-smi_table_HL-325"),
        ("ascend", "cambricon_cnmon_table_MLU370-X4_v4"),
    ],
)
def test_another_vendors_list_is_refused(smi, adapter, recorded):
    with pytest.raises(CommandError, match="another vendor's program"):
        listing.parse(registry.adapters()[adapter].lists, smi.text(recorded))
