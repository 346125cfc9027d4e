"""The kit against every dishonesty that the simulated device can play, and against honest ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import registry
from bench.conformance import check, sensing, session
from bench.conformance.context import Context, Job
from bench.conformance.preparing import probe_model
from bench.conformance.verdict import Report
from bench.sensors.simulated import FOLDER_VARIABLE
from bench.target import Resolved

DISHONESTIES: dict[str, str] = registry.backend("simulated").load.__globals__["DISHONESTIES"]
PROBE = probe_model().name
MODELS = ("autoencoder", "minilm-l6", PROBE)
WRONG = {
    *(f"fidelity-{name}" for name in MODELS),
    *(f"supports-{precision}" for precision in ("fp32", "bf16", "fp16", "int8")),
}
"""What fails when outputs are wrong from the first run on."""

IN_A_SESSION: dict[str, set[str]] = {
    "": set(),
    "+memory_mib=1024+item_mib=4": set(),
    "+jitter=0.2+h2d_us=50+d2h_us=50": set(),
    "+fault=nan": WRONG | {"inputs-matter", "outputs-repeat", "fetch-last"},
    "+fault=wrong": WRONG,
    "+fault=early-sync": {"sync-waits"},
    "+fault=cache": {"inputs-matter"},
    "+fault=constant": WRONG | {"inputs-matter"},
    "+fault=stale-fetch": WRONG | {"inputs-matter", "outputs-repeat", "fetch-last"},
    "+fault=unstable-devices": {"devices-stable"},
    "+fault=lying-supports": {"supports-tf32"},
    "+fault=too-fast": {"throughput-limit"},
    "+memory_mib=1024+item_mib=4+fault=wrong-error": {"memory-errors"},
    "+fault=fallback": {"placement"},
}
"""Options of the device -> the checks that fail, all of them."""
IN_PROCESSES: dict[str, set[str]] = {
    "": set(),
    "+fault=leak": {"memory-steady"},
    "+fault=holds-device": {"second-process"},
}
WITH_POWER: dict[str, set[str]] = {
    "": set(),
    "+fault=power-flat": {"sensor-simulated-moves"},
    "+fault=power-absurd": {"sensor-simulated-bounds"},
    "+fault=power-negative": {"sensor-simulated-bounds", "sensor-simulated-moves"},
}


def test_every_dishonesty_is_played_here() -> None:
    played = " ".join([*IN_A_SESSION, *IN_PROCESSES, *WITH_POWER])
    assert [name for name in DISHONESTIES if f"fault={name}" not in played] == []


def resolved(options: str) -> Resolved:
    """The simulated device, without asking a process."""
    words = dict(part.partition("=")[::2] for part in options.split("+") if part)
    adapter = registry.adapters()["simulated"]
    backend: Any = registry.backend("simulated")
    device = backend(adapter, words).devices()[0]
    target = f"simulated{options}@sim:0"
    return Resolved(target, "simulated", adapter, words, device, {}, True, 1)


def job(options: str) -> Job:
    """All checks that one process can do, in the order of the report."""
    target = resolved(options)
    cards = [registry.model(name) for name in MODELS]
    files = [
        check.Files(card.name, precision)
        for card in cards
        for precision in ("fp32", "tf32", "bf16", "fp16", "int8")
    ]
    made = check._job(target, cards, files, 7, "fp32", 60.0)
    alone = {"device-freed", "devices-same-elsewhere", "second-process", "busy", "memory-steady"}
    ids = [*check.session_checks(cards), "memory-errors"]
    return replace(made, checks=tuple(id for id in ids if id not in alone))


def failures(report: Report) -> set[str]:
    return {one.id for one in report.checks if one.status == "fail"}


@pytest.mark.parametrize("options", IN_A_SESSION, ids=lambda options: options or "honest")
def test_in_a_session(options: str) -> None:
    context = Context(job(options), lambda event, **fields: None)
    found = {id: session.run(context, id) for id in context.job.checks}
    failed = {id: one.seen for id, one in found.items() if one.status == "fail"}
    assert set(failed) == IN_A_SESSION[options], failed
    assert all(one.seen for one in found.values())


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Report]:
    """The whole kit with one model, in a cache of its own."""
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path))

    def conform(options: str, **settings: float) -> Report:
        cards = [registry.model(PROBE)]
        return check.check(resolved(options), lambda text: None, cards, **settings)

    return conform


@pytest.mark.parametrize("options", IN_PROCESSES, ids=lambda options: options or "honest")
def test_in_processes(options: str, run: Callable[..., Report]) -> None:
    report = run(options)
    assert failures(report) == IN_PROCESSES[options]
    assert report.passed == (not IN_PROCESSES[options])
    assert len(report.checks) == len({one.id for one in report.checks}) > 15
    assert all(one.seen for one in report.checks)


@pytest.mark.parametrize("options", WITH_POWER, ids=lambda options: options or "honest")
def test_with_power(options: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    monkeypatch.setattr(sensing, "LEAST_S", 1.0)
    asked = job(f"+wall=1{options}")
    target = resolved(f"+wall=1{options}")
    load = check._Run(target, asked, lambda text: None)._busy
    found = sensing.check(target.adapter.sensors, target.device, 7, load)
    assert [one.id for one in found] == ["sensor-simulated-bounds", "sensor-simulated-moves"]
    assert {one.id for one in found if one.status == "fail"} == WITH_POWER[options], found
    assert "skip" not in {one.status for one in found}


def test_every_check_draws_its_own_inputs(run: Callable[..., Report]) -> None:
    assert run("").seed != run("").seed


def test_a_crash_is_a_failed_check_and_the_rest_goes_on(run: Callable[..., Report]) -> None:
    report = run("+fault=crash-segv+after=20")
    seen = {one.id: one for one in report.checks}
    assert seen[f"fidelity-{PROBE}"].status == "pass"
    assert "SIGSEGV" in seen["memory-steady"].seen
    assert seen["devices-same-elsewhere"].status == "pass"
    assert not report.passed


def test_hangs_are_failed_checks_and_not_waited_for_again(run: Callable[..., Report]) -> None:
    report = run("+fault=hang", limit_s=5.0)
    hung = [one for one in report.checks if "did not end within 5 s" in one.seen]
    assert [one.id for one in hung] == ["supports-fp32", "supports-bf16"]
    assert {one.status for one in hung} == {"fail"}
    assert any("not tried" in one.seen and one.status == "skip" for one in report.checks)


def test_what_a_child_says_is_one_bounded_printable_line() -> None:
    said = check._checked({"id": "x", "status": "great", "seen": "a\x1b[2Jb\n" + "c" * 5000})
    assert (said.status, said.seen[:11], len(said.seen)) == (
        "fail",
        r"a\x1b[2Jb\n",
        check.MAX_SEEN + 3,
    )
