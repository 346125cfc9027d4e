"""Other lengths and image sizes through the command line."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Cli

Write = Callable[..., str]


def test_a_run_at_two_lengths_is_exact_at_each(cli: Cli, suite: Write) -> None:
    path = suite(models='["minilm-l6", "resnet8"]', budget_s=0.05)
    target = "simulated+latency_us=100+token_us=10@sim:0"
    args = ["run", path, "--axis", "sequence=16", "--axis", "sequence=64", "-t", target]
    planned = [case["id"] for case in cli.json(*args, "--dry-run")["cases"]]
    assert planned == [
        f"minilm-l6/fp32/b1xs16/single-stream/{target}",
        f"minilm-l6/fp32/b1xs64/single-stream/{target}",
        f"resnet8/fp32/b1/single-stream/{target}",
    ]
    by_id = {case["id"]: case for case in cli.json(*args, "-o", "r.json")["cases"]}
    assert list(by_id) == planned
    for length, id in zip((16, 64), planned, strict=False):
        case = by_id[id]
        assert case["axes"] == {"sequence": length}
        assert case["batch"] == 1
        latency = case["summary"]["latency_p50_ns"]["value"]
        assert latency == pytest.approx((100 + 10 * length) * 1000)
        assert case["flops_per_item"] == 21_233_664 * length + 9_216 * length**2
        assert case["bytes_per_item"] == 24 * length + 4 * 384
        rate = case["summary"]["achieved_flops_per_s"]["value"]
        assert rate == pytest.approx(case["flops_per_item"] / (latency / 1e9))
    plain = by_id[planned[2]]
    assert plain["axes"] == {}
    assert plain["bytes_per_item"] == 4 * (3 * 32 * 32 + 10)
    assert len({case["version"] for case in by_id.values()}) == 3
    shown = cli("show", "r.json").stdout
    assert "minilm-l6  fp32  single-stream  b1xs16\n" in shown
    assert "minilm-l6  fp32  single-stream  b1xs64\n" in shown


def test_the_published_size_is_shown_like_any_other(cli: Cli, suite: Write) -> None:
    path = suite(models='["minilm-l6"]', budget_s=0.05)
    (case,) = cli.json("run", path, "-t", "simulated@sim:0", "-o", "r.json")["cases"]
    assert case["axes"] == {"sequence": 128}
    row = cli("show", "r.json").stdout.split("minilm-l6")[1].splitlines()[0]
    assert row.split()[:3] == ["fp32", "single-stream", "b1xs128"]


def test_the_batch_search_is_at_the_length_asked_for(cli: Cli, suite: Write) -> None:
    path = suite(models='["minilm-l6"]', budget_s=0.05)
    target = "simulated+latency_us=1000+token_us=10@sim:0"
    args = ["run", path, "-s", "offline", "-t", target]
    (case,) = cli.json(*args, "--axis", "sequence=8")["cases"]
    assert case["id"] == f"minilm-l6/fp32/autoxs8/offline/{target}"
    first, *_, last = case["batch_search"]
    assert first["items_per_s"] == pytest.approx(1e6 / 1080, rel=1e-3)
    assert last["items_per_s"] == pytest.approx(1e6 / (1000 / last["batch"] + 80), rel=1e-3)


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["-m", "resnet8", "--axis", "sequence=64"], "no chosen model has an axis 'sequence'"),
        (["-m", "minilm-l6", "--axis", "image=64"], "they have sequence"),
        (["-m", "minilm-l6", "--axis", "sequence=4096"], "can be 8 to 512, and not 4096"),
        (["-m", "vit-b16", "--axis", "image=100"], "in steps of 16, and not 100"),
        (["-m", "minilm-l6", "--axis", "sequence"], "write it as sequence=512"),
        (["--onnx", "x.onnx", "--axis", "sequence=8"], "--axis is for models of the zoo"),
    ],
)
def test_a_size_that_no_model_has_is_refused(cli: Cli, args: list[str], said: str) -> None:
    done = cli("run", "smoke", "-t", "simulated@sim:0", *args)
    assert done.returncode == 2
    assert said in " ".join(done.stderr.split())


def test_models_tell_their_axes(cli: Cli) -> None:
    cards = {card["name"]: card for card in cli.json("models")}
    assert cards["vit-b16"]["axes"]["image"]["default"] == 224
    assert cards["bert-large"]["flops_per_item"] == 246_425_321_472
    assert "sequence 8 to 512" in cli("models", env={"COLUMNS": "250"}).stdout


@pytest.mark.parametrize("target", ["torch@cpu:0", "onnxruntime@cpu:0"])
def test_minilm_really_runs_at_other_lengths(cli: Cli, suite: Write, target: str) -> None:
    path = suite(models='["minilm-l6"]')
    axes = ["--axis", "sequence=16", "--axis", "sequence=64"]
    precisions = ["-p", "fp32", "-p", "int8"] if "onnx" in target else []
    cases = cli.json("run", path, *axes, *precisions, "-t", target)["cases"]
    assert {case["axes"]["sequence"] for case in cases} == {16, 64}
    for case in cases:
        (trial,) = case["trials"]
        fidelity = trial["parts"][0]["fidelity"]
        assert fidelity["passed"], case["id"]
        assert fidelity["relative_l2"] < {"fp32": 1e-5, "int8": 0.12}[case["precision"]]


@pytest.mark.parametrize("target", ["torch@cpu:0", "onnxruntime@cpu:0"])
def test_vit_really_runs_at_another_image_size(cli: Cli, suite: Write, target: str) -> None:
    path = suite(models='["vit-b16"]')
    (case,) = cli.json("run", path, "--axis", "image=64", "-t", target)["cases"]
    assert case["id"] == f"vit-b16/fp32/b1xi64/single-stream/{target}"
    (trial,) = case["trials"]
    assert trial["parts"][0]["fidelity"]["relative_l2"] < 1e-5
