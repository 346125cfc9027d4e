"""Device locks, against real processes."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.errors import DeviceBusy, HetbenchError
from bench.system.lock import DeviceLocks

HOLD = """
import subprocess, sys, time
from bench.system.lock import DeviceLocks
with DeviceLocks(sys.argv[2:], "hetbench run quick", wait_s=float(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.readline()
print("released", flush=True)
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HETBENCH_LOCKS", str(tmp_path / "locks"))
    return tmp_path / "locks"


class Other:
    """Another process that takes locks, and lets go when told to."""

    def __init__(self, *keys: str, wait_s: float = 0, script: str = HOLD) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(wait_s), *keys],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def release(self) -> None:
        self.process.communicate("\n", timeout=20)

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate(timeout=20)


@pytest.fixture
def others() -> Iterator[list[Other]]:
    started: list[Other] = []
    yield started
    for other in started:
        other.kill()


def test_refused_with_who_holds_it_since_when(others: list[Other]) -> None:
    others.append(Other("cpu:0", "cuda:0"))
    assert others[0].line() == "held"
    with pytest.raises(DeviceBusy) as refused, DeviceLocks(["cuda:0"], "hetbench ab"):
        pass
    text = str(refused.value)
    year = time.strftime("%Y", time.gmtime())
    assert text.startswith("cuda:0 is in use by hetbench run quick")
    assert f"process {others[0].process.pid}" in text and f"since {year}-" in text


def test_other_devices_are_free(others: list[Other]) -> None:
    others.append(Other("cuda:0"))
    assert others[0].line() == "held"
    with DeviceLocks(["cuda:1", "cpu:0"], "x"):
        pass


def test_all_or_none(others: list[Other]) -> None:
    others.append(Other("b"))
    assert others[0].line() == "held"
    with pytest.raises(DeviceBusy, match=r"^b is in use"), DeviceLocks(["c", "b", "a"], "x"):
        pass
    others.append(Other("a", "c"))  # neither was kept
    assert others[1].line() == "held"


def test_waits_for_the_holder(others: list[Other]) -> None:
    others.append(Other("npu:0"))
    assert others[0].line() == "held"
    said: list[str] = []

    def let_go(problem: str) -> None:
        said.append(problem)
        others[0].release()

    with DeviceLocks(["npu:0"], "x", wait_s=20, on_wait=let_go) as locks:
        assert len(said) == 1 and "npu:0 is in use by hetbench run quick" in said[0]
        assert not locks.left_behind  # it was released properly


def test_waiting_ends(others: list[Other]) -> None:
    others.append(Other("npu:0"))
    assert others[0].line() == "held"
    start = time.monotonic()
    with pytest.raises(DeviceBusy), DeviceLocks(["npu:0"], "x", wait_s=0.5):
        pass
    assert time.monotonic() - start >= 0.5


def test_a_killed_holder_is_taken_over(others: list[Other]) -> None:
    others.append(Other("cuda:0"))
    assert others[0].line() == "held"
    others[0].kill()
    with DeviceLocks(["cuda:0", "cuda:1"], "x") as locks:
        left = locks.left_behind
    assert set(left) == {"cuda:0"}
    assert left["cuda:0"].pid == others[0].process.pid
    assert left["cuda:0"].command == "hetbench run quick"
    with DeviceLocks(["cuda:0"], "x") as locks:
        assert not locks.left_behind


@pytest.mark.parametrize(
    "child",
    [
        "subprocess.Popen(['sleep', '300'], close_fds=False).pid",
        "os.fork() or time.sleep(300)",
    ],
    ids=["exec", "fork"],
)
def test_a_child_that_outlives_the_holder_holds_nothing(others: list[Other], child: str) -> None:
    script = HOLD.replace("import ", "import os, ").replace(
        'print("held", flush=True)', f'print({child} or "", flush=True)'
    )
    others.append(Other("cuda:0", script=script))
    orphan = int(others[0].line())
    others[0].process.kill()
    others[0].process.wait(20)
    try:
        # A forked child lets go as soon as it runs, which may be after its parent was killed.
        with DeviceLocks(["cuda:0"], "x", wait_s=120):
            os.kill(orphan, 0)  # it is still there, and would be for minutes
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_many_at_once_never_overlap_or_deadlock(others: list[Other], tmp_path: Path) -> None:
    script = """
import sys, time
from bench.system.lock import DeviceLocks
for _ in range(5):
    with DeviceLocks(sys.argv[2:], "x", wait_s=60):
        with open("LOG", "a") as log:
            print("in", file=log, flush=True)
            time.sleep(0.01)
            print("out", file=log, flush=True)
""".replace("LOG", str(tmp_path / "log"))
    for keys in (("a", "b"), ("b", "a"), ("b", "c", "a")):
        others.append(Other(*keys, script=script))
    for other in others:
        assert other.process.wait(60) == 0
    assert (tmp_path / "log").read_text().split() == ["in", "out"] * 15


def test_released_after_an_error() -> None:
    with pytest.raises(ZeroDivisionError), DeviceLocks(["a"], "x"):
        raise ZeroDivisionError
    with DeviceLocks(["a"], "x"):
        pass


def test_every_user_may_lock(folder: Path) -> None:
    mask = os.umask(0o077)
    try:
        with DeviceLocks(["a"], "x"):
            (file,) = folder.iterdir()
            assert stat.S_IMODE(folder.stat().st_mode) == 0o1777
            assert stat.S_IMODE(file.stat().st_mode) == 0o666
    finally:
        os.umask(mask)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can act as two users")
def test_users_exclude_each_other(monkeypatch: pytest.MonkeyPatch, others: list[Other]) -> None:
    with tempfile.TemporaryDirectory() as parent:  # pytest's own folders are private
        Path(parent).chmod(0o755)
        monkeypatch.setenv("HETBENCH_LOCKS", f"{parent}/locks")
        with DeviceLocks(["b"], "x"):
            pass
        others.append(Other("a", script=HOLD.replace("with", "import os; os.setuid(65534)\nwith")))
        assert others[0].line() == "held"
        with pytest.raises(DeviceBusy, match="hetbench run quick"), DeviceLocks(["a"], "x"):
            pass
        others[0].release()
        with DeviceLocks(["a"], "x"):
            pass


def test_names_never_collide(folder: Path) -> None:
    keys = ["pci 0000:01:00.0", "pci-0000-01-00.0", "GPU/../../x", "x" * 500, "设备"]
    with DeviceLocks(keys, "x"):
        files = list(folder.iterdir())
        assert len(files) == len(keys)
        assert all(len(file.name) < 100 for file in files)


def _planted(folder: Path) -> Path:
    """The path of the lock file of `a`, with the folder made and nothing in it."""
    with DeviceLocks(["a"], "x"):
        (file,) = folder.iterdir()
    file.unlink()
    return file


def test_a_planted_link_is_refused_and_its_target_untouched(folder: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("data")
    for plant in (os.symlink, os.link):
        file = _planted(folder)
        plant(precious, file)
        with pytest.raises(HetbenchError, match="cannot use the lock file"), DeviceLocks(["a"], ""):
            pass
        assert precious.read_text() == "data"
        file.unlink()


def test_a_planted_pipe_is_refused_without_hanging(folder: Path) -> None:
    os.mkfifo(_planted(folder))
    with pytest.raises(HetbenchError), DeviceLocks(["a"], "x"):
        pass


HUGE = '{"pid": 1e400, "command": "a", "user": "b", "started": "c"}'


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', "[" * 4000, "\0" * 9000, HUGE])
def test_junk_in_a_lock_file_is_no_obstacle(folder: Path, text: str) -> None:
    file = _planted(folder)
    file.write_text(text)
    with DeviceLocks(["a"], "x") as locks:
        assert not locks.left_behind


def test_what_others_wrote_is_shown_without_control_characters(folder: Path) -> None:
    file = _planted(folder)
    file.write_text('{"pid": 1, "command": "\\u001b[2Jx", "user": "u", "started": "now"}')
    with DeviceLocks(["a"], "x") as locks:
        assert locks.left_behind["a"].command == r"\x1b[2Jx"


def test_a_folder_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "none/below", Path("/proc/hetbench")):
        monkeypatch.setenv("HETBENCH_LOCKS", str(path))
        with pytest.raises(HetbenchError, match="set HETBENCH_LOCKS"), DeviceLocks(["a"], "x"):
            pass


def test_the_folder_does_not_depend_on_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    from bench.system import lock

    monkeypatch.delenv("HETBENCH_LOCKS")
    before = lock._folder()
    monkeypatch.setenv("TMPDIR", "/somewhere/private")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/1000")
    assert lock._folder() == before
    assert before.parent in (Path("/run/lock"), Path("/tmp"))
