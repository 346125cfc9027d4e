"""The journal: what was finished is never lost, whatever happens to the writer or the disk."""

from __future__ import annotations

import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DeviceBusy, HetbenchError, RefusedInput, UsageError
from bench.results.trial import Trial
from bench.runner.journal import Journal, path_for, refuse_unfinished
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


def summed(text: bytes) -> bytes:
    """A line with a checksum that is right: what damage is not, but a forger can make."""
    return hashlib.sha256(text).hexdigest()[:16].encode() + b" " + text + b"\n"


def first(**fields: Any) -> bytes:
    return summed(json.dumps({"run": "r", "line": 1, **fields}).encode())


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
    lines = path.read_text().splitlines()[1:]
    assert [json.loads(line.partition(" ")[2])["case"] for line in lines] == [
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
        (b"0123456789abcdef {}\n", "is not a journal, or is damaged in line 1"),
        (b"text\nand more\n", "is not a journal, or is damaged in line 1"),
        (b"\x7fELF\x00\n\xff\xfe", "is not a journal, or is damaged in line 1"),
        (b"[1]\n", "is not a journal, or is damaged in line 1"),
        (b"[" * 100_000 + b"\n", "is not a journal, or is damaged in line 1"),
        (b'{"kind": "hetbench-journal", "version": 1}\n', "is not a journal, or is damaged in"),
        (summed(b"[1]"), "is not a journal, or is damaged in line 1"),
        (summed(b"[" * 100_000), "is not a journal, or is damaged in line 1"),
        (summed(b"{}"), "line 1 of"),
        (first(), "is not a journal of this version of hetbench"),
        (first(kind="hetbench-results"), "is not a journal of this version of hetbench"),
        (first(kind="hetbench-journal", version=1), "of this version of hetbench"),
        (first(kind="hetbench-journal", version=3), "plan: None is not a table"),
        (first(kind="hetbench-journal", version=3, plan={}), "plan: the key 'run_id' is"),
        (first(kind="hetbench-journal", version=3, plan={"x": 1}), "plan.x: unknown key"),
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
    with pytest.raises(UsageError, match=r"did not finish; continue it with --resume .*journal"):
        Journal.create(path, plan)
    assert path.read_bytes() == before


def test_a_journal_of_a_live_run_is_neither_resumed_nor_harmed(path: Path, plan: Plan) -> None:
    with Journal.create(path, plan):
        with pytest.raises(DeviceBusy) as busy:
            refuse_unfinished(path.with_suffix(""))
        assert "still going on" in str(busy.value)
        assert not re.search("delete|remove|resume", str(busy.value))


def test_what_lies_in_the_way_is_not_opened_for_long(path: Path, plan: Plan) -> None:
    os.mkfifo(path)
    with pytest.raises(UsageError, match="is in the way"):
        Journal.create(path, plan)
    with pytest.raises(RefusedInput, match="is not a plain file"):
        Journal.reopen(path)
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(UsageError, match="is in the way"):
        Journal.create(path, plan)
    with pytest.raises(RefusedInput, match="cannot open"):
        Journal.reopen(path)
    assert names(path) == [path.name]


def names(path: Path) -> list[str]:
    return sorted(one.name for one in path.parent.iterdir())


def test_runs_of_the_same_second_get_a_name_each(tmp_path: Path, plan: Plan) -> None:
    out = tmp_path / "a.json"
    out.write_text("an older file")
    found = [Journal.create_beside(out, plan) for _ in range(3)]
    assert [place.name for _, place in found] == ["a-2.json", "a-3.json", "a-4.json"]
    assert found[0][0].path.name == "a-2.json.journal"
    for journal, _ in found:
        journal.remove()
    assert names(out) == ["a.json"]


def test_every_flipped_bit_is_noticed(path: Path, plan: Plan) -> None:
    written(path, plan, 3)
    whole = path.read_bytes()
    lines = whole.splitlines(keepends=True)
    missed = []
    for place in [*range(0, len(whole), 41), *range(len(whole) - 20, len(whole))]:
        for bit in (0, 3, 7):
            damaged = bytearray(whole)
            damaged[place] ^= 1 << bit
            path.write_bytes(damaged)
            number = 1 + whole[:place].count(b"\n")
            try:
                Journal.reopen(path)[0].remove()
                missed.append((place, bit, "accepted"))
            except RefusedInput as refused:
                if not re.search(rf"line {number}\b", str(refused)) and number > 1:
                    missed.append((place, bit, str(refused)))
    assert len(lines) == 4
    assert not missed


@pytest.mark.parametrize("order", [[0, 1, 1, 2], [0, 2, 1], [0, 2], [0, 1, 2, 1]])
def test_lines_that_are_doubled_moved_or_missing_are_refused(
    path: Path, plan: Plan, order: list[int]
) -> None:
    written(path, plan, 2)
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[number] for number in order))
    wrong = next(place for place, number in enumerate(order) if place != number) + 1
    with pytest.raises(RefusedInput, match=f"line {wrong} of .* a line is missing, stands twice"):
        Journal.reopen(path)


def test_a_line_of_another_run_is_refused(path: Path, plan: Plan) -> None:
    written(path, plan, 1)
    other = path.with_name("other.journal")
    written(other, make(), 2)
    last = other.read_bytes().splitlines(keepends=True)[2]
    path.write_bytes(path.read_bytes() + last)
    with pytest.raises(RefusedInput, match="line 3 of"):
        Journal.reopen(path)


def test_a_removed_journal_is_written_again_with_all_it_held(path: Path, plan: Plan) -> None:
    with Journal.create(path, plan) as journal:
        journal.append(entry(plan, 0))
        path.unlink()
        assert not journal.exists()
        journal.append(entry(plan, 1))
        assert journal.exists()
    journal, _, entries = Journal.reopen(path)
    with journal:
        assert entries == [entry(plan, 0), entry(plan, 1)]


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
