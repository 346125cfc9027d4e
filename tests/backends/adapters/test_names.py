"""Several vendors answer to torch's `cuda`: no card may be reported as another vendor's."""

from __future__ import annotations

from bench import registry
from bench.settings import patterns
from tests.offenders import assert_none

NAMES = {
    # What torch.cuda.get_device_name gives, or where that is not published the vendor's tool.
    # NVIDIA: torch 1.0 to 2.x on these cards; before driver 470 without the word NVIDIA.
    "NVIDIA H100 80GB HBM3": "nvidia",
    "NVIDIA H100 80GB HBM3 MIG 1g.10gb": "nvidia",
    "NVIDIA H200": "nvidia",
    "NVIDIA A100-SXM4-80GB": "nvidia",
    "NVIDIA H20": "nvidia",
    "NVIDIA L20": "nvidia",
    "NVIDIA GB200": "nvidia",
    "NVIDIA GeForce RTX 4090 D": "nvidia",
    "NVIDIA GeForce MX250": "nvidia",
    "NVIDIA RTX A6000": "nvidia",
    "NVIDIA DGX Spark": "nvidia",
    "Tesla V100-SXM2-32GB": "nvidia",
    "Tesla T4": "nvidia",
    "GeForce GTX 1080 Ti": "nvidia",
    "Quadro RTX 8000": "nvidia",
    "TITAN V": "nvidia",
    "GRID T4-16Q": "nvidia",
    # AMD: ROCm's torch; LUMI's MI250X, ROCm issue 4384.
    "AMD Instinct MI300X": "amd",
    "AMD Instinct MI250X": "amd",
    "AMD Instinct MI308X": "amd",
    "AMD Radeon RX 7900 XTX": "amd",
    "AMD Radeon Graphics": "amd",
    "AMD Radeon PRO W7900": "amd",
    "Radeon RX Vega": "amd",
    # Iluvatar: device name on CoreX 4.4, ixsmi 3.1 to 4.4.
    "Iluvatar BI-V100": "iluvatar",
    "Iluvatar BI-V150": "iluvatar",
    "Iluvatar BI-V150 OAM": "iluvatar",
    "Iluvatar MR-V50": "iluvatar",
    "Iluvatar MR-V100": "iluvatar",
    "Iluvatar MR-V100 DUO": "iluvatar",
    "BI-V150": "iluvatar",
    # MetaX: torch 2.8 for MACA, mx-smi 2.1 to 2.3, ht-smi 2.3.1.
    "MetaX C500": "metax",
    "MetaX C550": "metax",
    "MetaX N260": "metax",
    "MXC500": "metax",
    "MXC550": "metax",
    "Mars X201": "metax",
    # Hygon: gpustack issue 5170, rocm-smi's Card Series, hy-smi, rocminfo.
    "K100_AI": "hygon",
    "K100": "hygon",
    "Z100L": "hygon",
    "DCU xxxx": "hygon",
    "Hygon DCU BW": "hygon",
    "BW": "hygon",
    "BW101": "hygon",
    "BW150": "hygon",
    "BW1000": "hygon",
    "BW1000_H": "hygon",
    # T-Head: ppu-smi 1.28 and its -L.
    "PPU-ZW810E": "thead",
    "PPU-ZW810": "thead",
    "PPU": "thead",
    # Kunlunxin: baidu/vLLM-Kunlun pull request 315, xpu-smi.
    "P800 OAM": "kunlunxin",
    "P800": "kunlunxin",
    "Kunlunxin P800": "kunlunxin",
    # Nobody's: reported under its own name with the vendor unknown.
    "Goldwasser UL": "cuda-compatible",
    "GPU": "cuda-compatible",
    "DCUBE": "cuda-compatible",
    "BWX": "cuda-compatible",
    "P8000": "cuda-compatible",
    "": "cuda-compatible",
}


def claimants(name: str) -> list[str]:
    """Adapters that claim a `cuda` device of this name: those that name it, else the fallback."""
    cuda = {a.name: a.torch for a in registry.adapters().values() if a.torch is not None}
    cuda = {name: torch for name, torch in cuda.items() if torch.device == "cuda"}
    named = [a for a, torch in cuda.items() if torch.names and patterns.search(torch.names, name)]
    return named or [a for a, torch in cuda.items() if not torch.names]


def test_exactly_one_adapter_claims_a_card():
    claimed = {name: claimants(name) for name in NAMES}
    assert_none(item for item in claimed.items() if item[1] != [NAMES[item[0]]])


def test_names_of_the_recorded_tools_are_claimed_by_their_own_vendor(smi):
    for adapter in registry.adapters().values():
        if adapter.torch is None or adapter.torch.device != "cuda" or adapter.lists is None:
            continue
        seen = {row.name for rows in smi.lists(adapter).values() for row in rows}
        assert seen, adapter.name
        for name in seen:
            assert claimants(name) == [adapter.name], name
