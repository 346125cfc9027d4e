"""Where results go: nothing that is there is harmed, nothing measured is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.test_run_faults import wait_for_trials
from tests.conftest import Cli

Write = Callable[..., str]
SIM = "simulated+latency_us=1000@sim:0"
SLOW = "simulated+wall=1+latency_us=3000@sim:0"


def quick(cli: Cli, suite: str, *args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
    return cli("run", suite, "-t", SIM, *args, **kwargs)


def test_an_existing_file_stays_unless_forced(cli: Cli, suite: Write) -> None:
    (cli.folder / "r.json").write_text("mine")
    done = quick(cli, suite(), "-o", "r.json")
    assert done.returncode == 2
    assert "--force" in done.stderr
    assert (cli.folder / "r.json").read_text() == "mine"
    assert "[1/1]" not in done.stderr
    assert quick(cli, suite(), "-o", "r.json", "--force").returncode == 0
    assert json.loads((cli.folder / "r.json").read_text())["kind"] == "hetbench-results"


@pytest.mark.parametrize("kind", ["folder", "fifo", "device", "link"])
@pytest.mark.parametrize("command", ["run", "check"])
def test_out_that_is_no_file_is_refused_before_anything_runs(
    cli: Cli, suite: Write, kind: str, command: str
) -> None:
    out = cli.folder / "out"
    if kind == "folder":
        out.mkdir()
    elif kind == "fifo":
        os.mkfifo(out)
    elif kind == "link":
        out.symlink_to("victim")
    elif os.geteuid() == 0:
        os.mknod(out, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    else:
        pytest.skip("making a device node needs root")
    before = out.lstat()
    args = ["run", suite(), "-t", SIM] if command == "run" else ["adapter", "check", SIM]
    for force in ([], ["--force"]):
        done = cli(*args, "-o", "out", *force)
        assert done.returncode == 2, done.stderr
        assert "out is" in done.stderr
    assert (out.lstat().st_ino, out.lstat().st_mode) == (before.st_ino, before.st_mode)
    assert not (cli.folder / "victim").exists()
    assert not any((cli.folder / "locks").iterdir())


@pytest.mark.parametrize(
    ("out", "code", "words"),
    [
        ("x" * 300, 6, "too long"),
        ("x" * 250, 6, "too long"),
        ("file/r.json", 6, "Not a directory"),
        ("a\nb.json", 2, "cannot be printed"),
    ],
)
def test_out_that_cannot_be(cli: Cli, suite: Write, out: str, code: int, words: str) -> None:
    (cli.folder / "file").touch()
    done = quick(cli, suite(), "-o", out)
    assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    assert "[1/1]" not in done.stderr


def test_a_suite_s_name_makes_no_path(cli: Cli, suite: Write) -> None:
    path = Path(suite())
    path.write_text(path.read_text().replace('name = "tiny"', 'name = "../../up/\\u001b[31m"'))
    done = quick(cli, str(path), "--json")
    assert done.returncode == 0, done.stderr
    (made,) = (cli.folder / "results").iterdir()
    assert made.name.endswith("-up-31m.json")
    assert json.loads(done.stdout)["path"] == f"results/{made.name}"


def test_a_shell_loop_over_eight_cards_makes_eight_files(cli: Cli, suite: Write) -> None:
    path = suite()
    runs = [cli.start("run", path, "-t", f"simulated@sim:{card}", "--json") for card in range(8)]
    ends = [(*run.communicate(timeout=240), run.returncode) for run in runs]
    assert [code for _, _, code in ends] == [0] * 8, ends
    paths = [json.loads(out)["path"] for out, _, _ in ends]
    assert len(set(paths)) == 8
    assert sorted(p.name for p in (cli.folder / "results").iterdir()) == sorted(
        Path(one).name for one in paths
    )
    for card, one in enumerate(paths):
        stored = json.loads((cli.folder / one).read_text())
        assert stored["targets"][0]["target"] == f"simulated@sim:{card}"


def test_a_file_that_appears_meanwhile_is_left_and_nothing_is_lost(cli: Cli, suite: Write) -> None:
    run = cli.start("run", suite(trials=2), "-t", SLOW, "-o", "r.json", "--json")
    wait_for_trials(cli.folder / "r.json.journal", 1)
    (cli.folder / "r.json").write_text("another's")
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert json.loads(out)["path"] == "r-2.json"
    assert "stays" in err
    assert (cli.folder / "r.json").read_text() == "another's"
    assert json.loads((cli.folder / "r-2.json").read_text()) == json.loads(out)["results"]


def test_a_removed_folder_is_made_again(cli: Cli, suite: Write) -> None:
    run = cli.start("run", suite(trials=3), "-t", SLOW, "-o", "sub/r.json", "--json")
    wait_for_trials(cli.folder / "sub/r.json.journal", 1)
    shutil.rmtree(cli.folder / "sub")
    wait_for_trials(cli.folder / "sub/r.json.journal", 2)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 0, err
    assert [one.name for one in (cli.folder / "sub").iterdir()] == ["r.json"]
    assert len(json.loads(out)["results"]["cases"][0]["trials"]) == 3


def test_what_cannot_be_written_where_it_belongs_goes_elsewhere(
    cli: Cli, suite: Write, tmp_path: Path
) -> None:
    """The folder becomes a file: neither journal nor results can be written there any more."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    env = {"TMPDIR": str(temporary)}
    run = cli.start("run", suite(trials=4), "-t", SLOW, "-o", "sub/r.json", "--json", env=env)
    wait_for_trials(cli.folder / "sub/r.json.journal", 2)
    shutil.rmtree(cli.folder / "sub")
    (cli.folder / "sub").touch()
    out, err = run.communicate(timeout=60)
    assert run.returncode == 6, err
    assert "cannot write sub/r.json" in err
    document = json.loads(out)
    assert document["error"]["exit_code"] == 6
    assert document["journal"] is None
    assert Path(document["path"]).is_relative_to(temporary)
    stored = json.loads(Path(document["path"]).read_text())
    assert stored == document["results"]
    assert len([t for t in stored["cases"][0]["trials"] if t["status"] == "ok"]) >= 2


def test_an_error_before_the_first_trial_leaves_no_journal(cli: Cli, suite: Write) -> None:
    (cli.folder / "cache").write_text("no folder")
    env = {"HETBENCH_CACHE": str(cli.folder / "cache" / "in")}
    done = cli("run", suite(), "-t", "torch@cpu:0", "-o", "r.json", env=env)
    assert done.returncode == 6, done.stderr
    assert not list(cli.folder.glob("r.json*"))


def test_an_interrupted_trial_has_no_figures(cli: Cli, suite: Write) -> None:
    target = "simulated+wall=1+latency_us=3000+fault=hang@sim:0"
    run = cli.start("run", suite(trials=2), "-t", target, "-o", "r.json", "--json")
    journal = cli.folder / "r.json.journal"
    deadline = time.monotonic() + 60
    while not journal.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(1.5)
    run.send_signal(signal.SIGINT)
    out, err = run.communicate(timeout=60)
    assert run.returncode == 130, err
    document = json.loads(out)
    assert document["journal"] == "r.json.journal"
    for trial in document["results"]["cases"][0]["trials"]:
        assert trial["status"] == "interrupted"
        assert (trial["position"], trial["wall_s"], trial["parts"]) == (None, None, [])


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small tmpfs needs root")
def test_a_full_lock_folder_stops_no_run(cli: Cli, suite: Write) -> None:
    mount = ["mount", "-t", "tmpfs", "-o", "size=4k", "tmpfs", str(cli.folder / "locks")]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this container may not mount a tmpfs")
    try:
        (cli.folder / "locks" / "ballast").write_bytes(b"x" * 4096)
        done = quick(cli, suite(), "-o", "r.json")
        assert done.returncode == 0, done.stderr
    finally:
        subprocess.run(["umount", str(cli.folder / "locks")], check=True)


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ("version = 1", "version = -1", "suite.version"),
        ("version = 1", f"version = {2**53}", "suite.version"),
        ('name = "tiny"', f'name = "{"n" * 600}"', "suite.name"),
    ],
)
def test_what_could_not_be_stored_is_refused_before_anything_is_measured(
    cli: Cli, suite: Write, old: str, new: str, where: str
) -> None:
    path = Path(suite())
    path.write_text(path.read_text().replace(old, new, 1))
    done = quick(cli, str(path), "-o", "r.json")
    assert done.returncode == 4, done.stderr
    assert f"no results file can be made of this run: {where}: " in done.stderr
    assert "[1/1]" not in done.stderr and "Traceback" not in done.stderr
    assert not list(cli.folder.glob("r.json*"))


def test_variables_that_are_no_text_are_stored_as_escapes(cli: Cli, suite: Write) -> None:
    env = {"OMP_PROC_BIND": os.fsdecode(b"\xff"), "ASCEND_HOME_PATH": os.fsdecode(b"/opt/\xe4sc")}
    done = quick(cli, suite(), "-o", "r.json", env=env)
    assert done.returncode == 0, done.stderr
    stored = json.loads((cli.folder / "r.json").read_text())["environment"]["variables"]
    assert stored["OMP_PROC_BIND"] == r"\xff"
    assert stored["ASCEND_HOME_PATH"] == r"/opt/\xe4sc"


def test_a_reader_that_has_gone_is_no_verdict(cli: Cli, suite: Write) -> None:
    assert quick(cli, suite(), "-o", "r.json").returncode == 0
    for words in (["show", "r.json"], ["suites"], ["show", "r.json", "--json"]):
        read_end, write_end = os.pipe()
        os.close(read_end)
        done = subprocess.run(
            cli.command(*words),
            cwd=cli.folder,
            env=cli.env,
            stdout=write_end,
            stderr=subprocess.PIPE,
            check=False,
        )
        os.close(write_end)
        assert (done.returncode, done.stderr) == (0, b"")


def test_a_report_is_kept_though_it_cannot_be_printed(cli: Cli) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            cli.command("adapter", "check", SIM, "-o", "r.md"),
            cwd=cli.folder,
            env=cli.env,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 6
    assert (cli.folder / "r.md").read_text().startswith("# Conformance of")
