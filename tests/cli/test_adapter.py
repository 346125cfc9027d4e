"""`hetbench adapter`: list, show, new and check, as a user runs them."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.conformance.preparing import probe_model
from tests.conftest import Cli

PROBE = probe_model().name

EVIL = """
name = "evil"
vendor = "Nobody"
kind = "evil"
[torch]
device = "evil"
module = "evil_module"
[lists]
command = ["touch", "ran"]
pattern = '(?P<index>\\d+)'
"""


@pytest.fixture
def evil(cli: Cli) -> Path:
    """An adapter whose module and program leave a file behind when touched."""
    (cli.folder / "evil_module.py").write_text("open('imported', 'w').close()\n")
    path = cli.folder / "evil.toml"
    path.write_text(EVIL)
    return path


def test_list_says_of_each_why_not(cli: Cli) -> None:
    rows = cli.json("adapter", "list")
    by_name = {(row["adapter"], row["backend"]): row for row in rows}
    assert by_name["simulated", "simulated"]["targets"][0] == "simulated@sim:0"
    assert by_name["cpu", "torch"]["available"]
    assert all(row["available"] == (row["reason"] is None) for row in rows)
    absent = [row for row in rows if not row["available"]]
    assert absent
    assert all(row["reason"].strip() for row in absent)


def test_show_prints_what_it_would_do_and_does_nothing(cli: Cli, evil: Path) -> None:
    done = cli("adapter", "show", str(evil))
    assert done.returncode == 0, done.stderr
    assert "imports the Python module evil_module" in done.stdout
    assert "runs, to list devices: touch ran" in done.stdout
    told = cli.json("adapter", "show", "evil.toml")
    assert told["adapter"]["torch"]["module"] == "evil_module"
    assert not (cli.folder / "imported").exists()
    assert not (cli.folder / "ran").exists()


def test_show_knows_the_installed_ones_and_nothing_else(cli: Cli) -> None:
    assert "nvml" in cli("adapter", "show", "nvidia").stdout
    unknown = cli("adapter", "show", "nvida")
    assert unknown.returncode == 2
    assert "nvidia" in unknown.stderr
    (cli.folder / "broken.toml").write_text("name = 3\n")
    broken = cli("adapter", "show", "broken.toml")
    assert broken.returncode == 4
    assert "broken.toml:1" in broken.stderr


def test_an_untrusted_adapter_is_not_checked(cli: Cli, evil: Path) -> None:
    done = cli("adapter", "check", "torch@evil:0", "--adapter", str(evil))
    assert done.returncode == 2
    assert "--trust-adapter" in done.stderr
    assert not (cli.folder / "imported").exists()
    assert not (cli.folder / "ran").exists()


def test_new_writes_what_show_and_check_take(cli: Cli) -> None:
    done = cli("adapter", "new", "acme")
    assert done.stdout.strip() == "acme.toml"
    assert cli("adapter", "show", "acme.toml").returncode == 0
    assert cli("adapter", "new", "acme").returncode == 2
    trusted = ("--adapter", "acme.toml", "--trust-adapter")
    check = cli("adapter", "check", "torch@acme:0", *trusted)
    assert check.returncode == 5
    assert "not available" in check.stderr
    package = cli("adapter", "new", "acme", "--python", "--folder", "sub")
    assert "sub/hetbench-acme/pyproject.toml" in package.stdout


@pytest.mark.parametrize(
    ("target", "code", "says"),
    [
        ("torch", 2, "is not a target"),
        ("torc@cpu:0", 2, "torch"),
        ("simulated@sim:99", 2, "sim:"),
        ("simulated+speed=9@sim:0", 2, "speed"),
        ("simulated+memory_mib=0.01@sim:0", 3, f"refuses {PROBE} in every precision"),
    ],
)
def test_what_cannot_be_checked(cli: Cli, target: str, code: int, says: str) -> None:
    done = cli("adapter", "check", target)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""


def test_check_reports_as_table_json_and_page(cli: Cli) -> None:
    report = cli.json("adapter", "check", "simulated@sim:1", "--out", "page.md")
    assert report["passed"]
    assert report["simulated"]
    assert report["target"] == "simulated@sim:1"
    page = (cli.folder / "page.md").read_text()
    for check in report["checks"]:
        assert set(check) == {"id", "status", "seen"}
        assert f"`{check['id']}`" in page
    assert str(report["seed"]) in page


def test_a_failed_check_is_exit_code_1(cli: Cli) -> None:
    done = cli("adapter", "check", "simulated+fault=cache@sim:2")
    assert done.returncode == 1
    assert "inputs-matter" in done.stdout
    assert "1 failed" in done.stdout


def test_a_device_in_use_is_not_checked(cli: Cli) -> None:
    first = cli.start("adapter", "check", "simulated+fault=hang@sim:4")
    try:
        deadline = time.monotonic() + 60
        while not any((cli.folder / "locks").iterdir()) and time.monotonic() < deadline:
            time.sleep(0.05)
        done = cli("adapter", "check", "simulated@sim:4")
        assert done.returncode == 5
        assert "in use" in done.stderr
        assert "hetbench adapter check" in done.stderr
    finally:
        first.terminate()
        first.communicate()
