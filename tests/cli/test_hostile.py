"""Text of others, whatever is in it, acts on no terminal: the bytes of both streams are checked."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from bench.errors import RefusedInput
from bench.results import file as results_file
from tests.conftest import ROOT, Cli

EVIL = (
    "\x1b]0;me\x07\x1b[2J\x9b1A\u202ea\u2066\u200b\u2028\U000e0041\r\nok\t"
    "[bold red]m[/][/no] :boom:"
)
"""Escape sequences, bidirectional and invisible characters, line ends, rich's markup, and emoji."""
SIM = "simulated@sim:0"
TERMINAL = re.compile(r"\x1b\[([0-9;]*m|2K|1A|\?25[lh])|\r")
"""What rich itself writes to a terminal: terminal, and the moves of a line that changes."""


@pytest.fixture
def run(cli: Cli) -> Callable[..., str]:
    """Run a command; everything it wrote must be plain. Gives back both streams as one text."""

    def check(*args: str, code: int | None = None, terminal: bool = False) -> str:
        done = subprocess.run(
            cli.command(*args),
            cwd=cli.folder,
            env={**cli.env, **({"FORCE_COLOR": "1"} if terminal else {})},
            capture_output=True,
            timeout=240,
            check=False,
        )
        written = (done.stdout + done.stderr).decode("utf-8")
        if terminal:
            written = TERMINAL.sub("", written)
        assert "Traceback" not in written
        assert {c for c in written if not c.isprintable() and c != "\n"} == set(), written[:2000]
        assert not [line for line in written.splitlines() if line.strip().startswith("ok\t")]
        if code is not None:
            assert done.returncode == code, written
        return written

    return check


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A results file of two trials and one refused case, as JSON."""
    folder = tmp_path_factory.mktemp("results")
    (folder / "locks").mkdir()
    cli = Cli(folder)
    words = ("-t", SIM, "-m", "resnet8", "-p", "fp32", "-p", "tf32", "-s", "single-stream")
    cli("run", "smoke", *words, "--trials", "1", "-o", "r.json")
    document: dict[str, Any] = json.loads((folder / "r.json").read_text())
    assert {case["status"] for case in document["cases"]} == {"ok", "unsupported"}
    trial = next(case for case in document["cases"] if case["trials"])["trials"][0]
    trial |= {"status": "failed", "reason": "why"}
    trial["parts"][0] |= {"status": "failed", "reason": "why", "stderr_tail": "tail"}
    document["warnings"].append({"text": "a warning", "case": document["cases"][0]["id"]})
    for case in document["cases"]:
        case["reason"] = case["reason"] or "why"
    return document


def places(value: Any, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every text in the document."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from places(inner, (*at, index))
    elif isinstance(value, str):
        yield at


def put(document: Any, at: tuple[Any, ...], value: str) -> str:
    """Set one text; gives back what stood there."""
    for part in at[:-1]:
        document = document[part]
    before, document[at[-1]] = document[at[-1]], value
    return str(before)


@pytest.fixture(scope="module")
def hostile(results: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results file with hostile text wherever the reader takes it, in keys too."""
    path = tmp_path_factory.mktemp("hostile") / "r.json"
    document = json.loads(json.dumps(results))
    taken = 0
    for at in list(places(document)):
        before = put(document, at, EVIL)
        try:
            results_file.parse(json.dumps(document), path)
            taken += 1
        except RefusedInput:
            put(document, at, before)
    for target in document["targets"]:
        target["versions"] = {EVIL: EVIL}
    results_file.parse(json.dumps(document), path)
    assert taken > 20
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("terminal", [False, True])
def test_a_results_file_with_hostile_text_in_every_field(
    run: Callable[..., str], hostile: Path, terminal: bool
) -> None:
    shown = run("show", str(hostile), code=0, terminal=terminal)
    assert r"\x1b[2J\x9b1A\u202ea\u2066\u200b\u2028\U000e0041" in shown.replace("\n", "")
    assert "[bold red]m[/][/no] :boom:" in shown.replace("\n", "")  # no markup, no emoji


def test_json_is_ascii_and_loses_nothing(run: Callable[..., str], hostile: Path) -> None:
    shown = run("show", str(hostile), "--json", code=0)
    assert shown.isascii()
    assert EVIL in json.loads(shown)["targets"][0]["versions"]


def test_refusals_of_results_files_and_journals(run: Callable[..., str], tmp_path: Path) -> None:
    for name, text in {
        "key": json.dumps({"kind": "hetbench-results", "schema_version": "1-draft", EVIL: 1}),
        "version": json.dumps({"kind": "hetbench-results", "schema_version": EVIL}),
        "bare": EVIL,
    }.items():
        path = tmp_path / name
        path.write_text(text)
        run("show", str(path), code=4)
        run("run", "--resume", str(path), code=4)
    path = tmp_path / "plan"
    path.write_text(
        json.dumps({"kind": "hetbench-journal", "version": 1, "plan": {EVIL: 1}}) + "\n"
    )
    run("run", "--resume", str(path), code=4)


TOML = json.dumps(EVIL)  # a JSON string is a TOML string, but for what follows
TOML = TOML.replace("\\udb40\\udc41", "\\U000e0041")


ADAPTERS = [
    f"name = {TOML}",
    f"{TOML} = 1",
    f"name = 'x'\nvendor = {TOML}",
    f"name = 'x'\nvendor = 'x'\nkind = 'x'\n[torch]\ndevice = {TOML}",
    f"name = 'x'\nvendor = 'x'\nkind = 'x'\n[torch]\ndevice = 'x'\nnames = {TOML}",
    f"name = 'x'\nvendor = 'x'\nkind = 'x'\n[torch]\ndevice = 'x'\n{TOML} = 2",
    f"name = 'x'\nvendor = 'x'\nkind = 'x'\n[lists]\ncommand = ['x']\npattern = {TOML}",
    f"name = 'x'\nvendor = 'x'\nkind = 'x'\n[[sensors]]\nkind = 'nvml'\noptions.{TOML} = {TOML}",
    "name = 'x'\nvendor = 'x'\nkind = 'x'\n[[sensors]]\nkind = 'command'\n"
    f"command = [{TOML}, {TOML}]\npatterns.power_w = '(1)'",
    "a = \x1b[2J",
]


@pytest.mark.parametrize("text", ADAPTERS)
def test_adapters(run: Callable[..., str], tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text)
    run("adapter", "show", str(path))
    run("devices", "--adapter", str(path))


def test_a_trusted_adapter_that_runs_something(run: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "a.toml"
    path.write_text(ADAPTERS[-2])
    words = ("--adapter", str(path), "--trust-adapter")
    run("adapter", "show", str(path), "--json", code=0)
    run("adapter", "list", *words, code=0)
    run("run", "smoke", "--dry-run", "-t", "torch@x:0", *words)
    run("adapter", "check", "torch@x:0", *words)


SUITE = (
    "name = {name}\nversion = 1\ntitle = {text}\ntitle_zh = {text}\ntrials = 1\n"
    "[[cases]]\nmodels = [{model}]\nscenarios = ['single-stream']\n"
)


def test_suites(run: Callable[..., str], tmp_path: Path) -> None:
    path = tmp_path / "s.toml"
    for name, text, model in (
        (TOML, TOML, "'resnet8'"),
        ("'x'", TOML, "'resnet8'"),
        ("'x'", "'x'", TOML),
    ):
        path.write_text(SUITE.format(name=name, text=text, model=model))
        run("run", str(path), "--dry-run", "-t", SIM)
        run("run", str(path), "--dry-run", "-t", SIM, "--json")


@pytest.mark.parametrize(
    "words",
    [
        ["run", EVIL],
        ["run", "-m", EVIL],
        ["run", "-t", EVIL],
        ["run", "-s", EVIL],
        ["run", "--trials", EVIL],
        ["run", "--onnx", EVIL],
        ["run", "-t", SIM, "--dry-run", "--shape", EVIL],
        ["run", f"--{EVIL}"],
        ["show", EVIL],
        ["show", "a", EVIL],
        ["adapter", "show", EVIL],
        ["adapter", "new", EVIL],
        ["adapter", "check", EVIL],
        [EVIL],
    ],
)
def test_arguments_which_a_shell_may_make_of_file_names(
    run: Callable[..., str], words: list[str]
) -> None:
    run(*words)


def test_file_names_that_are_no_utf8(run: Callable[..., str], cli: Cli) -> None:
    name = os.fsdecode(b"\xff\xfe.json")
    run("show", name, code=4)
    run("show", "a", name, code=2)


def test_who_holds_a_lock(run: Callable[..., str], cli: Cli) -> None:
    run("run", "smoke", "-t", SIM, "-m", "resnet8", code=0)
    (path,) = (cli.folder / "locks").iterdir()
    record = {"pid": 1, "command": EVIL, "user": EVIL, "started": EVIL}
    path.write_text(json.dumps(record))
    with path.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        shown = run("run", "smoke", "-t", SIM, "-m", "resnet8")
        assert r"\x1b]0;me" in shown
        for terminal in (False, True):
            shown = run("adapter", "check", SIM, "--wait", "0.5", terminal=terminal)
            assert "red]m[/][/no] :boom:" in shown.replace("\n", "")


def test_onnx_files_and_what_their_checker_says(run: Callable[..., str], tmp_path: Path) -> None:
    def model(name: str, operator: str, domain: str = "") -> None:
        value = helper.make_tensor_value_info(EVIL, TensorProto.FLOAT, [1, EVIL])
        node = helper.make_node(operator, [EVIL], [f"{EVIL}y"], name=EVIL, domain=domain)
        out = helper.make_tensor_value_info(f"{EVIL}y", TensorProto.FLOAT, [1, EVIL])
        graph = helper.make_graph([node], EVIL, [value], [out])
        imports = [helper.make_opsetid("", 17), helper.make_opsetid(EVIL, 1)]
        onnx.save(helper.make_model(graph, opset_imports=imports, ir_version=8), tmp_path / name)

    model("operator.onnx", EVIL)
    model("domain.onnx", "Relu", EVIL)
    model("names.onnx", "Relu")
    for name in ("operator", "domain", "names"):
        shown = run("run", "--onnx", str(tmp_path / f"{name}.onnx"), "-t", SIM, "--dry-run")
        assert r"\x1b" in shown


def test_there_is_one_way_out() -> None:
    """Everything is printed by the console, or by the few lines of `common` beside it."""
    ways = re.compile(r"\bConsole\(|\bstd(out|err)\.write\b|\bprint\(|\becho\(")
    found = {
        path.name
        for path in (ROOT / "bench").rglob("*.py")
        if ways.search(path.read_text("utf-8")) and path.name not in {"console.py", "progress.py"}
    }
    assert found == {"common.py", "__init__.py"}
