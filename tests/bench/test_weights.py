"""Weights are the same bits on every platform, never zero, and of the asked variance."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import torch
from torch import nn

from bench import weights


class Net(nn.Module):
    """One of each kind of layer the rules know."""

    def __init__(self) -> None:
        super().__init__()
        self.word = nn.Embedding(50, 32)
        self.token = nn.Parameter(torch.empty(1, 1, 64))
        self.conv = nn.Conv2d(16, 64, 3)
        self.depthwise = nn.Conv2d(64, 64, 3, groups=64, bias=False)
        self.batch = nn.BatchNorm2d(64)
        self.layer = nn.LayerNorm(64)
        self.linear = nn.Linear(512, 256)


def digest(module: nn.Module) -> str:
    """Of every parameter and buffer, in order, as little-endian bytes."""
    total = hashlib.sha256()
    for name, tensor in module.state_dict().items():
        array = tensor.numpy()
        total.update(name.encode())
        total.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
    return total.hexdigest()


def test_draws_are_the_same_on_every_platform() -> None:
    values = np.empty(70_001, np.float32)  # more than one chunk, and an odd number
    weights.draw(values, "model/layer.weight")
    found = hashlib.sha256(values.astype("<f4").tobytes()).hexdigest()
    assert found == "c9c149201acbd8b8059e67760151619aa1332efb45db870dcdfaa1921143aeb3"


def test_draws_are_the_upper_24_bits_of_philox() -> None:
    values = np.empty(6, np.float32)
    weights.draw(values, "model/layer.weight")
    key = hashlib.sha256(b"model/layer.weight").digest()[:16]
    words = np.random.Philox(key=int.from_bytes(key, "little")).random_raw(3)
    halves = [half for word in words.tolist() for half in (word % 2**32, word // 2**32)]
    assert values.tolist() == [(half // 2**8 + 0.5) / 2**23 - 1 for half in halves]


def test_weights_are_the_same_on_every_platform() -> None:
    found = digest(weights.build(Net, "net", {"linear": 1.0, "batch.bias": 0.5}))
    assert found == "a4e47e8b71a99247adb66b4120db17266dfb9de64b621348e545a9858db0c613"


def test_draws_are_uniform_and_never_zero() -> None:
    values = np.empty(1_000_000, np.float32)
    weights.draw(values, "uniform")
    assert np.all(values != 0)
    assert np.abs(values).max() < 1
    assert abs(values.mean()) < 0.003
    assert values.var() == pytest.approx(1 / 3, rel=0.01)
    counts = np.histogram(values, 100, (-1, 1))[0]
    assert counts.min() > 9_500
    assert counts.max() < 10_500


def test_models_and_tensors_draw_apart() -> None:
    first, second = weights.build(Net, "a"), weights.build(Net, "b")
    assert not torch.equal(first.linear.weight, second.linear.weight)
    assert digest(first) == digest(weights.build(Net, "a"))
    conv = np.corrcoef(first.conv.weight.flatten()[:500], first.linear.weight.flatten()[:500])
    assert abs(conv[0, 1]) < 0.2


def test_a_layer_keeps_its_weights_when_another_is_added() -> None:
    class Longer(Net):
        def __init__(self) -> None:
            super().__init__()
            self.more = nn.Linear(4, 4)

    assert torch.equal(
        weights.build(Net, "a").linear.weight, weights.build(Longer, "a").linear.weight
    )


def test_filters_sum_to_zero_and_have_the_asked_gain() -> None:
    net = weights.build(Net, "net", {"linear": 2.0})
    for layer, gain in ((net.linear, 2.0), (net.conv, weights.ACTIVATED_GAIN)):
        rows = layer.weight.flatten(1).double()
        assert rows.sum(1).abs().max() < 1e-5
        assert float(rows.var()) * rows.shape[1] == pytest.approx(gain, rel=0.05)


def test_a_filter_of_one_channel_passes_what_varies_slowly() -> None:
    net = weights.build(Net, "net", {"depthwise": 4.0})
    sums = net.depthwise.weight.flatten(1).sum(1)
    assert torch.allclose(sums, torch.full((64,), 2.0), atol=1e-5)


def test_normalization_is_mild_and_never_trivial() -> None:
    net = weights.build(Net, "net", {"batch": 0.5, "batch.bias": 1.0})
    for values, center, spread in (
        (net.batch.weight, 0.5, 0.5 * weights.SPREAD),
        (net.batch.bias, 1.0, weights.SHIFT),
        (net.batch.running_mean, 0.0, weights.SHIFT),
        (net.batch.running_var, 1.0, weights.SPREAD),
        (net.layer.weight, 1.0, weights.SPREAD),
        (net.layer.bias, 0.0, weights.SHIFT),
        (net.linear.bias, 0.0, weights.SHIFT),
    ):
        assert isinstance(values, torch.Tensor)
        assert (values - center).abs().max() <= spread + 1e-6
        assert (values - center).std() > 0.4 * spread
    assert net.batch.num_batches_tracked == 0


def test_modules_come_in_eval_mode_on_the_cpu_in_fp32_without_gradients() -> None:
    net = weights.build(Net, "net")
    assert not any(module.training for module in net.modules())
    for parameter in net.parameters():
        assert parameter.device.type == "cpu"
        assert parameter.dtype == torch.float32
        assert not parameter.requires_grad
