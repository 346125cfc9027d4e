"""The journal: what was finished is never lost, whatever happens to the writer or the disk."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import HetbenchError, RefusedInput
from bench.results import Trial
from bench.runner.journal import Journal, path_for
from bench.runner.plan import Plan

from ..examples import trial
from .plans import make


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return path_for(tmp_path / "out.json")


@pytest.fixture
def plan() -> Plan:
    return make()


def entry(plan: Plan, number: int = 0) -> dict[str, Any]:
    step = plan.order[number]
    return {"case": step.case_id, "trial": trial(step.index).model_dump(mode="json")}


def written(path: Path, plan: Plan, count: int = 2) -> None:
    with Journal.create(path, plan) as journal:
        for number in range(count):
            journal.append(entry(plan, number))


def test_it_lies_beside_the_results_file() -> None:
    assert path_for(Path("results/a.json")) == Path("results/a.json.journal")


def test_plan_and_entries_come_back(path: Path, plan: Plan) -> None:
    written(path, plan)
    journal, again, entries = Journal.reopen(path)
    with journal:
        assert again == plan
        assert entries == [entry(plan, 0), entry(plan, 1)]
        assert Trial.model_validate(entries[0]["trial"]) == trial(plan.order[0].index)


def test_a_reopened_journal_goes_on(path: Path, plan: Plan) -> None:
    written(path, plan)
    journal, _, _ = Journal.reopen(path)
    with journal:
        journal.append(entry(plan, 2))
    journal, _, entries = Journal.reopen(path)
    with journal:
        assert len(entries) == 3


@pytest.mark.parametrize("torn", ['{"case": "resnet8', "{", "\0\0\0\0", '{"case": 1}'])
def test_the_torn_last_line_is_cut_off(path: Path, plan: Plan, torn: str) -> None:
    written(path, plan)
    whole = path.read_bytes()
    path.write_bytes(whole + torn.encode())
    journal, _, entries = Journal.reopen(path)
    with journal:
        assert len(entries) == 2
        assert path.read_bytes() == whole
        journal.append(entry(plan, 2))
    assert [json.loads(line)["case"] for line in path.read_text().splitlines()[1:]] == [
        step.case_id for step in plan.order[:3]
    ]


@pytest.mark.parametrize("keep", [0.3, 0.7, 0.999])
def test_a_journal_cut_anywhere_keeps_its_whole_lines(path: Path, plan: Plan, keep: float) -> None:
    written(path, plan, 5)
    whole = path.read_bytes()
    first = whole.index(b"\n") + 1
    path.write_bytes(whole[: first + int((len(whole) - first) * keep)])
    journal, again, entries = Journal.reopen(path)
    with journal:
        assert again == plan
        assert len(entries) == int(5 * keep)


def test_damage_before_the_end_is_refused_and_nothing_is_cut(path: Path, plan: Plan) -> None:
    written(path, plan, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b":", b";")
    path.write_bytes(b"".join(lines))
    with pytest.raises(RefusedInput, match="is not a journal, or is damaged in line 3"):
        Journal.reopen(path)
    assert path.read_bytes() == b"".join(lines)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is not a journal of this version of hetbench"),
        (b"no newline", "is not a journal of this version of hetbench"),
        (b"text\nand more\n", "is not a journal, or is damaged in line 1"),
        (b"\x7fELF\x00\n\xff\xfe", "is not a journal, or is damaged in line 1"),
        (b"[1]\n", "is not a journal, or is damaged in line 1"),
        (b"[" * 100_000 + b"\n", "is not a journal, or is damaged in line 1"),
        (b"{}\n{}\n", "is not a journal of this version of hetbench"),
        (b'{"kind": "hetbench-results"}\n', "is not a journal of this version of hetbench"),
        (b'{"kind": "hetbench-journal", "version": 2, "plan": {}}\n', "of this version of hetb"),
        (b'{"kind": "hetbench-journal", "version": 1}\n', "plan: None is not a table"),
        (b'{"kind": "hetbench-journal", "version": 1, "plan": {}}\n', "plan: the key 'run_id' is"),
        (b'{"kind": "hetbench-journal", "version": 1, "plan": {"x": 1}}\n', "plan.x: unknown key"),
    ],
)
def test_a_foreign_file_is_refused_and_left_alone(path: Path, data: bytes, said: str) -> None:
    path.write_bytes(data)
    with pytest.raises(RefusedInput) as refused:
        Journal.reopen(path)
    assert said in str(refused.value) and str(path) in str(refused.value)
    assert path.read_bytes() == data


def test_a_journal_that_is_not_there(path: Path) -> None:
    with pytest.raises(RefusedInput, match=r"cannot open .*: No such file"):
        Journal.reopen(path)


def test_an_unfinished_journal_is_not_written_over(path: Path, plan: Plan) -> None:
    written(path, plan)
    before = path.read_bytes()
    with pytest.raises(RefusedInput, match=r"did not finish; continue it with --resume .*journal"):
        Journal.create(path, plan)
    assert path.read_bytes() == before


def test_a_journal_has_one_writer(path: Path, plan: Plan) -> None:
    with Journal.create(path, plan) as journal:
        torn = path.read_bytes() + b"{"  # as if the other one were in the midst of a line
        path.write_bytes(torn)
        with pytest.raises(HetbenchError, match="belongs to a run that is still going on"):
            Journal.reopen(path)
        assert path.read_bytes() == torn
        journal.remove()
    assert not path.exists()


WRITER = """
import sys
sys.path[:] = {path!r}
from pathlib import Path
from tests.bench.runner.test_journal import Journal, entry, make
plan = make(trials=1000)
with Journal.create(Path(sys.argv[1]), plan) as journal:
    for number in range(1000):
        journal.append(entry(plan, number % 4))
        print(number + 1, flush=True)
"""


@pytest.mark.parametrize("after", [0, 1, 17])
def test_a_killed_writer_loses_nothing_finished(path: Path, after: int) -> None:
    script = WRITER.format(path=[str(Path(__file__).parents[3]), *sys.path])
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    finished = 0
    while finished < after:
        finished = int(writer.stdout.readline())
    while not path.exists() or b"\n" not in path.read_bytes():
        assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    rest = writer.communicate()[0].split()
    finished = int(rest[-1]) if rest else finished
    journal, again, entries = Journal.reopen(path)
    with journal:
        assert len(again.order) == 4000
        assert finished <= len(entries) <= finished + 1
        assert all(Trial.model_validate(one["trial"]).status == "ok" for one in entries)


def fill(journal: Journal, plan: Plan, match: str) -> int:
    """Append until it fails; how many went in."""
    count = 0
    with pytest.raises(HetbenchError, match=match):
        while count < 1000:
            journal.append(entry(plan, count % 4))
            count += 1
    return count


def test_a_full_disk_keeps_what_is_finished(small_disk: Path, plan: Plan) -> None:
    path = small_disk / "out.json.journal"
    with Journal.create(path, plan) as journal:
        count = fill(journal, plan, r"the disk is full: .*journal could not be written; free some")
        assert count > 0
        path.with_name("ballast").touch()
        assert path.read_bytes().endswith(b"\n")
    journal, again, entries = Journal.reopen(path)
    with journal:
        assert (again, len(entries)) == (plan, count)


def limited(size: int, do: Callable[[], object]) -> None:
    """Do something while no file may grow beyond a size."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        do()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_after_a_failed_write_the_next_one_follows_whole_lines(path: Path, plan: Plan) -> None:
    with Journal.create(path, plan) as journal:
        journal.append(entry(plan, 0))
        size = path.stat().st_size
        limited(size + 100, lambda: fill(journal, plan, "cannot write .*: File too large"))
        assert path.stat().st_size == size
        journal.append(entry(plan, 1))
    journal, _, entries = Journal.reopen(path)
    with journal:
        assert entries == [entry(plan, 0), entry(plan, 1)]


def test_a_journal_that_cannot_hold_its_plan_is_not_left_in_the_way(path: Path, plan: Plan) -> None:
    def create() -> None:
        with pytest.raises(HetbenchError, match=r"cannot write .*: File too large"):
            Journal.create(path, plan)

    limited(100, create)
    assert os.listdir(path.parent) == []  # noqa: PTH208
    written(path, plan)


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path, plan: Plan) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HetbenchError, match=r"cannot write .*journal: "):
        Journal.create(tmp_path / "file" / "out.json.journal", plan)
