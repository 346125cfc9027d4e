"""Every exit code, and errors under --json: one JSON document, whatever went wrong."""

from __future__ import annotations

import json
import resource
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.conftest import Cli

Write = Callable[..., str]


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (["run", "quik"], 2, "no suite is called"),
        (["run", "--nonsense"], 2, "--nonsense"),
        (["run", "smoke", "-t", "simulated@sim:0", "--trials", "0"], 2, "--trials"),
        (["nonsense"], 2, "nonsense"),
        (["run", "smoke", "--wait", "nan"], 2, "--wait"),
        (["run", "--onnx", "m.onnx", "--shape", "x=1y3"], 2, "x=1y3"),
        (["show", "nowhere.json"], 4, "cannot read nowhere.json"),
        (["run", "smoke", "-t", "torch@npu:0"], 5, "torch@npu:0 is not available"),
        (["adapter", "new", "A"], 2, "cannot be the name of an adapter"),
        (["adapter", "check", "torch@npu:0"], 5, "is not available"),
        (["run", "smoke", "-t", "simulated@sim:0", "-o", "/proc/a/b"], 6, "cannot write /proc/a/b"),
    ],
)
def test_errors_are_json_where_json_was_asked_for(
    cli: Cli, args: list[str], code: int, words: str
) -> None:
    done = cli(*args, "--json")
    assert done.returncode == code, done.stderr
    error = json.loads(done.stdout)["error"]
    assert error["exit_code"] == code
    assert words in error["message"]
    assert "Traceback" not in done.stderr
    assert words.split()[0] in done.stderr


def test_an_error_in_chinese_is_stored_in_english(cli: Cli) -> None:
    done = cli("run", "quik", "--json", env={"HETBENCH_LANG": "zh"})
    assert "no suite is called" in json.loads(done.stdout)["error"]["message"]
    assert "没有名为" in done.stderr


def test_run_names_its_file(cli: Cli, suite: Write) -> None:
    done = cli("run", suite(), "-t", "simulated@sim:0", "-o", "r.json", "--json")
    document = json.loads(done.stdout)
    assert document.keys() == {"path", "journal", "results"}
    assert (document["path"], document["journal"]) == ("r.json", None)
    assert document["results"] == json.loads((cli.folder / "r.json").read_text())


def test_new_names_its_files(cli: Cli) -> None:
    assert cli.json("adapter", "new", "acme") == {"files": ["acme.toml"]}
    assert cli.json("adapter", "new", "acme", code=2)["error"]["exit_code"] == 2


def test_new_does_not_write_through_a_link(cli: Cli) -> None:
    (cli.folder / "acme.toml").symlink_to("victim")
    assert cli("adapter", "new", "acme").returncode == 2
    assert not (cli.folder / "victim").exists()


EMPTY = '[[cases]]\nmodels = []\nscenarios = ["single-stream"]\n'
OTHERS = '[[cases]]\nmodels = ["resnet8"]\nscenarios = ["single-stream"]\nbackends = ["torch"]\n'


@pytest.mark.parametrize(
    ("cases", "words"), [("", "lists no case"), (EMPTY, "lists no case"), (OTHERS, "torch")]
)
@pytest.mark.parametrize("args", [[], ["--dry-run"]])
def test_zero_cases_is_not_success(cli: Cli, cases: str, words: str, args: list[str]) -> None:
    head = 'name = "none"\nversion = 1\ntitle = "x"\ntitle_zh = "x"\n'
    head += "" if cases else "cases = []\n"
    (cli.folder / "none.toml").write_text(head + cases)
    done = cli("run", "none.toml", "-t", "simulated@sim:0", *args)
    assert done.returncode == 2, done.stderr
    assert "nothing to measure" in done.stderr
    assert words in done.stderr
    assert not (cli.folder / "results").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["--wait", "nan"],
        ["--wait", "inf"],
        ["--budget", "nan"],
        ["--budget", "inf"],
        ["--seed", "-1"],
        ["--seed", str(2**32)],
        ["--model", "resnet8", "--onnx", "m.onnx"],
        ["--target", ""],
    ],
)
def test_arguments_are_checked_before_anything_runs(cli: Cli, args: list[str]) -> None:
    done = cli("run", "smoke", "-t", "simulated@sim:0", *args)
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert not (cli.folder / "results").exists()


def test_several_targets_run_in_turn_and_it_says_so(cli: Cli, suite: Write) -> None:
    both = ["-t", "simulated@sim:0", "-t", "simulated@sim:1"]
    assert "are measured in turn, trial by trial" in cli("run", suite(), *both).stderr
    assert "are measured in turn" not in cli("run", suite(), *both[:2]).stderr


@pytest.mark.parametrize(
    "args",
    [
        ["devices", "--json"],
        ["adapter", "check", "simulated+fault=hang@sim:0", "--json"],
        ["run", "smoke", "-t", "torch@cpu:0", "--json"],
    ],
)
def test_ctrl_c_ends_every_command_with_130(cli: Cli, args: list[str]) -> None:
    run = cli.start(*args)
    time.sleep(0.8)
    deadline = time.monotonic() + 30
    while run.poll() is None and time.monotonic() < deadline and not children(run.pid):
        time.sleep(0.02)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    assert "Traceback" not in err
    document = json.loads(out)
    assert "results" in document or document["error"]["exit_code"] == 130


def children(pid: int) -> str:
    done = subprocess.run(
        ["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()


@pytest.mark.parametrize(
    "args",
    [
        ["--help"],
        ["--version"],
        ["models", "--json"],
        ["run", "smoke", "-t", "simulated@sim:0", "-o", "r.json"],
        ["run", "smoke", "-t", "simulated@sim:0", "-o", "r.json", "--json"],
        ["adapter", "new", "acme"],
        ["run", "quik", "--json"],
    ],
)
def test_a_full_standard_output(cli: Cli, args: list[str]) -> None:
    done = shell(cli, f"{shlex.join(cli.command(*args))} > /dev/full")
    assert done.returncode == (2 if "quik" in args else 6), done.stderr
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    if "smoke" in args:
        assert "the results file is r.json" in done.stderr
        assert json.loads((cli.folder / "r.json").read_text())["run"]["complete"]


def test_closed_descriptors_take_nothing_of_a_file(cli: Cli) -> None:
    args = ["run", "smoke", "-t", "simulated@sim:0", "-o", "r.json"]
    done = shell(cli, f"{shlex.join(cli.command(*args))} <&- >&- 2>&-")
    assert done.returncode == 0
    assert json.loads((cli.folder / "r.json").read_text())["run"]["complete"]


def test_a_full_standard_error_ends_no_run(cli: Cli) -> None:
    args = ["run", "smoke", "-t", "simulated@sim:0", "-o", "r.json"]
    done = shell(cli, f"{shlex.join(cli.command(*args))} 2> /dev/full")
    assert done.returncode == 0
    assert "results file: r.json" in done.stdout


def test_a_reader_that_has_seen_enough(cli: Cli) -> None:
    args = ["run", "smoke", "-t", "simulated+fault=wrong@sim:0", "-o", "r.json"]
    done = shell(cli, f"{{ {shlex.join(cli.command(*args))}; echo code $? >&2; }} | true")
    assert "code 1" in done.stderr
    assert "Traceback" not in done.stderr


def shell(cli: Cli, text: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/bash", "-c", text],
        cwd=cli.folder,
        env=cli.env,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        **kwargs,
    )


@pytest.mark.parametrize("descriptors", [6, 10, 20])
def test_few_descriptors_give_a_sentence(cli: Cli, descriptors: int) -> None:
    args = ["run", "smoke", "-t", "simulated@sim:0", "-o", "r.json"]
    done = shell(
        cli,
        f"{shlex.join(cli.command(*args))}",
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors)),
    )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 3, 5, 6), done.stderr
    if done.returncode:
        assert "open files" in done.stderr


def test_no_thread_to_be_had_is_a_sentence(cli: Cli) -> None:
    code = (
        "import threading\n"
        'def start(self): raise RuntimeError("can\'t start new thread")\n'
        "threading.Thread.start = start\n"
        "from bench.cli import main\n"
        "main()\n"
    )
    args = [sys.executable, "-c", code, "run", "smoke", "-t", "simulated@sim:0"]
    done = shell(cli, shlex.join(args))
    assert done.returncode == 3
    assert done.stderr.startswith("hetbench: a limit of the system was met: can't start new")
