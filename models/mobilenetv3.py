"""MobileNetV3-Small."""

from __future__ import annotations

from collections import OrderedDict
from functools import partial

from torch import Tensor, nn

from bench import weights

from .layers import ConvNorm

_ConvNorm = partial(ConvNorm, eps=1e-3)

# Shifted by 1, activations are almost straight where most values lie: a layer neither amplifies
# rounding errors nor drifts in size. Projections make up for gates of about a half.
_GAINS = {
    "features.0.conv": 1.0,
    "features.12.conv": 1.0,
    "expand.conv": 1.0,
    "2.branch.project.conv": 6.0,
    "3.branch.project.conv": 6.0,
    "project.conv": 24.0,
    "conv": 2.0,
    "project.norm": 0.5,
    "project.norm.bias": 0.0,
    "norm": 0.8,
    "norm.bias": 1.0,
    "gate.1": 2.0,
    "gate.3": 0.5,
    "classifier.0": 4.0,
}

# kernel, expanded channels, output channels, squeeze-and-excitation, activation, stride
_BLOCKS: tuple[tuple[int, int, int, bool, type[nn.Module], int], ...] = (
    (3, 16, 16, True, nn.ReLU, 2),
    (3, 72, 24, False, nn.ReLU, 2),
    (3, 88, 24, False, nn.ReLU, 1),
    (5, 96, 40, True, nn.Hardswish, 2),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 240, 40, True, nn.Hardswish, 1),
    (5, 120, 48, True, nn.Hardswish, 1),
    (5, 144, 48, True, nn.Hardswish, 1),
    (5, 288, 96, True, nn.Hardswish, 2),
    (5, 576, 96, True, nn.Hardswish, 1),
    (5, 576, 96, True, nn.Hardswish, 1),
)


class SqueezeExcitation(nn.Module):
    """Scale each channel by a gate computed from the means of all channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = _divisible_by_8(channels / 4)
        self.gate = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(inplace=True),
            nn.Conv2d(squeezed, channels, 1),
            nn.Hardsigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        gated: Tensor = x * self.gate(x)
        return gated


class InvertedResidual(nn.Module):
    """Expand, filter each channel, squeeze and excite, project; with a shortcut if sizes allow."""

    def __init__(
        self,
        channels: int,
        kernel: int,
        expanded: int,
        out_channels: int,
        excite: bool,
        activation: type[nn.Module],
        stride: int,
    ) -> None:
        super().__init__()
        layers: dict[str, nn.Module] = {}
        if expanded != channels:
            layers["expand"] = _ConvNorm(channels, expanded, 1, activation=activation)
        layers["filter"] = _ConvNorm(
            expanded, expanded, kernel, stride, groups=expanded, activation=activation
        )
        if excite:
            layers["excite"] = SqueezeExcitation(expanded)
        layers["project"] = _ConvNorm(expanded, out_channels, 1, activation=None)
        self.branch = nn.Sequential(OrderedDict(layers))
        self.shortcut = stride == 1 and channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.branch(x)
        return x + result if self.shortcut else result


class MobileNetV3Small(nn.Module):
    """The Small variant of the paper at width 1.0."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [_ConvNorm(3, 16, 3, 2, activation=nn.Hardswish)]
        channels = 16
        for kernel, expanded, out_channels, excite, activation, stride in _BLOCKS:
            layers.append(
                InvertedResidual(
                    channels, kernel, expanded, out_channels, excite, activation, stride
                )
            )
            channels = out_channels
        layers.append(_ConvNorm(channels, 6 * channels, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Sequential(
            nn.Linear(6 * channels, 1024), nn.Hardswish(inplace=True), nn.Linear(1024, 1000)
        )

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.classifier(self.mean(self.features(image)).flatten(1))
        return logits


def _divisible_by_8(channels: float) -> int:
    """Round to a multiple of 8, but not down by more than a tenth, as the paper's code does."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * channels else rounded + 8


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    return weights.build({"mobilenetv3-small": MobileNetV3Small}[name], name, _GAINS)
