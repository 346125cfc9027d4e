"""How a simulated device is scripted: target options, and the table of faults it can play."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from bench import registry
from bench.errors import UsageError
from bench.sensors.simulated import IDLE_W

STOPS = {
    "crash-segv": "the process dies by SIGSEGV",
    "crash-kill": "the process dies by SIGKILL, as by the kernel's out-of-memory killer",
    "exit": "the process ends with exit code 3 and no word",
    "memory-error": "raises MemoryError",
    "allocate": "takes allocate_mib of host memory, for a real limit to stop",
    "hang": "never returns",
    "hang-deaf": "never returns and ignores SIGTERM",
    "raise": "raises RuntimeError",
}
"""Faults that end a trial; `phase` says whether in load or in run."""
DISHONESTIES = {
    "nan": "one output is NaN",
    "wrong": "outputs are wrong numbers of the right size",
    "early-sync": "synchronize returns before the work is done",
    "cache": "outputs are kept by slot: changed inputs change nothing",
    "constant": "outputs are the same whatever the inputs",
    "stale-fetch": "fetch gives the outputs of the run before the last",
    "unstable-devices": "devices differ from one listing to the next",
    "lying-supports": "says yes to tf32, which it cannot run",
    "leak": "host and device memory grow by 1 MiB a run",
    "power-flat": "power does not move with load",
    "power-absurd": "draws 5000 W under load",
    "power-negative": "draws -50 W under load",
    "too-fast": "ten times as many operations a second as the device's limit",
    "holds-device": "keeps the device to itself until the process ends: a second one cannot load",
    "wrong-error": "raises ValueError when its memory runs out",
    "fallback": "nine of ten nodes ran on the CPU",
}
"""Faults that a check of conformance has to find."""
FAULTS: dict[str, str] = {**STOPS, **DISHONESTIES}


@dataclass(frozen=True, slots=True)
class Settings:
    """Target options by their own names, as in `simulated+latency_us=2000+item_us=100@sim:0`."""

    latency_us: float | None = None
    """Device time of a run, whatever the batch."""
    item_us: float | None = None
    """Device time of each item."""
    token_us: float | None = None
    """Device time of each token of each item, of models with an axis `sequence`: of a decoder that
    of the prefill. With none of the three given, a run takes 100 us, 20 us an item, and its
    operations at half of the device's limit; with one given, the others are 0."""
    decode_us: float = 1000.0
    """Device time of a decoder's step, whatever the batch."""
    kv_kib: float = 0.0
    """Device memory that each token takes that a decoder has seen or made, of every row."""
    jitter: float = 0.0
    """Standard deviation of the device time, as a share of it."""
    seed: int = 0
    warmup_runs: int = 0
    """The first runs of a session are slower, by `warmup_factor`."""
    warmup_factor: float = 3.0
    levels: str = ""
    """Factors of the device time such as `1,1,1.7`: one a process that loads on the device, in
    turn, for trials that differ. The turn is kept in the folder of the device's state."""
    throttle_s: float = 0.0
    """After so many seconds of work throughput falls by `throttle_share`; 0: never."""
    throttle_share: float = 0.2
    enqueue_us: float = 1.0
    """Host time of `run`, which the device's work hides."""
    h2d_us: float = 0.0
    """Device time of `stage`."""
    d2h_us: float = 0.0
    """Time of `fetch` after the work is done."""
    memory_mib: float = 16384.0
    item_mib: float = 0.0
    """Device memory that each item of a batch takes beside weights and inputs."""
    power_w: float = 100.0
    idle_w: float = IDLE_W
    wall: bool = False
    """Take real time, and publish power; else time is the device's own and exact."""
    fault: str = ""
    after: int = 0
    """Runs of a session that go well before the fault."""
    phase: str = "run"
    """For faults that end a trial: `load` or `run`."""
    allocate_mib: int = 1024

    @property
    def factors(self) -> tuple[float, ...]:
        """The levels; raises UsageError."""
        return tuple(_number("levels", word) for word in self.levels.split(",") if self.levels)

    @property
    def busy_w(self) -> float:
        """What it says it draws under load."""
        lies = {"power-flat": self.idle_w, "power-absurd": 5000.0, "power-negative": -50.0}
        return lies.get(self.fault, self.power_w)


def read(options: Mapping[str, str]) -> Settings:
    """The settings that target options ask for; raises UsageError."""
    fields = {field.name: field for field in dataclasses.fields(Settings)}
    values: dict[str, object] = {}
    for name, text in options.items():
        if name not in fields:
            raise registry.unknown("option of the simulated device", name, fields)
        values[name] = _value(name, text, str(fields[name].type))
    settings = Settings(**values)  # type: ignore[arg-type]
    if settings.fault and settings.fault not in FAULTS:
        raise registry.unknown("fault", settings.fault, FAULTS)
    if settings.phase not in ("load", "run"):
        raise registry.unknown("phase", settings.phase, ("load", "run"))
    if settings.phase == "load" and settings.fault not in STOPS:
        raise UsageError(
            f"only a fault that ends a trial has a phase; these do: {', '.join(STOPS)}"
        )
    given = [t for t in (settings.latency_us, settings.item_us, settings.token_us) if t is not None]
    if given and not any(given):
        raise UsageError("latency_us, item_us and token_us are 0, and a run must take time")
    if settings.decode_us <= 0:
        raise UsageError("decode_us must be above 0, as a step must take time")
    if 0 in settings.factors:
        raise UsageError(f"levels={settings.levels} holds a 0, and a run must take time")
    if settings.enqueue_us <= 0 or not settings.throttle_share < 1:
        raise UsageError("enqueue_us must be above 0 and throttle_share below 1")
    return settings


def _value(name: str, text: str, kind: str) -> object:
    if kind == "str":
        return text
    if kind == "bool":
        if text not in ("", "0", "1"):
            raise UsageError(f"{name}={text} must be 0 or 1")
        return text != "0"
    return _number(name, text, int if kind == "int" else float)


def _number(name: str, text: str, kind: type[float] = float) -> float:
    try:
        number = kind(text)
    except ValueError:
        raise UsageError(f"{name}={text} is not a number") from None
    if not 0 <= number < 1e12:
        raise UsageError(f"{name}={text} must be at least 0 and below 1e12")
    return number
