"""What a results file may cost its reader: memory, decoding and rendering are bounded.

Each hostile file here is small; each limit still lets the largest real runs through.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.errors import RefusedInput
from bench.report import table
from bench.results import file as results_file
from bench.results.file import parse
from bench.results.records import Case, Results
from bench.results.telemetry import SensorRecord, Telemetry
from bench.results.trial import Trial
from bench.sensor import Channel, Quantity

from ..examples import part, results, samples, series, trial

TEXT = results().model_dump_json()
DOCUMENT = json.loads(TEXT)
MEMORY_MIB = 400
"""Of which the interpreter and its imports are a hundred."""


def put(value: str) -> str:
    """The small valid file with a value where the kernel's name should be."""
    return TEXT.replace('"kernel":"6.1"', f'"kernel":{value}')


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    document = json.loads(TEXT)
    change(document)
    return json.dumps(document)


def numbered(count: int) -> dict[str, int]:
    return {f"{number:x}": number for number in range(count)}


def bomb(n: int) -> dict[str, Any]:
    """Samples that say they are n and take next to nothing in the file."""
    return {"dtype": "int64", "n": n, "data": ""}


def bombs(document: dict[str, Any]) -> None:
    (part,) = document["cases"][0]["trials"][0]["parts"]
    one = {**part["series"]["latency"], "samples": bomb(4_000_000)}
    part["series"] = {str(i): one for i in range(200)}


def many_cases(count: int) -> str:
    case = json.dumps({**DOCUMENT["cases"][0], "trials": [], "summary": {}})
    return changed(lambda d: d.update(cases="CASES")).replace(
        '"CASES"', f"[{case}" + f",{case}" * count + "]"
    )


ATTACKS: dict[str, tuple[Callable[[], str], str]] = {
    "objects": (
        lambda: put("[{}" + ",{}" * 5_000_000 + "]"),
        "more than 2000000 objects and lists",
    ),
    "lists": (lambda: put("[[]" + ",[]" * 5_000_000 + "]"), "more than 2000000 objects and lists"),
    "numbers": (lambda: put("[1" + ",1" * 9_000_000 + "]"), "or 8000000 values, the most"),
    "objects within the limit": (
        lambda: put("[{}" + ",{}" * 1_900_000 + "]"),
        "environment.kernel",
    ),
    "keys": (lambda: put(json.dumps(numbered(500_000))), "more than 300 keys"),
    "unknown keys": (lambda: changed(lambda d: d.update(numbered(500_000))), "more than 300 keys"),
    "a long key": (lambda: changed(lambda d: d.update({"k" * 10_000_000: 1})), "kkk...: Extra"),
    "a long text": (lambda: put(f'"{"x" * 10_000_000}"'), "at most 500 characters"),
    "wrong cases": (lambda: changed(lambda d: d.update(cases=[1] * 3_000_000)), "cases.0: Input"),
    "wrong order": (
        lambda: changed(lambda d: d["run"].update(order=[1] * 3_000_000)),
        "run.order.0",
    ),
    "warnings": (
        lambda: changed(lambda d: d.update(warnings=[{"text": ""}] * 20_001)),
        "warnings: ",
    ),
    "trials": (
        lambda: changed(lambda d: d["cases"][0].update(trials=d["cases"][0]["trials"] * 400)),
        "cases.0.trials: List should have at most 1000 items",
    ),
    "parts": (
        lambda: changed(
            lambda d: d["cases"][0]["trials"][0].update(
                parts=d["cases"][0]["trials"][0]["parts"] * 65
            )
        ),
        "cases.0.trials.0.parts: List should have at most 64 items",
    ),
    "targets": (lambda: changed(lambda d: d.update(targets=d["targets"] * 1_001)), "targets: List"),
    "cases": (lambda: many_cases(20_000), "cases: List should have at most 20000 items"),
    "samples": (lambda: changed(bombs), "its samples are more than 4 GiB when unpacked"),
    "records of unknown keys": (
        lambda: changed(
            lambda d: d["cases"][0]["trials"][0].update(
                {key: {f"{i}": numbered(299) for i in range(64)} for key in ("parts", "metrics")}
            )
        ),
        " problems",
    ),
    "many records": (
        lambda: changed(lambda d: d["cases"][0].update(summary={f"{i}": {} for i in range(65)})),
        "an object holds more than 64 others",
    ),
}
"""What -> (the file's text, what its refusal says)."""


SHOW = """
import atexit, sys
from pathlib import Path
file, peak = sys.argv[1:]
status = lambda: Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]
atexit.register(lambda: Path(peak).write_text(status()))
sys.argv = ["hetbench", "show", file]
from bench.cli import main
main()
"""
"""Shows a file and notes its peak memory in KiB. What wait4 tells would count the parent's memory,
which a child has until it starts its own program."""


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_hostile_file_is_refused_in_one_sentence_and_little_memory(
    attack: str, tmp_path: Path
) -> None:
    make, said = ATTACKS[attack]
    file = tmp_path / "hostile.json"
    file.write_text(make())
    peak = tmp_path / "peak"
    done = subprocess.run(
        [sys.executable, "-c", SHOW, str(file), str(peak)],
        capture_output=True,
        text=True,
        env={**os.environ, "HETBENCH_LANG": "en"},
        check=False,
    )
    assert done.returncode == 4, done.stderr[-1000:]
    assert said in done.stderr.replace("\n", " ") and len(done.stderr) < 1_000
    assert int(peak.read_text()) < MEMORY_MIB << 10


class Counting(list[Case]):
    """A list that counts how many cases are taken from it."""

    taken = 0

    def __iter__(self) -> Iterator[Case]:
        for case in super().__iter__():
            self.taken += 1
            yield case


def fleet(targets: int, cases: int) -> Results:
    """Every case on every target, one trial each."""
    small = results()
    names = [f"torch@cuda:{number}" for number in range(targets)]
    return small.model_copy(
        update={
            "targets": [small.targets[0].model_copy(update={"target": name}) for name in names],
            "cases": Counting(
                small.cases[0].model_copy(
                    update={"id": f"m{number}/{name}", "model": f"m{number}", "target": name}
                )
                for name in names
                for number in range(cases)
            ),
        }
    )


def test_the_table_looks_at_each_case_as_often_on_one_target_as_on_many() -> None:
    looks = []
    for targets, cases in ((1, 60), (60, 1)):
        shown = fleet(targets, cases)
        table.render(shown)
        assert isinstance(shown.cases, Counting)
        looks.append(shown.cases.taken)
    assert looks[0] == looks[1]


def test_a_fleet_is_shown(tmp_path: Path) -> None:
    text = fleet(64, 45).model_dump_json()
    shown = parse(text, tmp_path)
    assert len(shown.cases) == 64 * 45
    table.render(shown)


SENSORS: dict[str, tuple[int, tuple[Quantity, ...]]] = {
    "nvml": (
        250,
        (
            *("energy_j", "power_w", "temperature_c", "clock_sm_mhz", "clock_memory_mhz"),
            *("utilization_percent", "memory_used_bytes"),
        ),
    ),
    "rapl": (250, ("energy_j",)),
    "ipmi": (25, ("power_w",)),
}
"""Sensor -> readings in 25 s, and the quantities of each."""
DECODED = 8 * (5_000 + sum(3 + n * (2 + len(quantities)) for n, quantities in SENSORS.values()))
"""Bytes of all samples of `full_trial`."""


def full_trial() -> Trial:
    """With as much as a trial of a short latency has: 5000 samples, and the sensors of the card,
    the processor and the node."""
    noise = random.Random(7)
    latency = series([1_000_000 + noise.randrange(50_000) for _ in range(5_000)], warmup=500)

    def sensor(name: str) -> SensorRecord:
        readings, quantities = SENSORS[name]
        return SensorRecord(
            sensor=name,
            device="cuda:0",
            channels=[Channel(quantity, "board", 0.001, 0.1, 0.0) for quantity in quantities],
            missing={},
            facts={"driver": "570.00", "power_limit_w": "700", "ecc": "on"},
            reason=None,
            stamps_ns=samples([10**8 * i + noise.randrange(10**6) for i in range(readings)]),
            durations_ns=samples([noise.randrange(10**6) for _ in range(readings)]),
            values={
                quantity: samples([round(noise.gauss(500, 50), 3) for _ in range(readings)])
                for quantity in quantities
            },
            flags={"power cap": samples([1, 2, 3])},
            failures=0,
            failure=None,
            healthy=True,
            dropped=0,
            cpu_s=0.1,
        )

    telemetry = Telemetry(
        figures=[],
        sensors=[sensor(name) for name in SENSORS],
        idle_start_ns=0,
        idle_end_ns=10**10,
        sampling_cpu_share=0.001,
        warnings=[],
    )
    return trial(parts=[part(series={"latency": latency}, telemetry=telemetry)])


def test_the_largest_suite_on_a_node_of_eight_cards_is_within_the_limits() -> None:
    trials = 8 * 9 * 5 * 30
    text = full_trial().model_dump_json()
    records = text.count("{") + text.count("[")
    assert trials * len(text) < results_file.MAX_BYTES
    assert trials * records < results_file.MAX_RECORDS
    assert trials * (records + text.count(",")) < results_file.MAX_VALUES
    assert trials * DECODED < results_file.MAX_DECODED


def test_samples_of_all_kinds_count(monkeypatch: pytest.MonkeyPatch) -> None:
    case = results().cases[0].model_copy(update={"trials": [full_trial()]})
    document = results(cases=[case]).model_dump_json()
    monkeypatch.setattr(results_file, "MAX_DECODED", DECODED)
    parse(document, Path("x"))
    monkeypatch.setattr(results_file, "MAX_DECODED", DECODED - 1)
    with pytest.raises(RefusedInput, match="when unpacked"):
        parse(document, Path("x"))
