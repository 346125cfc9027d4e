from __future__ import annotations

import os
from pathlib import Path

import pytest

from bench.adapter import SensorSpec
from bench.device import Device
from bench.errors import UsageError
from bench.sensor import SensorError
from bench.sensors import make

CPU = Device("cpu:0", "cpu", 0, "Test CPU")
RANGE_UJ = 262_143_328_850


def zone(root: Path, folder: str, name: str, energy_uj: int, range_uj: int = RANGE_UJ) -> Path:
    path = root / folder
    path.mkdir(parents=True)
    (path / "name").write_text(f"{name}\n")
    (path / "energy_uj").write_text(f"{energy_uj}\n")
    (path / "max_energy_range_uj").write_text(f"{range_uj}\n")
    return path


@pytest.fixture
def powercap(tmp_path):
    """Two packages as Linux shows them, with core and dram, and the MMIO copy of the first."""
    zone(tmp_path, "intel-rapl:0", "package-0", 1_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 400_000)
    zone(tmp_path, "intel-rapl:0:1", "dram", 90_000, 65_712_999_613)
    zone(tmp_path, "intel-rapl:1", "package-1", 2_000_000)
    zone(tmp_path, "intel-rapl:1:0", "dram", 80_000, 65_712_999_613)
    zone(tmp_path, "intel-rapl-mmio:0", "package-0", 1_000_000)
    (tmp_path / "intel-rapl").mkdir()
    return tmp_path


def rapl(root: Path, **options: str):
    return make(SensorSpec("rapl", options={"root": str(root), **options}), CPU)


def add(root: Path, folder: str, uj: int) -> None:
    path = root / folder / "energy_uj"
    path.write_text(str((int(path.read_text()) + uj) % RANGE_UJ))


def test_packages_are_added_up_and_the_mmio_copy_left_out(powercap):
    sensor = rapl(powercap)
    probe = sensor.probe()
    (channel,) = probe.channels
    assert (channel.quantity, channel.scope) == ("energy_j", "package")
    assert channel.wrap_j == RANGE_UJ / 1e6
    assert probe.facts["zones"] == "intel-rapl:0 (package-0), intel-rapl:1 (package-1)"
    add(powercap, "intel-rapl:0", 3_000_000)
    add(powercap, "intel-rapl:1", 500_000)
    add(powercap, "intel-rapl-mmio:0", 3_000_000)
    assert sensor.read().values == {"energy_j": pytest.approx(3.5)}


@pytest.mark.parametrize(("domain", "scope", "zones"), [("core", "die", 1), ("dram", "module", 2)])
def test_other_domains_have_their_own_scope(powercap, domain, scope, zones):
    probe = rapl(powercap, domain=domain).probe()
    assert probe.channels[0].scope == scope
    assert probe.facts["zones"].count("intel-rapl:") == zones


def test_a_counter_that_starts_again_goes_on_counting(powercap):
    path = powercap / "intel-rapl:0" / "energy_uj"
    path.write_text(str(RANGE_UJ - 1_000_000))
    sensor = rapl(powercap)
    sensor.probe()
    path.write_text(str(2_000_000))
    assert sensor.read().values["energy_j"] == pytest.approx(3.0)
    path.write_text(str(5_000_000))
    assert sensor.read().values["energy_j"] == pytest.approx(6.0)


def test_no_powercap_is_a_reason(tmp_path):
    assert "does not exist" in (rapl(tmp_path / "none").probe().reason or "")


def test_a_missing_domain_is_a_reason(powercap):
    assert "no RAPL domain psys" in (rapl(powercap, domain="psys").probe().reason or "")


def test_an_unknown_domain_is_refused(powercap):
    with pytest.raises(UsageError, match="socket"):
        rapl(powercap, domain="socket")


def test_permission_denied_says_the_remedy(powercap, monkeypatch):
    real = Path.read_bytes

    def read_bytes(self):
        if self.name == "energy_uj":
            raise PermissionError(13, "Permission denied", str(self))
        return real(self)

    monkeypatch.setattr(Path, "read_bytes", read_bytes)
    reason = rapl(powercap).probe().reason or ""
    assert "sudo chmod a+r" in reason and "root" in reason


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_permission_denied_for_real(powercap):
    (powercap / "intel-rapl:0" / "energy_uj").chmod(0)
    assert "sudo chmod a+r" in (rapl(powercap).probe().reason or "")


def test_a_counter_that_vanishes_is_a_failed_reading(powercap):
    sensor = rapl(powercap)
    sensor.probe()
    (powercap / "intel-rapl:1" / "energy_uj").unlink()
    with pytest.raises(SensorError, match="cannot be read any more"):
        sensor.read()
