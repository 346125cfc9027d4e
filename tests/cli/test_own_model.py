"""A person's own ONNX model through the command line."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tests.cli.test_run_faults import wait_for_trials
from tests.conftest import Cli

RUN = ["run", "smoke", "-s", "single-stream", "-t", "onnxruntime@cpu:0"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A matrix product with two free axes: the batch and the sequence."""
    weights = np.random.default_rng(0).random((8, 4), np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", "length", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", "length", 4])],
        [helper.make_tensor("w", TensorProto.FLOAT, weights.shape, weights.tobytes(), raw=True)],
    )
    path = tmp_path / "own.onnx"
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


def test_it_runs_with_the_same_rules(cli: Cli, model: Path) -> None:
    model = model.rename(model.with_name("检测 2.onnx"))
    results = cli.json(*RUN, "--onnx", str(model), "--shape", "x=2x5x8")
    (case,) = results["cases"]
    assert (case["model"], case["status"], case["items_per_run"]) == ("检测-2", "ok", 2)
    assert [path.name.split("-", 1)[1] for path in (cli.folder / "results").glob("*.json")] == [
        "检测-2.json"
    ]
    assert case["trials"][0]["parts"][0]["fidelity"]["passed"]
    assert case["trials"][0]["parts"][0]["placement"]["share"] == 1.0
    assert case["parameters"] == 32


def test_free_axes_are_named_with_what_to_write(cli: Cli, model: Path) -> None:
    done = cli(*RUN, "--onnx", str(model))
    assert done.returncode == 4
    assert "length" in done.stderr
    assert "--shape x=" in done.stderr


def test_a_torch_target_says_what_to_give_instead(cli: Cli, model: Path) -> None:
    args = ["run", "smoke", "-s", "single-stream", "-t", "torch@cpu:0", "--onnx", str(model)]
    (case,) = cli.json(*args, "--shape", "x=2x5x8", code=3)["cases"]
    assert case["status"] == "unsupported"
    assert "onnxruntime target" in case["reason"]


@pytest.mark.parametrize("content", [b"", b"not onnx at all", b"\x08\x07\x12\x04abc"])
def test_what_is_not_onnx_is_refused(cli: Cli, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    done = cli(*RUN, "--onnx", str(path))
    assert done.returncode == 4
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_truncated_model_is_refused(cli: Cli, model: Path) -> None:
    model.write_bytes(model.read_bytes()[:-40])
    done = cli(*RUN, "--onnx", str(model), "--shape", "x=2x5x8")
    assert done.returncode == 4
    assert "Traceback" not in done.stderr


def test_without_a_target_it_runs_where_an_onnx_file_can(cli: Cli, model: Path) -> None:
    own = model.rename(model.with_name("my own v2.onnx"))
    args = ["run", "smoke", "-s", "single-stream", "--onnx", str(own), "--shape", "x=2x5x8"]
    results = cli.json(*args)
    targets = {target["target"] for target in results["targets"]}
    assert "onnxruntime@cpu:0" in targets
    assert {case["status"] for case in results["cases"]} == {"ok"}
    assert not {one for one in targets if one.startswith(("torch", "simulated"))}
    (path,) = (cli.folder / "results").iterdir()  # named after the model
    assert re.fullmatch(r"\d+T\d+-my-own-v2\.json", path.name)


def test_a_killed_run_goes_on_with_the_same_file_alone(cli: Cli, model: Path) -> None:
    args = [*RUN, "--onnx", str(model), "--shape", "x=2x5x8", "--trials", "3", "-o", "r.json"]
    run = cli.start(*args)
    wait_for_trials(cli.folder / "r.json.journal", 1)
    run.kill()
    run.communicate()
    whole = model.read_bytes()
    model.write_bytes(whole[:-1] + b"!")
    changed = cli("run", "--resume", "r.json.journal", "--allow-changed")
    assert changed.returncode == 4
    assert "is not the file any more that the run began with" in changed.stderr
    model.write_bytes(whole)
    results = cli.json("run", "--resume", "r.json.journal", "--out", "r.json")
    assert [trial["status"] for trial in results["cases"][0]["trials"]] == ["ok"] * 3


def write(path: Path, nodes: list[onnx.NodeProto], *weights: onnx.TensorProto, n: int = 4) -> Path:
    """A model from `x` of 1 x n numbers to `y`, of any size."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "hostile",
        [value("x", TensorProto.FLOAT, [1, n])],
        [value("y", TensorProto.FLOAT, None)],
        weights,
    )
    opset = [helper.make_opsetid("", 17)]
    path.write_bytes(
        helper.make_model(graph, opset_imports=opset, ir_version=8).SerializeToString()
    )
    return path


def test_inputs_that_no_memory_holds_are_refused(cli: Cli, tmp_path: Path) -> None:
    path = write(tmp_path / "wide.onnx", [helper.make_node("Identity", ["x"], ["y"])], n=1 << 40)
    done = cli(*RUN, "--onnx", str(path))
    assert done.returncode == 4
    assert "GiB of memory are free" in done.stderr


def test_a_tensor_that_no_memory_holds(cli: Cli, tmp_path: Path) -> None:
    size = helper.make_tensor("size", TensorProto.INT64, [3], [1 << 20, 1 << 20, 4])
    path = write(tmp_path / "big.onnx", [helper.make_node("Expand", ["x", "size"], ["y"])], size)
    (case,) = cli.json(*RUN, "--onnx", str(path), code=3)["cases"]
    assert case["status"] == "out-of-memory"
    assert case["reason"].startswith("memory ran out while the model was prepared: ")


def test_a_model_that_never_ends(cli: Cli, tmp_path: Path) -> None:
    value = helper.make_tensor_value_info
    more = helper.make_node("Identity", ["more"], ["still"])
    body = helper.make_graph(
        [more, helper.make_node("Neg", ["v"], ["next"])],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("more", TensorProto.BOOL, []),
            value("v", TensorProto.FLOAT, [1, 4]),
        ],
        [value("still", TensorProto.BOOL, []), value("next", TensorProto.FLOAT, [1, 4])],
    )
    times = helper.make_tensor("times", TensorProto.INT64, [], [1 << 62])
    yes = helper.make_tensor("yes", TensorProto.BOOL, [], [True])
    loop = helper.make_node("Loop", ["times", "yes", "x"], ["y"], body=body)
    path = write(tmp_path / "loop.onnx", [loop], times, yes)
    suite = tmp_path / "short.toml"
    suite.write_text(
        'name = "short"\nversion = 1\n[measure]\ntimeout_s = 4\nbudget_s = 0.1\n[[cases]]\n'
        'models = ["resnet8"]\nscenarios = ["single-stream", "offline"]\n'
    )
    args = ["run", str(suite), "-t", "onnxruntime@cpu:0", "--onnx", str(path)]
    cases = cli.json(*args, code=3)["cases"]
    assert [case["status"] for case in cases] == ["timeout", "timeout"]
    assert "did not end within 4 s" in cases[1]["reason"]
