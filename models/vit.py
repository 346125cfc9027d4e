"""ViT-B/16 image classification."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from bench import weights

from .layers import attention

_EPS = 1e-6
# Branches weaker than what they are added to; little that is the same for every image.
_GAINS = {
    "patches": 1.0,
    "token": 1.0,
    "position": 0.1,
    "project": 1.5,
    "mix": 0.5,
    "expand": 1.0,
    "contract": 1.0,
    "classifier": 4.0,
}


class Block(nn.Module):
    """Self-attention and feed-forward on the normalized input, each added to it."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(hidden, _EPS)
        self.project = nn.Linear(hidden, 3 * hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden, _EPS)
        self.expand = nn.Linear(hidden, 4 * hidden)
        self.contract = nn.Linear(4 * hidden, hidden)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = self.project(self.norm1(x)).chunk(3, -1)
        x = x + self.mix(attention(query, key, value, self.heads, None))
        result: Tensor = x + self.contract(F.gelu(self.expand(self.norm2(x))))
        return result


class VisionTransformer(nn.Module):
    """Patches of 16x16 pixels of a 224x224 image, a class token and 12 blocks.

    For images of another size the positions of the patches are resampled bicubically, as DeiT does
    (https://github.com/facebookresearch/deit/blob/main/main.py, and timm with `dynamic_img_size`),
    in the pass itself: the weights stay those of 224x224.
    """

    def __init__(self) -> None:
        super().__init__()
        hidden, heads, layers, patch, side = 768, 12, 12, 16, 14
        self.patches = nn.Conv2d(3, hidden, patch, patch)
        self.token = nn.Parameter(torch.empty(1, 1, hidden))
        self.position = nn.Parameter(torch.empty(1, side * side + 1, hidden))
        self.side = side
        self.blocks = nn.Sequential(*(Block(hidden, heads) for _ in range(layers)))
        self.norm = nn.LayerNorm(hidden, _EPS)
        self.classifier = nn.Linear(hidden, 1000)

    def forward(self, image: Tensor) -> Tensor:
        patches = self.patches(image)
        position = self._position(patches.shape[2], patches.shape[3])
        x = patches.flatten(2).transpose(1, 2)
        x = torch.cat((self.token.expand(x.shape[0], -1, -1), x), 1) + position
        logits: Tensor = self.classifier(self.norm(self.blocks(x))[:, 0])
        return logits

    def _position(self, rows: int, columns: int) -> Tensor:
        """Position embeddings of the class token and rows x columns patches."""
        if (rows, columns) == (self.side, self.side):
            return self.position
        token, patches = self.position[:, :1], self.position[:, 1:]
        grid = patches.reshape(1, self.side, self.side, -1).permute(0, 3, 1, 2)
        grid = F.interpolate(grid, (rows, columns), mode="bicubic", align_corners=False)
        return torch.cat((token, grid.flatten(2).transpose(1, 2)), 1)


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    return weights.build({"vit-b16": VisionTransformer}[name], name, _GAINS)
