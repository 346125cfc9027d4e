"""Layers that several families share."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ConvNorm(nn.Sequential):
    """Convolution, BatchNorm and activation; padded so that stride 1 keeps the size."""

    def __init__(
        self,
        channels: int,
        out_channels: int,
        kernel: int | tuple[int, int],
        stride: int = 1,
        *,
        groups: int = 1,
        bias: bool = False,
        eps: float = 1e-5,
        padding: tuple[int, int] | None = None,
        activation: type[nn.Module] | None = nn.ReLU,
    ) -> None:
        height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
        super().__init__()
        self.conv = nn.Conv2d(
            channels,
            out_channels,
            (height, width),
            stride,
            padding or (height // 2, width // 2),
            groups=groups,
            bias=bias,
        )
        self.norm = nn.BatchNorm2d(out_channels, eps)
        if activation is not None:
            self.activation = activation(inplace=True)


def attention(query: Tensor, key: Tensor, value: Tensor, heads: int, mask: Tensor | None) -> Tensor:
    """Multi-head attention over [batch, sequence, hidden]; `mask` is added to the logits."""
    query, key, value = (
        x.reshape(x.shape[0], -1, heads, x.shape[-1] // heads).transpose(1, 2)
        for x in (query, key, value)
    )
    mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=mask)
    return mixed.transpose(1, 2).flatten(2)
