"""The small commands."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import runtimes
from tests.conftest import ROOT, Cli

REFERENCE = ROOT / "results" / "reference" / "xeon-2-cores-quick.json"


def test_help(cli: Cli) -> None:
    done = cli("--help")
    assert done.returncode == 0
    for word in ("devices", "models", "suites", "run", "show", "selftest", "Exit codes"):
        assert word in done.stdout


@pytest.mark.parametrize("words", [["--help"], ["models"], ["suites"], ["run", "--help"]])
def test_no_framework_is_imported_for_an_answer(cli: Cli, words: list[str]) -> None:
    code = (
        "import sys\n"
        f"sys.argv = ['hetbench', *{words!r}]\n"
        "from bench.cli import main\n"
        "try:\n"
        "    main()\n"
        "except SystemExit:\n"
        "    pass\n"
        "names = {'torch', 'onnxruntime', 'onnx', 'numpy', 'pydantic', 'scipy'}\n"
        "heavy = names & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env=cli.env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("columns", "most"), [("80", 80), ("100", 100), ("", 160), ("x", 160)])
@pytest.mark.parametrize("words", ["models", "devices --all", "show old.json"])
def test_columns_holds_for_a_pipe(cli: Cli, words: str, columns: str, most: int) -> None:
    (cli.folder / "old.json").symlink_to(REFERENCE)
    done = cli(*words.split(), env={"COLUMNS": columns})
    assert done.returncode == 0, done.stderr
    widest = max(map(len, done.stdout.splitlines()))
    assert 0.75 * most < widest <= most


def test_devices(cli: Cli) -> None:
    found = cli.json("devices")
    targets = {one["target"] for one in found["targets"]}
    assert {"torch@cpu:0", "onnxruntime@cpu:0"} <= targets
    reasons = {(one["adapter"], one["backend"]): one["reason"] for one in found["unavailable"]}
    openvino = "onnxruntime+OpenVINO@cpu:0"
    absent = runtimes.unavailable(openvino)
    assert (openvino in targets) == (absent is None)
    assert absent is None or reasons["intel", "onnxruntime"] in absent
    assert "torch_npu" in reasons["ascend", "torch"]
    assert all(reason for reason in reasons.values())
    # nobody makes what does not exist
    assert {one["device"]["vendor"] for one in found["targets"] if one["simulated"]} == {None}
    assert "none" not in cli("devices", "simulated").stdout


@pytest.mark.parametrize("words", [["devices"], ["adapter", "list"]])
def test_what_is_not_here_is_told_when_asked(cli: Cli, words: list[str]) -> None:
    brief = cli(*words).stdout
    assert "torch@cpu:0" in brief
    assert "ascend" not in brief and "simulated@" not in brief
    assert f"more are known; 'hetbench {' '.join(words)} --all' tells why" in brief
    full = cli(*words, "--all").stdout
    assert "the package torch_npu is not installed" in full and "simulated@sim:0" in full
    assert "more are known" not in full
    one = cli(*words, "ascend").stdout
    assert "the package torch_npu is not installed" in one
    assert "torch@cpu:0" not in one and "more are known" not in one
    assert "simulated@sim:0" in cli(*words, "simulated").stdout
    wrong = cli(*words, "ascent")
    assert wrong.returncode == 2 and "ascend" in wrong.stderr


def test_models(cli: Cli) -> None:
    cards = {card["name"]: card for card in cli.json("models")}
    assert cards["resnet50"]["parameters"] == 25_557_032
    assert len(cards) >= 9


def test_suites(cli: Cli) -> None:
    names = {suite["name"] for suite in cli.json("suites")}
    assert {"smoke", "quick", "lightweight", "large"} <= names


def test_selftest(cli: Cli) -> None:
    facts = cli.json("selftest")
    assert facts["clock_resolution_ns"] >= 1
    assert facts["clock_cost_ns"] > 0
    assert "bare loop" in cli("selftest").stdout


def test_what_is_simulated_is_not_counted_among_what_is_missing(cli: Cli) -> None:
    missing = len(cli.json("devices")["unavailable"])
    assert f"{missing} more are known" in cli("devices").stdout
