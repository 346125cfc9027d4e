"""YOLOX-Nano object detection."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import weights

from .layers import ConvNorm

_CLASSES = 80
_WIDTHS = (64, 128, 256)  # channels at strides 8, 16 and 32: 0.25 x 256, 512 and 1024

_ConvNorm = partial(ConvNorm, eps=1e-3, activation=nn.SiLU)

# Shifted by 1, SiLU is almost straight where most values lie: through the depth of this network
# a layer neither amplifies rounding errors nor drifts in size.
_GAINS = {
    "stem.conv.conv": 1.0,
    "branch.2.norm": 0.3,
    "norm": 0.8,
    "norm.bias": 1.0,
    "conv": 1.9,
    "class_scores": 4.0,
    "box": 1.9,
    "objectness": 4.0,
}


def _separable(channels: int, out_channels: int, stride: int = 1) -> nn.Sequential:
    """A 3x3 convolution of each channel, then a 1x1 convolution across them."""
    return nn.Sequential(
        _ConvNorm(channels, channels, 3, stride, groups=channels),
        _ConvNorm(channels, out_channels, 1),
    )


class Focus(nn.Module):
    """Move each 2x2 patch of pixels into channels, then convolve."""

    def __init__(self, out_channels: int) -> None:
        super().__init__()
        self.conv = _ConvNorm(12, out_channels, 3)

    def forward(self, image: Tensor) -> Tensor:
        patches = [image[..., row::2, column::2] for column in (0, 1) for row in (0, 1)]
        result: Tensor = self.conv(torch.cat(patches, 1))
        return result


def _branch(channels: int) -> nn.Sequential:
    """A 1x1 and a separable 3x3 convolution."""
    return nn.Sequential(_ConvNorm(channels, channels, 1), *_separable(channels, channels))


class Bottleneck(nn.Module):
    """A branch added to its input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch = _branch(channels)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = x + self.branch(x)
        return result


class CrossStage(nn.Module):
    """Cross-stage partial layer: half the channels go through bottlenecks, half around them."""

    def __init__(
        self, channels: int, out_channels: int, repeats: int = 1, shortcut: bool = False
    ) -> None:
        super().__init__()
        half = out_channels // 2
        self.through = nn.Sequential(
            _ConvNorm(channels, half, 1),
            *(Bottleneck(half) if shortcut else _branch(half) for _ in range(repeats)),
        )
        self.around = _ConvNorm(channels, half, 1)
        self.merge = _ConvNorm(2 * half, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.merge(torch.cat((self.through(x), self.around(x)), 1))
        return result


class PyramidPooling(nn.Module):
    """Maxima over 5, 9 and 13 pixels beside the input itself."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = _ConvNorm(channels, channels // 2, 1)
        self.pools = nn.ModuleList(nn.MaxPool2d(size, 1, size // 2) for size in (5, 9, 13))
        self.merge = _ConvNorm(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.reduce(x)
        result: Tensor = self.merge(torch.cat([x, *(pool(x) for pool in self.pools)], 1))
        return result


class Head(nn.Module):
    """Decoupled head of one stride: box, objectness and class scores of every cell."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.stem = _ConvNorm(channels, 64, 1)
        self.classes = nn.Sequential(_separable(64, 64), _separable(64, 64))
        self.boxes = nn.Sequential(_separable(64, 64), _separable(64, 64))
        self.class_scores = nn.Conv2d(64, _CLASSES, 1)
        self.box = nn.Conv2d(64, 4, 1)
        self.objectness = nn.Conv2d(64, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        boxes = self.boxes(x)
        scores = self.class_scores(self.classes(x)).sigmoid()
        result = torch.cat((self.box(boxes), self.objectness(boxes).sigmoid(), scores), 1)
        return result.flatten(2)


class YOLOXNano(nn.Module):
    """CSP-Darknet, a path aggregation network and three heads, with separable convolutions.

    Output: [batch, cells of strides 8, 16 and 32, 4 + 1 + classes]. Boxes are not decoded, as
    in the exports for deployment: their offsets and log-sizes are in units of the stride.
    """

    def __init__(self) -> None:
        super().__init__()
        small, middle, large = _WIDTHS
        self.stem = Focus(16)
        self.stage2 = nn.Sequential(_separable(16, 32, 2), CrossStage(32, 32, 1, True))
        self.stage3 = nn.Sequential(_separable(32, small, 2), CrossStage(small, small, 3, True))
        self.stage4 = nn.Sequential(
            _separable(small, middle, 2), CrossStage(middle, middle, 3, True)
        )
        self.stage5 = nn.Sequential(
            _separable(middle, large, 2), PyramidPooling(large), CrossStage(large, large)
        )
        self.reduce5 = _ConvNorm(large, middle, 1)
        self.down4 = CrossStage(2 * middle, middle)
        self.reduce4 = _ConvNorm(middle, small, 1)
        self.down3 = CrossStage(2 * small, small)
        self.stride4 = _separable(small, small, 2)
        self.up4 = CrossStage(2 * small, middle)
        self.stride5 = _separable(middle, middle, 2)
        self.up5 = CrossStage(2 * middle, large)
        self.heads = nn.ModuleList(Head(width) for width in _WIDTHS)

    def forward(self, image: Tensor) -> Tensor:
        stage3 = self.stage3(self.stage2(self.stem(image)))
        stage4 = self.stage4(stage3)
        reduced5 = self.reduce5(self.stage5(stage4))
        reduced4 = self.reduce4(self.down4(torch.cat((_double(reduced5), stage4), 1)))
        out3 = self.down3(torch.cat((_double(reduced4), stage3), 1))
        out4 = self.up4(torch.cat((self.stride4(out3), reduced4), 1))
        out5 = self.up5(torch.cat((self.stride5(out4), reduced5), 1))
        cells = [head(x) for head, x in zip(self.heads, (out3, out4, out5), strict=True)]
        return torch.cat(cells, 2).transpose(1, 2)


def _double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    return weights.build({"yolox-nano": YOLOXNano}[name], name, _GAINS)
