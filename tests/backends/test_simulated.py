"""The simulated device: exact when honest, and every fault it can be told to play."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import clocks, registry
from bench.adapter import SensorSpec
from bench.axes import Term
from bench.backend import Backend, Session
from bench.device import Device
from bench.errors import UsageError
from bench.measure import clock
from bench.model import Arrays, InputSpec, ModelCard, Precision, Tolerance
from bench.sensors import make
from bench.sensors import simulated as sensor
from bench.target import Target
from bench.workload import Slot, Workload
from tests.offenders import assert_none

SimulatedBackend: Any = registry.backend("simulated")
ADAPTER = registry.adapters()["simulated"]
CARD = ModelCard(
    name="probe",
    title="",
    family="probe",
    size="lightweight",
    task="",
    parameters=1 << 20,
    flops=(Term(10**9),),
    bytes=(Term(172),),
    published="",
    source="",
    inputs=(InputSpec("a", (3, 5)), InputSpec("b", (4,), "int64", "integers", 0, 9)),
    outputs=("x", "y"),
    precisions=("fp32", "tf32", "bf16", "int8"),
    tolerance={"fp32": Tolerance(1e-5)},
)


def backend(options: str = "") -> Backend:
    words = Target.parse(f"simulated{options}@sim:0").options
    made: Backend = SimulatedBackend(ADAPTER, dict(words))
    return made


def slots(batch: int = 2, count: int = 3) -> list[Slot]:
    rng = np.random.default_rng(0)
    return [
        Slot(
            {
                "a": rng.standard_normal((batch, 3, 5)).astype(np.float32),
                "b": rng.integers(0, 9, (batch, 4)),
            },
            {"batch": batch},
        )
        for _ in range(count)
    ]


def load(
    options: str = "", inputs: list[Slot] | None = None, used: Backend | None = None
) -> tuple[Session, Any]:
    """A session with every slot staged, and the device's clock."""
    used = used or backend(options)
    inputs = inputs or slots()
    session = used.load(workload(inputs[0].axes["batch"]), used.devices()[0], inputs, threads=1)
    for slot in range(len(inputs)):
        session.stage(slot)
    return session, used.clock.now_ns


def workload(batch: int = 2, card: ModelCard = CARD, precision: Precision = "fp32") -> Workload:
    return Workload(card, precision, card.sizes(batch))


def infer(session: Session, slot: int) -> Arrays:
    session.stage(slot)
    session.run(slot)
    return session.fetch()


def wrongness(options: str, runs: int = 1) -> float:
    """Relative L2 of the last of several runs over the slots, against the reference."""
    inputs = slots()
    used = backend(options)
    session, _ = load(inputs=inputs, used=used)
    for run in range(runs):
        outputs = infer(session, run % 3)
    right = used.reference(workload(), inputs[(runs - 1) % 3].arrays)
    assert right is not None
    assert outputs.keys() == right.keys()
    error = [np.linalg.norm(outputs[n] - right[n]) / np.linalg.norm(right[n]) for n in right]
    return float(max(error))


def test_it_needs_no_framework() -> None:
    code = (
        "import sys; from bench import registry; registry.backend('simulated'); "
        "sys.exit('torch' in sys.modules or 'onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_it_says_that_it_is_simulated() -> None:
    used = backend()
    assert used.simulated
    assert used.probe().available
    devices = used.devices()
    assert [device.id for device in devices] == [f"sim:{index}" for index in range(8)]
    assert len({device.locks for device in devices}) == 8
    assert load()[0].facts()["simulated"] == "true"


def test_latency_is_exact() -> None:
    session, now = load("+latency_us=2000+item_us=100+h2d_us=30+d2h_us=7", slots(batch=4))
    session.synchronize()
    assert clock.latencies(session, 3, 0, 5, now) == [2_437_000] * 5


def test_queued_runs_take_device_time_alone() -> None:
    session, now = load("+latency_us=500+h2d_us=100+d2h_us=100")
    assert clock.queued(session, 3, 10, now) == 5_000_000
    session.run(0)
    assert session.device_time_ns(0) == 500_000


def test_run_returns_before_the_work_is_done() -> None:
    session, now = load("+latency_us=500+enqueue_us=2")
    session.synchronize()
    start = now()
    session.run(0)
    assert now() - start == 2_000
    session.synchronize()
    assert now() - start == 500_000


def test_without_times_the_operations_decide() -> None:
    session, now = load()
    assert clock.queued(session, 1, 1, now) == 100_000 + 2 * (20_000 + 20_000)


def test_first_runs_are_slower() -> None:
    session, now = load("+latency_us=100+warmup_runs=2+warmup_factor=5")
    assert clock.latencies(session, 1, 0, 4, now) == [500_000, 500_000, 100_000, 100_000]


def test_throughput_falls_after_some_work() -> None:
    session, now = load("+latency_us=100000+throttle_s=0.2+throttle_share=0.5")
    assert clock.latencies(session, 1, 0, 4, now) == [100_000_000] * 2 + [200_000_000] * 2


def test_jitter_has_its_size_and_repeats_with_its_seed() -> None:
    def sample(seed: int) -> list[int]:
        session, now = load(f"+latency_us=1000+jitter=0.1+seed={seed}")
        return clock.latencies(session, 1, 0, 400, now)

    assert sample(1) == sample(1) != sample(2)
    assert 0.08 < float(np.std(sample(1))) / 1e6 < 0.12


def test_honest_outputs_agree_with_the_reference_item_by_item() -> None:
    assert wrongness("", runs=5) == 0
    inputs = slots(batch=6, count=1)
    used = backend()
    session, _ = load(inputs=inputs, used=used)
    whole = infer(session, 0)["x"]
    single = {name: array[3:4] for name, array in inputs[0].arrays.items()}
    right = used.reference(workload(1), single)
    assert right is not None
    np.testing.assert_allclose(whole[3:4], right["x"], rtol=1e-5)


def test_outputs_depend_on_every_input_value_and_on_what_was_staged() -> None:
    inputs = slots()
    session, _ = load(inputs=inputs)
    before = infer(session, 0)["x"]
    for name, at in (("a", (1, 2, 4)), ("b", (0, 3))):
        inputs[0].arrays[name][at] += 1
        session.run(0)
        np.testing.assert_array_equal(session.fetch()["x"], before)
        after = infer(session, 0)["x"]
        assert (after != before).any()
        before = after


def test_what_was_never_staged_or_run_is_an_error() -> None:
    used = backend()
    session = used.load(workload(), used.devices()[0], slots(), 1)
    with pytest.raises(RuntimeError, match="never staged"):
        session.run(0)
    with pytest.raises(RuntimeError, match="nothing was run"):
        session.fetch()


def test_supports_knows_precision_and_memory() -> None:
    used = backend("+memory_mib=8")
    device = used.devices()[0]
    assert device.memory_bytes == 8 << 20
    assert used.supports(workload(1), device) is None
    assert "no TF32 mode" in str(used.supports(workload(1, precision="tf32"), device))
    large = workload(1, replace(CARD, parameters=3 << 20))
    assert "needs at least 12.0 MiB" in str(used.supports(large, device))


def test_activations_run_out_of_memory_at_load() -> None:
    used = backend("+memory_mib=8+item_mib=1")
    load(inputs=slots(batch=3), used=used)
    with pytest.raises(RuntimeError, match="bytes of memory") as caught:
        load(inputs=slots(batch=5), used=used)
    assert used.is_out_of_memory(caught.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ("+latency=5", "latency_us"),
        ("+fault=crash", "crash-segv"),
        ("+latency_us=fast", "not a number"),
        ("+levels=1,fast", "levels=fast is not a number"),
        ("+levels=1,0", "a run must take time"),
        ("+latency_us=nan", "at least 0"),
        ("+item_us=-1", "at least 0"),
        ("+latency_us=0", "must take time"),
        ("+fault=nan+phase=load", "ends a trial"),
        ("+fault=raise+phase=probe", "phase"),
        ("+wall=yes", "0 or 1"),
        ("+enqueue_us=0", "above 0"),
    ],
)
def test_wrong_options_are_usage_errors(options: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        backend(options)


PLAY = """
import resource, sys
from tests.backends.test_simulated import infer, load
resource.setrlimit(resource.RLIMIT_AS, (1 << 30, 1 << 30))
session, _ = load(sys.argv[1])
infer(session, 0)
print("one run went well", flush=True)
infer(session, 1)
"""


def play(options: str, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", PLAY, options],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a buffer a core would fill the limit
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


@pytest.mark.parametrize(
    ("fault", "returncode", "says"),
    [
        ("crash-segv", -11, ""),
        ("crash-kill", -9, ""),
        ("exit", 3, ""),
        ("memory-error", 1, "MemoryError"),
        ("allocate+allocate_mib=2048", 1, "MemoryError"),
        ("raise", 1, "error 507035"),
    ],
)
def test_faults_that_end_a_trial_are_real(fault: str, returncode: int, says: str) -> None:
    done = play(f"+fault={fault}+after=1")
    assert done.returncode == returncode
    assert done.stdout == "one run went well\n"
    assert f"simulated fault: {fault.split('+')[0]}" in done.stderr
    assert says in done.stderr


def test_a_fault_may_come_at_load() -> None:
    done = play("+fault=exit+phase=load")
    assert (done.returncode, done.stdout) == (3, "")


@pytest.mark.parametrize(("fault", "survives"), [("hang", False), ("hang-deaf", True)])
def test_a_hang_is_a_hang(fault: str, survives: bool) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", PLAY, f"+fault={fault}"],
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stderr is not None
        assert "simulated fault" in process.stderr.readline()
        while survives and not ignores(process.pid, signal.SIGTERM):
            time.sleep(0.05)
        process.terminate()
        if survives:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.3)
            process.kill()
        assert process.wait(60) == -(signal.SIGKILL if survives else signal.SIGTERM)


def ignores(pid: int, number: int) -> bool:
    """Whether the process ignores that signal."""
    (mask,) = re.findall(r"SigIgn:\s+(\w+)", Path(f"/proc/{pid}/status").read_text())
    return bool(int(mask, 16) >> (number - 1) & 1)


@pytest.mark.parametrize("fault", ["nan", "wrong", "constant", "stale-fetch"])
def test_wrong_outputs_are_wrong_from_their_run_on(fault: str) -> None:
    assert wrongness(f"+fault={fault}+after=3", runs=3) == 0
    assert not wrongness(f"+fault={fault}+after=3", runs=4) < 0.1


def test_cache_ignores_changed_inputs() -> None:
    inputs = slots()
    session, _ = load("+fault=cache", inputs)
    before = infer(session, 0)["x"]
    assert (infer(session, 1)["x"] != before).any()
    inputs[0].arrays["a"][...] += 1
    np.testing.assert_array_equal(infer(session, 0)["x"], before)


def test_early_sync_returns_before_the_work_is_done() -> None:
    session, now = load("+latency_us=500+fault=early-sync")
    assert clock.queued(session, 1, 10, now) == 10 * 1_000
    session.fetch()
    assert now() == 5_000_000


def test_too_fast_is_beyond_the_limit_of_the_device() -> None:
    used = backend("+latency_us=500+fault=too-fast")
    session, now = load(used=used, inputs=slots(batch=64))
    operations = 100 * 64 * 10**9 / (clock.queued(session, 1, 100, now) / 1e9)
    assert operations > 5 * float(used.devices()[0].properties["peak_flops"])


def test_unstable_devices_differ() -> None:
    honest, used = backend(), backend("+fault=unstable-devices")
    assert honest.devices() == honest.devices()
    assert used.devices() != used.devices()


def test_lying_supports_says_yes_to_what_fails() -> None:
    used = backend("+fault=lying-supports")
    lied = workload(precision="tf32")
    device = used.devices()[0]
    assert used.supports(lied, device) is None
    with pytest.raises(RuntimeError, match="TF32"):
        used.load(lied, device, slots(), 1)


def test_a_leak_grows_by_the_run() -> None:
    session, _ = load("+fault=leak")
    before = session.peak_memory_bytes()
    for _ in range(5):
        session.run(0)
    after = session.peak_memory_bytes()
    assert before is not None
    assert after == before + (5 << 20)


def test_wrong_error_is_not_recognised_as_out_of_memory() -> None:
    used = backend("+memory_mib=5+item_mib=1+fault=wrong-error")
    with pytest.raises(ValueError, match="could not be served") as caught:
        load(used=used)
    assert not used.is_out_of_memory(caught.value)


def test_fallback_says_so() -> None:
    placement = load("+fault=fallback")[0].placement()
    assert placement is not None
    assert placement.share == 0.1
    assert load()[0].placement() is None


def test_a_device_may_be_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path))
    session, _ = load("+fault=holds-device")
    session.close()
    done = play("+fault=holds-device")
    assert done.returncode == 1
    assert "BlockingIOError" in done.stderr
    assert play("").returncode == 0


def device(options: str = "+wall=1") -> Device:
    found: Device = backend(options).devices()[0]
    return found


class Hands:
    """A wall clock that a test moves: a microsecond a look, and as long as is slept."""

    def __init__(self) -> None:
        self.now_ns = 10**12
        self.slept_s = 0.0

    def monotonic_ns(self) -> int:
        self.now_ns += 1000
        return self.now_ns

    perf_counter_ns = monotonic_ns

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def hands(monkeypatch: pytest.MonkeyPatch) -> Hands:
    """The time of the device and of its sensor."""
    made = Hands()
    for module in (clocks, sensor):
        monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(clocks.HostClock, "now_ns", staticmethod(made.perf_counter_ns))
    return made


def test_no_power_without_wall_time_and_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(sensor.FOLDER_VARIABLE, raising=False)
    probe = make(SensorSpec(kind="simulated"), device()).probe()
    assert not probe.channels
    assert sensor.FOLDER_VARIABLE in str(probe.reason)
    monkeypatch.setenv(sensor.FOLDER_VARIABLE, str(tmp_path))
    probe = make(SensorSpec(kind="simulated"), device("")).probe()
    assert not probe.channels
    assert "+wall=1" in str(probe.reason)


@pytest.mark.parametrize(
    ("options", "busy_w"),
    [
        ("", 80.0),
        ("+fault=power-flat", 30.0),
        ("+fault=power-absurd", 5000.0),
        ("+fault=power-negative", -50.0),
    ],
)
def test_power_follows_the_load(
    options: str,
    busy_w: float,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hands: Hands,
) -> None:
    assert hands.slept_s == 0
    monkeypatch.setenv(sensor.FOLDER_VARIABLE, str(tmp_path))
    options = f"+wall=1+latency_us=100000+power_w=80+idle_w=30{options}"
    watched = make(SensorSpec(kind="simulated"), device(options))
    assert watched.probe().channels
    assert watched.read().values["power_w"] == 30.0  # nothing was ever loaded
    session, _ = load(options)
    assert watched.read().values["power_w"] == 30.0
    first = watched.read()
    session.run(0)
    busy = watched.read()
    session.synchronize()
    after = watched.read()
    session.close()
    assert hands.slept_s == pytest.approx(0.1, rel=0.05)
    assert busy.values["power_w"] == busy_w
    assert after.values["power_w"] == 30.0
    spent_j = after.values["energy_j"] - first.values["energy_j"]
    idle_s = (after.stamp_ns - first.stamp_ns) / 1e9 - 0.1
    assert spent_j == pytest.approx(busy_w * 0.1 + idle_s * 30.0)
    again, _ = load("+wall=1")
    assert watched.read().values["energy_j"] > after.values["energy_j"]  # the counter goes on
    again.close()


def test_wall_time_is_waited_for_at_the_end_of_the_queue(hands: Hands) -> None:
    session, _ = load("+wall=1+latency_us=20000")
    session.synchronize()
    start, slept = hands.now_ns, hands.slept_s
    for _ in range(3):
        session.run(0)
    assert hands.slept_s == slept
    session.fetch()
    assert hands.slept_s - slept == pytest.approx(0.06, rel=0.05)  # the rest of it is spun
    assert hands.now_ns - start >= 60_000_000


def test_wall_time_really_passes() -> None:
    session, _ = load("+wall=1+latency_us=20000")
    start = time.monotonic_ns()
    session.run(0)
    session.fetch()
    assert time.monotonic_ns() - start >= 20_000_000


def test_levels_are_taken_in_turn_by_the_processes_of_a_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (
        "from tests.backends.test_simulated import infer, load\n"
        "for _ in range(2):\n"  # a second session of the same process is on the same level
        "    session, now = load('+latency_us=1000+levels=1,2.5')\n"
        "    start = now(); infer(session, 0); print(now() - start)\n"
    )
    monkeypatch.setenv(sensor.FOLDER_VARIABLE, str(tmp_path / "state"))
    found = [
        subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        ).stdout.split()
        for _ in range(3)
    ]
    assert found == [["1000000"] * 2, ["2500000"] * 2, ["1000000"] * 2]


def test_levels_need_a_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(sensor.FOLDER_VARIABLE, raising=False)
    with pytest.raises(UsageError, match="levels are kept in a folder; set HETBENCH_SIMULATED"):
        load("+levels=1,2")


def test_a_file_that_is_no_state_is_said_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(sensor.FOLDER_VARIABLE, str(tmp_path))
    (tmp_path / "sim-0.state").write_bytes(b"nonsense")
    assert "holds no state" in str(make(SensorSpec(kind="simulated"), device()).probe().reason)


def test_every_fault_is_described_and_told_in_the_results(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HETBENCH_CACHE", str(tmp_path))
    faults = sys.modules[SimulatedBackend.__module__].FAULTS
    assert_none(fault for fault, text in faults.items() if not text)
    told = {}
    for fault in faults:
        session, _ = load(f"+fault={fault}")
        told[fault] = session.facts().get("fault")
        session.close()
    assert told == {fault: fault for fault in faults}
