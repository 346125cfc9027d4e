"""Dense autoencoder for anomaly detection of MLPerf Tiny."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from bench import weights

_GAINS = {"hidden.0": 1.0}  # the spectrum is not rectified


class AutoEncoder(nn.Module):
    """640 - 128 x 4 - 8 - 128 x 4 - 640, every hidden layer with BatchNorm and ReLU."""

    def __init__(self) -> None:
        super().__init__()
        widths = (640, 128, 128, 128, 128, 8, 128, 128, 128, 128)
        layers: list[nn.Module] = []
        for width, out_width in pairwise(widths):
            layers += [
                nn.Linear(width, out_width),
                nn.BatchNorm1d(out_width, 1e-3),
                nn.ReLU(inplace=True),
            ]
        self.hidden = nn.Sequential(*layers)
        self.output = nn.Linear(128, 640)

    def forward(self, spectrum: Tensor) -> Tensor:
        reconstruction: Tensor = self.output(self.hidden(spectrum))
        return reconstruction


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    return weights.build({"autoencoder": AutoEncoder}[name], name, _GAINS)
