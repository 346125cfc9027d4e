"""ResNet-8 of MLPerf Tiny and ResNet-50 v1.5."""

from __future__ import annotations

from torch import Tensor, nn

from bench import weights

from .layers import ConvNorm

# Branches are weaker than shortcuts, as in trained networks; the image is not rectified.
_GAINS = {"branch.1.norm": 0.5, "branch.2.norm": 0.25, "stem.conv": 1.0, "classifier": 3.0}


class Residual(nn.Module):
    """ReLU of the sum of a branch and a shortcut."""

    def __init__(self, branch: nn.Module, shortcut: nn.Module) -> None:
        super().__init__()
        self.branch = branch
        self.shortcut = shortcut
        self.activation = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.activation(self.branch(x) + self.shortcut(x))
        return result


class ResNet8(nn.Module):
    """Three stacks of one basic block; 1x1 shortcuts without norm, as in the original.

    The original pads strided convolutions on one side only, as TensorFlow does; here they are
    padded on both, which is the same work without a separate padding operator. The closing
    softmax is left out: outputs are logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 16, 3, bias=True, eps=1e-3)
        self.stacks = nn.Sequential(
            self._block(16, 16, 1), self._block(16, 32, 2), self._block(32, 64, 2)
        )
        self.pool = nn.AvgPool2d(8)
        self.classifier = nn.Linear(64, 10)

    @staticmethod
    def _block(channels: int, out_channels: int, stride: int) -> Residual:
        branch = nn.Sequential(
            ConvNorm(channels, out_channels, 3, stride, bias=True, eps=1e-3),
            ConvNorm(out_channels, out_channels, 3, bias=True, eps=1e-3, activation=None),
        )
        if stride == 1:
            return Residual(branch, nn.Identity())
        return Residual(branch, nn.Conv2d(channels, out_channels, 1, stride))

    def forward(self, image: Tensor) -> Tensor:
        x = self.pool(self.stacks(self.stem(image)))
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


class ResNet50(nn.Module):
    """Bottleneck blocks (3, 4, 6, 3), the stride in the 3x3 convolution (v1.5)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 64, 7, 2)
        self.pool = nn.MaxPool2d(3, 2, 1)
        blocks: list[nn.Module] = []
        channels = 64
        for width, repeats, stride in ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2)):
            for index in range(repeats):
                blocks.append(self._block(channels, width, stride if index == 0 else 1))
                channels = 4 * width
        self.blocks = nn.Sequential(*blocks)
        self.mean = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, 1000)

    @staticmethod
    def _block(channels: int, width: int, stride: int) -> Residual:
        branch = nn.Sequential(
            ConvNorm(channels, width, 1),
            ConvNorm(width, width, 3, stride),
            ConvNorm(width, 4 * width, 1, activation=None),
        )
        if channels == 4 * width:
            return Residual(branch, nn.Identity())
        return Residual(branch, ConvNorm(channels, 4 * width, 1, stride, activation=None))

    def forward(self, image: Tensor) -> Tensor:
        x = self.mean(self.blocks(self.pool(self.stem(image))))
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    return weights.build({"resnet8": ResNet8, "resnet50": ResNet50}[name], name, _GAINS)
