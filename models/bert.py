"""BERT encoders: BERT-large for question answering and MiniLM-L6 for sentence embeddings."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from bench import weights

from .layers import attention

_VOCABULARY = 30522
_POSITIONS = 512
_SEGMENTS = 2
_EPS = 1e-12

# Attention neither even nor on one token only; branches weaker than what they are added to; and
# little that is the same for every text, as positions are.
_GAINS = {
    "position": 0.1,
    "segment": 0.1,
    "query": 1.0,
    "key": 1.0,
    "value": 1.0,
    "mix": 0.3,
    "expand": 1.0,
    "contract": 0.6,
    "span": 4.0,
}


class Embeddings(nn.Module):
    """The sum of word, position and segment embeddings, normalized."""

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.word = nn.Embedding(_VOCABULARY, hidden)
        self.position = nn.Embedding(_POSITIONS, hidden)
        self.segment = nn.Embedding(_SEGMENTS, hidden)
        self.norm = nn.LayerNorm(hidden, _EPS)

    def forward(self, input_ids: Tensor, token_type_ids: Tensor) -> Tensor:
        position = self.position.weight[: input_ids.shape[1]]
        result: Tensor = self.norm(self.word(input_ids) + self.segment(token_type_ids) + position)
        return result


class Layer(nn.Module):
    """Self-attention and feed-forward, each added to its input and normalized after."""

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden)
        self.value = nn.Linear(hidden, hidden)
        self.mix = nn.Linear(hidden, hidden)
        self.norm1 = nn.LayerNorm(hidden, _EPS)
        self.expand = nn.Linear(hidden, 4 * hidden)
        self.contract = nn.Linear(4 * hidden, hidden)
        self.norm2 = nn.LayerNorm(hidden, _EPS)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        mixed = attention(self.query(x), self.key(x), self.value(x), self.heads, mask)
        x = self.norm1(x + self.mix(mixed))
        result: Tensor = self.norm2(x + self.contract(F.gelu(self.expand(x))))
        return result


class Encoder(nn.Module):
    """Embeddings and `layers` layers; gives [batch, sequence, hidden]."""

    def __init__(self, layers: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.embeddings = Embeddings(hidden)
        self.layers = nn.ModuleList(Layer(hidden, heads) for _ in range(layers))

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        x: Tensor = self.embeddings(input_ids, token_type_ids)
        # Added to the logits of padding as the original does; finite, unlike minus infinity,
        # for devices and quantizers that have none.
        mask = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * -10000.0
        for layer in self.layers:
            x = layer(x, mask)
        return x


class QuestionAnswering(nn.Module):
    """Logits of the answer's start and end, [batch, sequence] each."""

    def __init__(self, layers: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.encoder = Encoder(layers, hidden, heads)
        self.span = nn.Linear(hidden, 2)

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor
    ) -> tuple[Tensor, Tensor]:
        logits = self.span(self.encoder(input_ids, attention_mask, token_type_ids))
        return logits[..., 0], logits[..., 1]


class SentenceEmbedding(nn.Module):
    """The mean over the tokens that are not padding, scaled to length 1: [batch, hidden]."""

    def __init__(self, layers: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.encoder = Encoder(layers, hidden, heads)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> Tensor:
        x: Tensor = self.encoder(input_ids, attention_mask, token_type_ids)
        mask = attention_mask[:, :, None].to(x.dtype)
        mean = (x * mask).sum(1) / mask.sum(1)
        return F.normalize(mean, dim=1)


def build(name: str) -> nn.Module:
    """The model `name` of this family, with its weights."""
    networks: dict[str, Callable[[], nn.Module]] = {
        "bert-large": partial(QuestionAnswering, layers=24, hidden=1024, heads=16),
        "minilm-l6": partial(SentenceEmbedding, layers=6, hidden=384, heads=12),
    }
    return weights.build(networks[name], name, _GAINS)
