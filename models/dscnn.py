"""DS-CNN keyword spotting of MLPerf Tiny."""

from __future__ import annotations

from torch import Tensor, nn

from bench import weights

from .layers import ConvNorm

_GAINS = {"stem.conv": 1.0}  # the spectrogram is not rectified


class DSCNN(nn.Module):
    """A convolution, four depthwise separable ones, an average over time and a classifier.

    Padding is the same on both sides (the original's, TensorFlow's, differs by one row); the
    closing softmax is left out: outputs are logits.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(1, 64, (10, 4), 2, bias=True, eps=1e-3, padding=(5, 1))
        self.blocks = nn.Sequential(
            *(
                layer
                for _ in range(4)
                for layer in (
                    ConvNorm(64, 64, 3, groups=64, bias=True, eps=1e-3),
                    ConvNorm(64, 64, 1, bias=True, eps=1e-3),
                )
            )
        )
        self.pool = nn.AvgPool2d((24, 5))  # of 25 x 5, as the original does
        self.classifier = nn.Linear(64, 12)

    def forward(self, mfcc: Tensor) -> Tensor:
        x = self.pool(self.blocks(self.stem(mfcc)))
        logits: Tensor = self.classifier(x.flatten(1))
        return logits


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    return weights.build({"ds-cnn": DSCNN}[name], name, _GAINS)
