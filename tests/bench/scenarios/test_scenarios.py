"""What each scenario asks of a session, and what it says it saw."""

from __future__ import annotations

import pytest

from bench import scenarios
from bench.scenarios import offline, single_stream, sustained
from bench.scenarios.scenario import Options

from .loads import MS, fake, load

NONE = Options()


def test_a_module_adds_a_scenario() -> None:
    assert {"offline", "single-stream", "sustained"} <= set(scenarios.names())
    assert all(scenarios.get(name).headline for name in scenarios.names())
    for name in ("collect", "scenario", "os", "single_stream"):
        with pytest.raises(KeyError):
            scenarios.get(name)


def test_single_stream_times_host_to_host() -> None:
    one = load(items=1, session={"stage_ns": 1000, "fetch_ns": 500})
    seen = single_stream.observe(one, NONE)
    assert seen.series.keys() == {"latency"} and not seen.windows
    assert set(seen.series["latency"].samples) == {MS + 1500}
    assert seen.series["latency"].items_per_sample == 1
    assert fake(one).calls[:7] == [
        "synchronize",
        *["stage 0", "run 0", "fetch"],
        "stage 1",
        "run 1",
        "fetch",
    ]


def test_single_stream_keeps_the_device_busy_where_power_is_read() -> None:
    one = load(power=True, items=8, energy_s=2.0)
    seen = single_stream.observe(one, NONE)
    (window,) = seen.windows
    assert window.name == "latency"
    assert window.start_ns >= seen.series["latency"].end_ns
    assert 2.0e9 <= window.end_ns - window.start_ns <= 2.3e9
    assert window.items == (window.end_ns - window.start_ns) / MS * 8


def test_offline_queues_rounds_of_a_twentieth_of_a_second() -> None:
    one = load(items=16)
    seen = offline.observe(one, NONE)
    resident = seen.series["round"]
    assert set(resident.samples) == {50 * MS}
    assert resident.items_per_sample == 50 * 16
    assert resident.stopped_by == "confidence"


def test_a_run_longer_than_a_round_is_a_round() -> None:
    seen = offline.observe(load(lambda number: 80 * MS, items=4), NONE)
    assert set(seen.series["round"].samples) == {80 * MS}
    assert seen.series["round"].items_per_sample == 4


def test_a_round_is_never_shorter_than_that() -> None:
    seen = offline.observe(load(lambda number: 30 * MS), NONE)
    assert set(seen.series["round"].samples) == {60 * MS}


def test_offline_leaves_transfers_out_and_measures_them_apart() -> None:
    one = load(session={"stage_ns": 200_000, "fetch_ns": 300_000})
    seen = offline.observe(one, NONE)
    assert set(seen.series["round"].samples) == {50 * MS}
    assert set(seen.series["end_to_end_round"].samples) == {75 * MS}
    calls = fake(one).calls
    assert calls[:5] == [f"stage {slot}" for slot in range(4)] + ["synchronize"]
    resident = calls[: calls.index("fetch") - 2]
    staged = [i for i, call in enumerate(resident) if call.startswith("stage")]
    assert len(staged) == 2 * 4  # before the size of a round is found, and before the first round
    assert sum(call.startswith("run") for call in resident[: staged[-1]]) == 2


def test_the_first_run_does_not_set_the_size_of_rounds() -> None:
    seen = offline.observe(load(lambda number: 900 * MS if number == 0 else MS), NONE)
    assert seen.series["round"].items_per_sample == 50


def test_offline_divides_its_budget_between_both_figures() -> None:
    def noisy(number: int) -> float:
        return MS * (1 + number // 50 % 5)  # every round takes another time

    seen = offline.observe(load(noisy, budget_s=10.0), NONE)
    resident, outside = seen.series["round"], seen.series["end_to_end_round"]
    assert resident.stopped_by == outside.stopped_by == "budget"
    assert (resident.end_ns - resident.start_ns) / 1e9 == pytest.approx(7, rel=0.15)
    assert (outside.end_ns - outside.start_ns) / 1e9 == pytest.approx(3, rel=0.15)


def test_both_figures_of_offline_go_over_their_budgets_for_six_rounds() -> None:
    seen = offline.observe(load(lambda number: MS * (150 + number % 7), budget_s=1.0), NONE)
    for name, series in seen.series.items():
        assert len(series.samples) - series.warmup == 6, name
        assert series.stopped_by == "extended", name
    slow = offline.observe(load(lambda number: 2000 * MS, budget_s=1.0), NONE)
    assert [series.stopped_by for series in slow.series.values()] == ["limit", "limit"]


def test_the_energy_of_offline_is_that_of_resident_rounds() -> None:
    seen = offline.observe(load(power=True, items=2, energy_s=3.0), NONE)
    (window,) = seen.windows
    assert window.name == "round"
    assert seen.series["round"].end_ns <= window.start_ns
    assert window.end_ns <= seen.series["end_to_end_round"].start_ns
    assert window.items == (window.end_ns - window.start_ns) / MS * 2


def test_sustained_keeps_every_round_of_its_time() -> None:
    one = load(items=4)
    seen = sustained.observe(one, sustained.Options(length_s=20.0))
    rounds = seen.series["round"]
    assert rounds.stopped_by == "time"
    assert 20.0e9 <= rounds.end_ns - rounds.start_ns <= 20.1e9
    assert len(rounds.samples) - rounds.warmup == 400
    (window,) = seen.windows
    assert (window.start_ns, window.end_ns) == (rounds.start_ns, rounds.end_ns)
    assert window.items == 400 * rounds.items_per_sample == 400 * 50 * 4


def test_sustained_shows_a_card_that_slows_down() -> None:
    seen = sustained.observe(
        load(lambda number: MS * (1 if number < 5000 else 2)), sustained.Options(length_s=10.0)
    )
    rounds = seen.series["round"]
    measured = rounds.samples[rounds.warmup :]
    assert (measured[0], measured[-1]) == (50 * MS, 100 * MS)
    assert rounds.warmup < 0.1 * len(rounds.samples)


def test_a_long_sustained_load_has_longer_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sustained, "MAX_ROUNDS", 100)
    seen = sustained.observe(load(), sustained.Options(length_s=60.0))
    rounds = seen.series["round"]
    assert 50 < len(rounds.samples) - rounds.warmup <= 101
    assert rounds.samples[-1] >= 0.6e9
