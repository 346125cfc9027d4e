"""Taking up a run: only as it began, and nothing that its journal names is executed."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

Change = Callable[[dict[str, Any]], object]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The journal of a run of three trials that was killed in the first."""
    folder = tmp_path_factory.mktemp("killed")
    (folder / "locks").mkdir()
    cli = Cli(folder)
    target = "simulated+wall=1+latency_us=3000+fault=hang@sim:0"
    args = ("smoke", "-s", "single-stream", "--trials", "3", "--budget", "0.2", "-t", target)
    run = cli.start("run", *args, "-o", "r.json")
    path = folder / "r.json.journal"
    while not (path.exists() and path.read_bytes().endswith(b"\n")):
        assert run.poll() is None
    run.kill()
    run.communicate()
    change(path, lambda plan: rename(plan, target, "simulated+latency_us=3000@sim:0"))
    return path.read_bytes()


def rename(plan: dict[str, Any], old: str, new: str) -> None:
    """Another target throughout, so that a run that hung can end."""
    plan.update(json.loads(json.dumps(plan).replace(old, new)))
    plan["targets"][0]["options"] = {"latency_us": "3000"}


@pytest.fixture
def journal(cli: Cli, killed: bytes) -> Path:
    """That journal in the folder of the test."""
    path = cli.folder / "r.json.journal"
    path.write_bytes(killed)
    return path


def change(path: Path, how: Change) -> None:
    """Change a journal's plan as a forger would: with a checksum that is right."""
    record = json.loads(path.read_text().splitlines()[0].partition(" ")[2])
    how(record["plan"])
    text = json.dumps(record)
    path.write_text(f"{hashlib.sha256(text.encode()).hexdigest()[:16]} {text}\n")


def test_out_and_wait_are_honoured(cli: Cli, journal: Path) -> None:
    args = ["run", "--resume", str(journal), "--out", "other.json", "--wait", "1", "--json"]
    done = cli(*args)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == "other.json"
    assert not (cli.folder / "r.json").exists()
    stored = json.loads((cli.folder / "other.json").read_text())
    assert stored["run"]["resumed"] == 1
    assert stored["run"]["changed"] == []
    assert not journal.exists()


@pytest.mark.parametrize(
    ("args", "named"),
    [
        (["large"], "the suite 'large'"),
        (
            ["-t", "torch@cpu:0", "-m", "x", "--seed", "3", "--budget", "5", "--dry-run"],
            "--target, --model, --budget, --seed, --dry-run",
        ),
        (["--onnx", "m.onnx", "--show-hostname"], "--onnx, --show-hostname"),
    ],
)
def test_nothing_else_is_silently_ignored(cli: Cli, args: list[str], named: str) -> None:
    done = cli("run", "--resume", "any.journal", *args)
    assert done.returncode == 2
    assert f"hetbench: {named} cannot be given with --resume" in done.stderr


def test_a_resumed_run_does_not_take_the_file_of_another(cli: Cli, journal: Path) -> None:
    (cli.folder / "r.json").write_text("another's")
    done = cli("run", "--resume", str(journal), "--json")
    assert done.returncode == 0, done.stderr
    assert (cli.folder / "r.json").read_text() == "another's"
    assert json.loads(done.stdout)["path"] == str(cli.folder / "r-2.json")
    assert "stays" in done.stderr


def test_a_journal_with_another_name_is_not_overwritten_by_its_results(
    cli: Cli, journal: Path
) -> None:
    journal.rename(cli.folder / "odd")
    done = cli("run", "--resume", "odd", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["path"] == "odd.json"
    same = cli("run", "--resume", "odd.json", "--out", "odd.json", "--force")
    assert same.returncode in (2, 4)


def everything(plan: dict[str, Any]) -> None:
    """Another machine, other software, another device, adapter and model card."""
    plan["environment"]["hostname"] = "elsewhere"
    plan["environment"]["packages"]["numpy"] = "0.1"
    plan["hetbench_version"] = "0.0.9"
    plan["targets"][0]["device"]["name"] = "Another accelerator"
    plan["targets"][0]["adapter"]["vendor"] = "Someone else"
    for case in plan["cases"]:
        case["card"]["parameters"] += 1


CHANGED = (
    "hostname was elsewhere and is",
    "the package numpy was 0.1 and is",
    "hetbench was 0.0.9 and is",
    "was Another accelerator and is Simulated accelerator",
    "the card of the model resnet8 differs in parameters",
    "the adapter simulated is not the one",
)


def test_what_changed_is_listed_and_refused(cli: Cli, journal: Path) -> None:
    change(journal, everything)
    before = journal.read_bytes()
    done = cli("run", "--resume", str(journal))
    assert done.returncode == 4
    assert [words for words in CHANGED if words not in done.stderr] == []
    assert journal.read_bytes() == before


def test_what_changed_is_kept_for_ever_where_it_was_allowed(cli: Cli, journal: Path) -> None:
    change(journal, everything)
    results = cli.json("run", "--resume", str(journal), "--allow-changed")
    changed = "\n".join(results["run"]["changed"])
    warned = "\n".join(warning["text"] for warning in results["warnings"])
    assert [words for words in CHANGED if words not in changed or words not in warned] == []


def test_allow_changed_alone_is_a_usage_error(cli: Cli) -> None:
    done = cli("run", "smoke", "--allow-changed", "-t", "simulated@sim:0")
    assert done.returncode == 2
    assert "--resume" in done.stderr


def evil_model(plan: dict[str, Any]) -> None:
    for case in plan["cases"]:
        case["card"].update(module="evil", family="evil")


def evil_own_model(plan: dict[str, Any]) -> None:
    plan["onnx"] = "/proc/self/exe"
    for case in plan["cases"]:
        case["card"].update(module="evil", family="")


def evil_adapter(plan: dict[str, Any]) -> None:
    plan["targets"][0]["adapter"].update(
        name="evil", torch={"device": "evil", "module": "evil"}, backend=""
    )


def evil_device(plan: dict[str, Any]) -> None:
    plan["targets"][0]["adapter"].update(backend="evil", torch={"device": "x", "module": "evil"})
    plan["targets"][0]["backend"] = "evil"


@pytest.mark.parametrize("how", [evil_model, evil_own_model, evil_adapter, evil_device])
@pytest.mark.parametrize("args", [[], ["--allow-changed", "--trust-adapter"]])
def test_nothing_that_a_journal_names_is_imported(
    cli: Cli, journal: Path, how: Change, args: list[str]
) -> None:
    for name in ("evil", "torch_evil"):
        (cli.folder / f"{name}.py").write_text(f"open({str(cli.folder / 'imported')!r}, 'w')\n")
    change(journal, how)
    path = f"{cli.folder}:{cli.env['PYTHONPATH']}"
    done = cli("run", "--resume", str(journal), *args, env={"PYTHONPATH": path})
    assert not (cli.folder / "imported").exists()
    assert "Traceback" not in done.stderr
    assert done.returncode == 4 or (args and done.returncode == 0), done.stderr


def test_a_plan_that_makes_no_results_file_is_refused(cli: Cli, journal: Path) -> None:
    change(journal, lambda plan: plan["suite"].update(name="x" * 5000))
    done = cli("run", "--resume", str(journal), "--allow-changed")
    assert done.returncode == 4, done.stderr
    assert "r.json.journal at suite.name: String should have" in done.stderr
    assert journal.exists()
    assert "Traceback" not in done.stderr


def test_an_old_copy_of_a_journal_does_not_replace_what_is_complete(
    cli: Cli, journal: Path
) -> None:
    copy = journal.read_bytes()
    assert cli("run", "--resume", str(journal)).returncode == 0
    complete = (cli.folder / "r.json").read_bytes()
    journal.write_bytes(copy)
    done = cli("run", "--resume", str(journal), "--json")
    assert done.returncode == 0, done.stderr
    assert (cli.folder / "r.json").read_bytes() == complete
    assert json.loads(done.stdout)["path"] != "r.json"


@pytest.mark.parametrize(
    "number", ["1" + 400 * "0", "1e999", "NaN", "-Infinity", "9007199254740993"]
)
def test_a_number_that_no_results_file_may_hold(cli: Cli, journal: Path, number: str) -> None:
    text = journal.read_text().splitlines()[0].partition(" ")[2]
    text = re.sub(r'("idle_s": ?)[0-9.]+', rf"\g<1>{number}", text, count=1)
    assert number in text
    journal.write_text(f"{hashlib.sha256(text.encode()).hexdigest()[:16]} {text}\n")
    done = cli("run", "--resume", str(journal))
    assert done.returncode == 4
    assert done.stderr.startswith("hetbench: line 1 of ")
