"""Queries of several inferences: what is asked of the session, and exact figures of a run."""

from __future__ import annotations

import pytest

from bench.scenarios import multi_stream
from bench.scenarios.multi_stream import Options

from ...conftest import Cli
from .loads import MS, fake, load


def test_a_query_is_all_its_inferences_from_host_to_host() -> None:
    one = load(items=2, session={"stage_ns": 1000, "fetch_ns": 500})
    seen = multi_stream.observe(one, Options(streams=3))
    query = seen.series["query"]
    assert set(query.samples) == {3 * (MS + 1500)}
    assert query.items_per_sample == 3 * 2 and not seen.windows
    assert fake(one).calls[:4] == ["synchronize", "stage 0", "run 0", "fetch"]
    assert fake(one).runs == 3 * len(query.samples)


def test_its_energy_is_read_over_queries() -> None:
    seen = multi_stream.observe(load(power=True, energy_s=2.0), Options(streams=4))
    (window,) = seen.windows
    assert window.name == "query"
    assert window.items == (window.end_ns - window.start_ns) / MS


def test_the_size_of_a_query_is_bounded() -> None:
    with pytest.raises(ValueError, match="streams must be 1 to 1000"):
        Options(streams=0)


def test_a_run_is_exact(cli: Cli) -> None:
    target = "simulated+latency_us=2000+item_us=100@sim:0"
    (case,) = cli.json("run", "smoke", "-s", "multi-stream", "-b", "1", "-t", target)["cases"]
    assert case["id"].endswith(f"/b1/multi-stream/{target}")
    assert case["scenario_options"] == {"streams": 8}
    assert case["summary"]["latency_p50_ns"]["value"] == pytest.approx(8 * 2.1e6)
    flops = case["flops_per_item"] * 1e9 / 2.1e6
    assert case["summary"]["achieved_flops_per_s"]["value"] == pytest.approx(flops)
