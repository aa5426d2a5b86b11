"""Nested span reader: BERT encoder, banded GlobalPointer heads with rotary positions, assertion head.

Every channel (a corpus's own type, or a product type) has its own query and key of ``HEAD_SIZE`` numbers a token. The
score of the span ``i..j`` is ``<rope(q_i), rope(k_j)> / sqrt(HEAD_SIZE) + bias[channel, j - i]`` for widths below
``BAND`` only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import BertConfig, BertModel

from training.datasets.extraction import ASSERTIONS, CHANNELS, DIALOGUE_STATUSES

HEAD_SIZE = 64
BAND = 40
MASKED = -1e4


def rotary(length: int, size: int) -> tuple[Tensor, Tensor]:
    """Cosines and sines of rotary positions, each ``(length, size)``, pairs of neighbouring numbers turned together."""
    frequencies = 1.0 / (10000.0 ** (torch.arange(0, size, 2).float() / size))
    angles = torch.arange(length).float()[:, None] * frequencies[None]
    return angles.cos().repeat_interleave(2, dim=-1), angles.sin().repeat_interleave(2, dim=-1)


def rotate(vectors: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn ``vectors`` ``(..., length, size)`` by their positions."""
    pairs = vectors.unflatten(-1, (-1, 2))
    turned = torch.stack((-pairs[..., 1], pairs[..., 0]), dim=-1).flatten(-2)
    return vectors * cosines + turned * sines


def take_band(scores: Tensor, band: int) -> Tensor:
    """``(..., n, n)`` scores of (start, end) to ``(..., n, band)`` scores of (start, end - start); past the end: 0."""
    n = scores.shape[-1]
    skewed = functional.pad(scores, (0, band)).flatten(-2)
    skewed = functional.pad(skewed, (0, n)).unflatten(-1, (n, n + band + 1))
    return skewed[..., :band]


def span_loss(scores: Tensor, positive: Tensor, valid: Tensor) -> Tensor:
    """Multi-label softmax cross-entropy a channel, mean over channels, then over samples.

    Args:
        scores: ``(batch, channels, length, band)``.
        positive: bool, same shape: gold spans.
        valid: bool, same shape: cells that count; a cell outside has no gradient.
    """
    scores = scores.float()
    negatives = scores.masked_fill(~(valid & ~positive), MASKED).flatten(2)
    positives = (-scores).masked_fill(~(valid & positive), MASKED).flatten(2)
    zero = scores.new_zeros(())
    loss = torch.logaddexp(negatives.logsumexp(-1), zero) + torch.logaddexp(positives.logsumexp(-1), zero)
    return loss.mean()


@dataclass(frozen=True, slots=True)
class EncoderSize:
    """Size of a randomly initialised encoder (tests, runs without pretrained weights)."""

    layers: int = 2
    hidden: int = 32
    heads: int = 2


class SpanReader(nn.Module):
    """Encoder with all span channels and the assertion head."""

    def __init__(self, config: BertConfig) -> None:
        super().__init__()
        config.attention_probs_dropout_prob = 0.0
        config._attn_implementation = "eager"  # the fused kernel's backward pass is twice as slow on a CPU
        self.encoder = BertModel(config, add_pooling_layer=False)
        hidden = config.hidden_size
        channels = len(CHANNELS)
        self.head_weight = nn.Parameter(torch.empty(channels, 2 * HEAD_SIZE, hidden).normal_(0.0, 0.02))
        self.head_bias = nn.Parameter(torch.zeros(channels, 2 * HEAD_SIZE))
        self.width_bias = nn.Parameter(torch.zeros(channels, BAND))
        self.dropout = nn.Dropout(0.1)
        self.assertion_hidden = nn.Linear(3 * hidden, 256)
        self.assertion_record = nn.Linear(256, len(ASSERTIONS))
        self.assertion_dialogue = nn.Linear(256, len(DIALOGUE_STATUSES))

    @classmethod
    def pretrained(cls, folder: Path) -> SpanReader:
        """Start from the encoder in ``folder``."""
        config = BertConfig.from_pretrained(folder)
        reader = cls(config)
        source = BertModel.from_pretrained(folder, add_pooling_layer=False)
        reader.encoder.load_state_dict(source.state_dict())
        return reader

    @classmethod
    def random(cls, size: EncoderSize, vocabulary: int) -> SpanReader:
        """Start from nothing."""
        return cls(
            BertConfig(
                vocab_size=vocabulary,
                hidden_size=size.hidden,
                num_hidden_layers=size.layers,
                num_attention_heads=size.heads,
                intermediate_size=size.hidden * 4,
            )
        )

    def encode(self, ids: Tensor, mask: Tensor | None) -> Tensor:
        """Hidden states of the text's tokens ``(batch, length, hidden)``; ``ids`` and ``mask`` still hold CLS and SEP."""
        states: Tensor = self.encoder(input_ids=ids, attention_mask=mask).last_hidden_state
        return states[:, 1:-1]

    def score(self, states: Tensor, channels: Sequence[int]) -> Tensor:
        """Span scores ``(batch, channels, length, length)`` without the width bias, in float32."""
        chosen = list(channels)
        weight, bias = self.head_weight[chosen], self.head_bias[chosen]
        hidden = weight.shape[-1]
        projected = functional.linear(self.dropout(states), weight.reshape(-1, hidden), bias.reshape(-1)).float()
        projected = projected.unflatten(-1, (len(chosen), 2, HEAD_SIZE)).permute(3, 0, 2, 1, 4)
        cosines, sines = (part.to(states.device) for part in rotary(states.shape[1], HEAD_SIZE))
        queries, keys = rotate(projected, cosines, sines)
        with torch.autocast(states.device.type, enabled=False):
            return queries @ keys.transpose(-1, -2) / HEAD_SIZE**0.5

    def score_band(self, states: Tensor, channels: Sequence[int]) -> Tensor:
        """Span scores ``(batch, channels, length, BAND)`` by start and width."""
        chosen = list(channels)
        return take_band(self.score(states, chosen), BAND) + self.width_bias[chosen][:, None]

    def span_vectors(self, states: Tensor, rows: Tensor, starts: Tensor, ends: Tensor) -> Tensor:
        """First, last and mean hidden state of each span: ``(spans, 3 * hidden)``; ``ends`` are exclusive."""
        states = states.float()
        sums = functional.pad(states.cumsum(1), (0, 0, 1, 0))
        mean = (sums[rows, ends] - sums[rows, starts]) / (ends - starts).unsqueeze(-1)
        return torch.cat((states[rows, starts], states[rows, ends - 1], mean), dim=-1)

    def assess(self, vectors: Tensor, dialogue: bool) -> Tensor:
        """Assertion logits ``(spans, classes)``."""
        hidden = functional.gelu(self.assertion_hidden(self.dropout(vectors)))
        head = self.assertion_dialogue if dialogue else self.assertion_record
        logits: Tensor = head(self.dropout(hidden)).float()
        return logits
