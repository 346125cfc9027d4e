"""The simulated device as a decoder, a trainer and a part of a collective: exact."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench import registry
from bench.axes import Axis, Term
from bench.backend import Backend, Decoder, Session
from bench.errors import UsageError
from bench.measure import clock, inputs
from bench.model import InputSpec, ModelCard, Tolerance
from bench.target import Target
from bench.workload import Rank, Slot, Workload

CARD = ModelCard(
    name="reader",
    title="",
    family="reader",
    size="lightweight",
    task="",
    parameters=1 << 20,
    flops=(Term(10**6, ("sequence",)),),
    bytes=None,
    inputs=(InputSpec("ids", ("sequence",), "int64", "integers", 0, 9),),
    outputs=("logits",),
    precisions=("fp32",),
    tolerance={"fp32": Tolerance(1e-5)},
    axes={"sequence": Axis(16, 4, 64)},
    published="",
    source="",
)
SPEAKER = replace(CARD, name="speaker", decoder=True)
REDUCE = replace(CARD, name="reduce", inputs=(InputSpec("x", ("sequence",)),))
MS = 1_000_000


def backend(options: str = "") -> Backend:
    words = Target.parse(f"simulated{options}@sim:0").options
    made: Backend = registry.backend("simulated")(registry.adapters()["simulated"], dict(words))
    return made


def slots(card: ModelCard, *sizes: tuple[int, int], key: str = "test") -> list[Slot]:
    """A slot for each (batch, sequence)."""
    return [
        inputs.slots(card.inputs, card.sizes(batch, {"sequence": length}), 1, f"{key}/{place}")[0]
        for place, (batch, length) in enumerate(sizes)
    ]


def load(card: ModelCard, used: Backend, given: list[Slot], **fields: Any) -> Any:
    """A session with every slot staged."""
    workload = Workload(card, "fp32", given[0].axes, **fields)
    session = used.load(workload, used.devices()[0], given, 1)
    for slot in range(len(given)):
        session.stage(slot)
    session.synchronize()
    return session


def took(used: Backend, session: Session, work: Callable[[], object]) -> int:
    """Nanoseconds of the device's own time until the work is done."""
    start = used.clock.now_ns()
    work()
    session.synchronize()
    return used.clock.now_ns() - start


def test_slots_of_several_sizes_take_their_own_times_and_give_their_own_rows() -> None:
    used = backend("+latency_us=100+item_us=10+token_us=1")
    session = load(CARD, used, slots(CARD, (4, 16), (1, 64), (2, 4)))
    times = clock.latencies(session, 3, 0, 3, used.clock.now_ns)
    assert times == [(100 + 40 + 64) * 1000, (100 + 10 + 64) * 1000, (100 + 20 + 8) * 1000]
    session.run(1)
    assert session.fetch()["logits"].shape == (1, 10)
    assert not isinstance(session, Decoder)


def test_without_times_the_operations_at_each_length_decide() -> None:
    used = backend()
    session = load(CARD, used, slots(CARD, (1, 4), (1, 64)))
    assert clock.queued(session, 1, 1, used.clock.now_ns) == 120_000 + 80
    assert clock.latencies(session, 2, 1, 1, used.clock.now_ns) == [120_000 + 1280]


# --- decoder -----------------------------------------------------------------------------------


def test_the_prefill_takes_its_tokens_and_a_step_its_own_time() -> None:
    used = backend("+token_us=10+decode_us=700")
    session = load(SPEAKER, used, slots(SPEAKER, (2, 16), (3, 64)))
    assert isinstance(session, Decoder)
    assert took(used, session, lambda: session.run(0)) == 2 * 16 * 10_000
    assert took(used, session, lambda: [session.decode() for _ in range(5)]) == 5 * 700_000
    assert took(used, session, lambda: session.run(1)) == 3 * 64 * 10_000


def test_a_step_is_enqueued_and_returns_before_it_is_done() -> None:
    used = backend("+token_us=10+decode_us=700+enqueue_us=2")
    session = load(SPEAKER, used, slots(SPEAKER, (1, 4)))
    session.run(0)
    session.synchronize()
    start = used.clock.now_ns()
    session.decode()
    assert used.clock.now_ns() - start == 2_000
    session.fetch()
    assert used.clock.now_ns() - start == 700_000


def test_each_step_takes_the_largest_logit_of_the_last_and_sees_all_before() -> None:
    used, (given,) = backend(), slots(SPEAKER, (3, 16))
    workload = Workload(SPEAKER, "fp32", given.axes)
    session = load(SPEAKER, used, [given])
    session.run(0)
    logits = [session.fetch()["logits"]]
    for _ in range(4):
        session.decode()
        logits.append(session.fetch()["logits"])
    assert all(one.shape == (3, 10) for one in logits)
    first = used.reference(workload, given.arrays)
    assert first is not None
    np.testing.assert_array_equal(logits[0], first["logits"])
    for step in range(1, 5):
        chosen = np.stack([one.argmax(1) for one in logits[:step]], 1)
        replayed = used.reference(workload, {**given.arrays, "generated": chosen})
        assert replayed is not None
        np.testing.assert_array_equal(logits[step], replayed["logits"])
    assert not np.array_equal(logits[0], logits[1])
    session.run(0)  # a new prefill ends what was generated before
    np.testing.assert_array_equal(session.fetch()["logits"], logits[0])


def test_decoding_before_a_prefill_is_an_error() -> None:
    session = load(SPEAKER, backend(), slots(SPEAKER, (1, 4)))
    with pytest.raises(RuntimeError, match="nothing was run"):
        session.decode()


def test_memory_grows_by_the_token_of_every_row_until_it_runs_out() -> None:
    used = backend("+kv_kib=512+memory_mib=16")
    session = load(SPEAKER, used, slots(SPEAKER, (2, 4)))
    least = session.peak_memory_bytes()
    session.run(0)
    assert session.peak_memory_bytes() == least + 8 * 512 * 1024
    for step in range(1, 8):  # 12 MiB are free, a step of two rows takes 1 MiB
        session.decode()
        assert session.peak_memory_bytes() == least + (8 + 2 * step) * 512 * 1024
    with pytest.raises(RuntimeError, match="24 tokens take") as caught:
        session.decode()
    assert used.is_out_of_memory(caught.value)


def test_faults_play_in_a_decoder_too() -> None:
    session = load(SPEAKER, backend("+fault=nan"), slots(SPEAKER, (2, 4)))
    session.run(0)
    session.decode()
    assert np.isnan(session.fetch()["logits"]).any()


@pytest.mark.parametrize(
    ("options", "said"),
    [("+token_us=0", "must take time"), ("+decode_us=0", "decode_us must be above 0")],
)
def test_steps_take_time(options: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        backend(options)


# --- trainer -----------------------------------------------------------------------------------


def test_the_loss_falls_by_the_stated_formula() -> None:
    used, given = backend("+latency_us=3000"), slots(CARD, (4, 16), (4, 16))
    session = load(CARD, used, given, purpose="train")
    infer = Workload(CARD, "fp32", given[0].axes)
    made = [used.reference(infer, slot.arrays) for slot in given]
    means = [abs(float(one["logits"].mean())) for one in made if one is not None]
    for step, slot in enumerate((0, 1, 0, 1), 1):
        session.run(slot)
        (name, loss), *rest = session.fetch().items()
        assert (name, rest) == ("loss", [])
        assert loss.shape == ()
        assert loss == pytest.approx((1 + means[slot]) / step)
    assert used.clock.now_ns() == 4 * 3000 * 1000


def test_a_step_does_three_times_the_work_of_an_inference() -> None:
    for purpose, passes in (("infer", 1), ("train", 3)):
        used = backend()
        session = load(CARD, used, slots(CARD, (1, 64)), purpose=purpose)
        taken = clock.queued(session, 1, 1, used.clock.now_ns)
        assert taken == 120_000 + passes * 1280


# --- collective --------------------------------------------------------------------------------


class Part(threading.Thread):
    """One rank, with a clock of its own that starts at 0; arrives late by `late_ns`."""

    def __init__(self, index: int, size: int, store: Path, late_ns: int, options: str = "") -> None:
        super().__init__()
        self.rank, self.late_ns = Rank(index, size, store), late_ns
        self.used = backend(f"+latency_us=1000{options}")
        self.slots = slots(REDUCE, (1, 16), (1, 16), key=f"rank {index}")
        self.done: list[int] = []
        self.outputs: list[Any] = []

    def run(self) -> None:
        session = load(REDUCE, self.used, self.slots, rank=self.rank)
        for slot in (0, 1):
            self.used.clock.wait_until(self.used.clock.now_ns() + self.late_ns)
            session.run(slot)
            self.outputs.append(session.fetch()["logits"])
            self.done.append(self.used.clock.now_ns())


def meet(parts: list[Part]) -> list[Part]:
    for part in parts:
        part.start()
    for part in parts:
        part.join(30)
    return parts


def test_an_operation_begins_when_the_last_rank_is_ready_and_takes_all_as_long(
    tmp_path: Path,
) -> None:
    parts = meet([Part(index, 3, tmp_path, index * 5 * MS) for index in range(3)])
    # the last is 10 ms late each time, and an operation takes 1 ms
    assert [part.done for part in parts] == [[11 * MS, 22 * MS]] * 3


def test_every_rank_gets_the_same_sum(tmp_path: Path) -> None:
    parts = meet([Part(index, 2, tmp_path, 0) for index in range(2)])
    for number in (0, 1):
        total = sum(part.slots[number].arrays["x"] for part in parts)
        alone = Workload(REDUCE, "fp32", REDUCE.sizes())
        right = backend().reference(alone, {"x": total})
        assert right is not None
        for part in parts:
            np.testing.assert_allclose(part.outputs[number], right["logits"], rtol=1e-6)
    assert len(list(tmp_path.iterdir())) == 2  # notes of the last operation alone


def _rank(index: int, store: str, done: Any) -> None:
    part = Part(index, 2, Path(store), index * MS)
    part.run()
    done.put((index, part.done))


def test_ranks_are_processes(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    done = context.Queue()
    children = [context.Process(target=_rank, args=(i, str(tmp_path), done)) for i in range(2)]
    for child in children:
        child.start()
    found = dict(done.get(timeout=60) for _ in children)
    for child in children:
        child.join(30)
    assert found == {0: [2 * MS, 4 * MS], 1: [2 * MS, 4 * MS]}


def test_a_rank_that_does_not_come_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bench.plugins.backends import _simulated_roles

    monkeypatch.setattr(_simulated_roles, "MEETING_S", 0.01)
    session = load(REDUCE, backend(), slots(REDUCE, (1, 16)), rank=Rank(0, 2, tmp_path))
    with pytest.raises(RuntimeError, match="rank 1 of 2 did not come to operation 0 within"):
        session.run(0)


def test_ranks_train_together_on_the_sum_of_their_batches(tmp_path: Path) -> None:
    losses: list[float] = []

    def train(index: int) -> None:
        given = slots(REDUCE, (2, 8), key=f"rank {index}")
        session = load(REDUCE, backend(), given, rank=Rank(index, 2, tmp_path), purpose="train")
        session.run(0)
        losses.append(float(session.fetch()["loss"]))

    threads = [threading.Thread(target=train, args=(index,)) for index in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(losses) == 2
    assert losses[0] == losses[1]
