"""What the reference device does, checked in a process that has registered it.

`test_refnpu.py` runs this file in a process of its own: a torch device cannot be unregistered, and
a process has room for only one.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Thread

import pytest
import refnpu_torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

MIB = 1 << 20


@pytest.fixture(autouse=True)
def inference() -> Iterator[None]:
    torch.manual_seed(0)
    with torch.inference_mode():
        yield
    torch.accelerator.synchronize()


def error(found: Tensor, expected: Tensor) -> float:
    """Relative L2 distance."""
    assert found.device.type == "refnpu"
    assert found.shape == expected.shape
    return float((found.cpu() - expected).norm() / expected.norm())


def test_torch_sees_the_device() -> None:
    assert torch.accelerator.current_accelerator() == torch.device("refnpu")
    assert torch.get_device_module("refnpu") is refnpu_torch
    assert torch.accelerator.device_count() == refnpu_torch.device_count() == 2
    assert refnpu_torch.get_device_properties(0) == ("Reference NPU", 256 * MIB)
    refnpu_torch.set_device(1)
    assert torch.empty(1, device="refnpu").device == torch.device("refnpu:1")
    refnpu_torch.set_device(0)
    assert refnpu_torch.current_device() == 0


@pytest.fixture
def held() -> Iterator[None]:
    """The current device does nothing until `refnpu_torch.release`: order without a clock."""
    refnpu_torch.hold()
    yield
    refnpu_torch.release()


def test_work_is_queued_and_synchronize_waits(held: None) -> None:
    matrix = torch.randn(64, 64) / 8
    on_device = matrix.to("refnpu", non_blocking=True)
    result = on_device
    for _ in range(80):  # would never return if the device had to do any of it first
        result = result @ on_device
    last = refnpu_torch.Event()
    last.record()
    seen: list[bool] = []

    def wait() -> None:
        torch.accelerator.synchronize()
        seen.append(last.query())

    waiting = Thread(target=wait)
    waiting.start()
    waiting.join(0.2)  # time to return wrongly
    assert waiting.is_alive()
    assert not last.query()
    refnpu_torch.release()
    waiting.join()
    assert seen == [True]
    expected = matrix
    for _ in range(80):
        expected = expected @ matrix
    assert error(result, expected) <= 1e-4


def test_copy_to_the_host_waits_for_what_it_needs() -> None:
    matrix = torch.randn(768, 768)
    on_device = matrix.to("refnpu")
    result, expected = on_device, matrix
    for _ in range(8):
        result, expected = result @ on_device, expected @ matrix
    assert torch.allclose(result.to("cpu", non_blocking=True), expected, rtol=1e-3)


def test_copy_to_the_device_takes_the_values_of_the_moment() -> None:
    busy = torch.randn(768, 768, device="refnpu")
    for _ in range(4):
        busy = busy @ busy
    host = torch.ones(1000)
    on_device = host.to("refnpu", non_blocking=True)
    doubled = on_device * torch.tensor(2.0)
    host.zero_()
    assert doubled.cpu().eq(2).all()


def test_errors_of_queued_work_surface_at_synchronize() -> None:
    table = torch.randn(10, 4, device="refnpu")
    F.embedding(torch.tensor([11], device="refnpu"), table)
    with pytest.raises((IndexError, RuntimeError), match="out of range"):
        torch.accelerator.synchronize()
    torch.accelerator.synchronize()  # reported once


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(100, 64)
        self.norm = nn.LayerNorm(64)
        self.project = nn.Linear(64, 192)

    def forward(self, ids: Tensor) -> Tensor:
        x = self.norm(self.table(ids))
        q, k, v = (t.unflatten(-1, (4, 16)).transpose(1, 2) for t in self.project(x).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return x + F.gelu(y.transpose(1, 2).flatten(2))


NETS = {
    "convolution": nn.Sequential(
        nn.Conv2d(3, 16, 3, 2, padding=1),
        nn.BatchNorm2d(16),
        nn.Hardswish(),
        nn.Conv2d(16, 16, 3, padding=2, dilation=2, groups=16),
        nn.ReLU6(),
        nn.MaxPool2d(3, 2, 1),
        nn.Conv2d(16, 32, 1),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
        nn.Softmax(-1),
    ),
    "linear": nn.Sequential(nn.Linear(640, 128), nn.BatchNorm1d(128), nn.ReLU(), nn.Linear(128, 9)),
    "attention": Attention(),
    "encoder": nn.Sequential(
        nn.Embedding(100, 64), nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    ),
}
INPUTS = {
    "convolution": lambda: torch.randn(2, 3, 64, 64),
    "linear": lambda: torch.randn(4, 640),
    "attention": lambda: torch.randint(0, 100, (2, 24)),
    "encoder": lambda: torch.randint(0, 100, (2, 24)),
}


@pytest.mark.parametrize("device", ["refnpu:0", "refnpu:1"])
@pytest.mark.parametrize("name", list(NETS))
def test_networks_agree_with_the_cpu(name: str, device: str) -> None:
    net = NETS[name].eval()
    x = INPUTS[name]()
    distance = error(copy.deepcopy(net).to(device)(x.to(device)), net(x))
    print(f"{name} on {device}: relative L2 {distance:.1e}")
    assert distance <= 1e-5


def test_channels_last_and_half_precision() -> None:
    net = NETS["convolution"].eval()
    x = torch.randn(2, 3, 64, 64)
    other = copy.deepcopy(net).to(memory_format=torch.channels_last).to("refnpu")
    assert error(other(x.to("refnpu", memory_format=torch.channels_last)), net(x)) <= 1e-5
    half = copy.deepcopy(net).to("refnpu", torch.bfloat16)
    assert error(half(x.to("refnpu", torch.bfloat16)).float(), net(x)) < 0.05


def test_results_that_depend_on_data() -> None:
    x = torch.randn(50)
    d = x.to("refnpu")
    assert torch.equal((d > 0).nonzero().cpu(), (x > 0).nonzero())
    assert torch.equal(d[d > 0].cpu(), x[x > 0])
    assert torch.equal(d.topk(3).indices.cpu(), x.topk(3).indices)
    assert torch.equal(d.sort().values.cpu(), x.sort().values)
    assert d.sum().item() == pytest.approx(x.sum().item(), rel=1e-5)
    assert bool((d > 9).any()) is False


def test_writing_in_place_and_into_views() -> None:
    d = torch.zeros(4, 6, device="refnpu")
    d[1:3, ::2] = 5
    d[0].add_(torch.arange(6, device="refnpu"))
    out = torch.empty(0, device="refnpu")
    torch.mul(d, 2, out=out)
    expected = torch.zeros(4, 6)
    expected[1:3, ::2] = 5
    expected[0] += torch.arange(6)
    assert torch.equal(out.cpu(), 2 * expected)
    d.untyped_storage().resize_(2 * d.untyped_storage().nbytes())
    assert torch.equal(d.cpu(), expected)


def test_memory_figures() -> None:
    start = torch.accelerator.memory_allocated()
    torch.accelerator.reset_peak_memory_stats()
    held = torch.empty(MIB, device="refnpu")
    assert torch.accelerator.memory_allocated() == start + 4 * MIB
    torch.empty(3 * MIB, device="refnpu")
    assert refnpu_torch.max_memory_allocated("refnpu:0") == start + 16 * MIB
    assert refnpu_torch.memory_allocated("refnpu:1") == 0
    free, total = refnpu_torch.mem_get_info(0)
    assert total == 256 * MIB
    assert total - free == start + 4 * MIB
    del held
    assert torch.accelerator.memory_allocated() == start


def test_memory_does_not_grow() -> None:
    net = copy.deepcopy(NETS["convolution"]).eval().to("refnpu")
    x = torch.randn(2, 3, 64, 64, device="refnpu")
    net(x)
    before = torch.accelerator.memory_allocated()
    for _ in range(100):
        net(x)
    assert torch.accelerator.memory_allocated() == before


def test_out_of_memory_has_its_name() -> None:
    with pytest.raises(torch.OutOfMemoryError, match="refnpu:0 is out of memory"):
        torch.empty(300 * MIB, dtype=torch.uint8, device="refnpu")
    assert torch.ones(5, device="refnpu").sum().item() == 5


def test_two_devices() -> None:
    one = torch.arange(6.0, device="refnpu:0")
    two = one.to("refnpu:1")
    assert two.device.index == 1
    assert torch.equal((two + 1).cpu(), torch.arange(1.0, 7))
    with pytest.raises(RuntimeError, match="same device"):
        one + two
    with pytest.raises(RuntimeError, match="same device"):
        one @ torch.ones(6)


def test_events_time_the_queue() -> None:
    matrix = torch.randn(64, 64, device="refnpu")
    first, last = (refnpu_torch.Event(enable_timing=True) for _ in range(2))
    start = time.perf_counter()
    first.record()
    first.synchronize()
    reached = time.perf_counter()
    refnpu_torch.hold()
    matrix @ matrix
    last.record()
    assert not last.query()
    let_go = time.perf_counter()
    refnpu_torch.release()
    last.synchronize()
    end = time.perf_counter()
    # Not how long: the moments of one clock stand in this order however slow the machine is.
    assert (let_go - reached) * 1e3 <= first.elapsed_time(last) <= (end - start) * 1e3


def test_threads_may_share_the_devices() -> None:
    matrix = torch.randn(128, 128) / 12

    def work(index: int) -> Tensor:
        with torch.inference_mode():
            x = on_device = matrix.to(f"refnpu:{index % 2}")
            for _ in range(200):
                x = x @ on_device
                x = x / x.norm()
            return x.cpu()

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(work, range(4)))
    assert all(torch.equal(result, results[0]) for result in results)
