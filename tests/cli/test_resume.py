"""Taking up a run: only as it began, and nothing that its journal names is executed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Cli

Write = Callable[..., str]
Change = Callable[[dict[str, Any]], object]


@pytest.fixture
def journal(cli: Cli, suite: Write) -> Path:
    """A run of three trials that lost its results file and its last two trials."""
    path = cli.folder / "r.json.journal"
    target = "simulated+wall=1+latency_us=3000+fault=hang@sim:0"
    run = cli.start("run", suite(trials=3, timeout_s=60), "-t", target, "-o", "r.json")
    while not (path.exists() and path.read_bytes().endswith(b"\n")):
        assert run.poll() is None
    run.kill()
    run.communicate()
    change(path, lambda plan: rename(plan, target, "simulated+latency_us=3000@sim:0"))
    return path


def rename(plan: dict[str, Any], old: str, new: str) -> None:
    """Another target throughout, so that a run that hung can end."""
    text = json.dumps(plan).replace(old, new)
    plan.update(json.loads(text))
    plan["targets"][0]["options"] = {"latency_us": "3000"}


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
        (["-t", "torch@cpu:0"], "--target"),
        (["-m", "resnet50", "--seed", "3"], "--model, --seed"),
        (["--budget", "5"], "--budget"),
        (["--dry-run"], "--dry-run"),
        (["--show-hostname"], "--show-hostname"),
        (["--onnx", "m.onnx"], "--onnx"),
    ],
)
def test_nothing_else_is_silently_ignored(cli: Cli, args: list[str], named: str) -> None:
    done = cli("run", "--resume", "any.journal", *args)
    assert done.returncode == 2
    assert f"{named} cannot be given with --resume" in done.stderr


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


def moved(plan: dict[str, Any]) -> None:
    plan["environment"]["hostname"] = "elsewhere"
    plan["environment"]["packages"]["numpy"] = "0.1"


def older(plan: dict[str, Any]) -> None:
    plan["hetbench_version"] = "0.0.9"


def another_card(plan: dict[str, Any]) -> None:
    plan["targets"][0]["device"]["name"] = "Another accelerator"


def another_model(plan: dict[str, Any]) -> None:
    for case in plan["cases"]:
        case["card"]["flops"] += 1


def another_adapter(plan: dict[str, Any]) -> None:
    plan["targets"][0]["adapter"]["vendor"] = "Someone else"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (moved, "hostname was elsewhere and is"),
        (moved, "the package numpy was 0.1 and is"),
        (older, "hetbench was 0.0.9 and is"),
        (another_card, "was Another accelerator and is Simulated accelerator"),
        (another_model, "the card of the model resnet8 differs in flops"),
        (another_adapter, "the adapter simulated is not the one"),
    ],
)
def test_what_changed_is_listed_and_refused_or_kept_for_ever(
    cli: Cli, journal: Path, how: Change, words: str
) -> None:
    change(journal, how)
    before = journal.read_bytes()
    done = cli("run", "--resume", str(journal))
    assert done.returncode == 4
    assert words in done.stderr
    assert journal.read_bytes() == before
    results = cli.json("run", "--resume", str(journal), "--allow-changed")
    assert any(words in text for text in results["run"]["changed"])
    assert any(words in warning["text"] for warning in results["warnings"])


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
@pytest.mark.parametrize("args", [[], ["--allow-changed"], ["--allow-changed", "--trust-adapter"]])
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


@pytest.mark.parametrize(
    "how",
    [
        lambda plan: plan.update(run_id="x"),
        lambda plan: plan.update(started_at="../../x"),
        lambda plan: plan.update(seed=-1),
        lambda plan: plan.update(order=[*plan["order"], plan["order"][0]]),
        lambda plan: plan["order"][0].update(case_id="none"),
        lambda plan: plan["cases"][0].update(target="torch@cpu:7"),
        lambda plan: plan.update(targets=[]),
        lambda plan: plan["environment"].clear(),
        lambda plan: plan["suite"].update(name="x" * 5000),
        lambda plan: plan["targets"][0].update(target="simulated@sim"),
        lambda plan: plan["targets"][0].update(target="nothing"),
    ],
)
def test_a_plan_that_does_not_hold_together_is_refused(
    cli: Cli, journal: Path, how: Change
) -> None:
    change(journal, how)
    done = cli("run", "--resume", str(journal), "--allow-changed")
    assert done.returncode in (2, 4), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
