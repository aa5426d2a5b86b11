"""The torch side of `inference.ranking.taught`: a residual layer over a record's unit vector and findings, then one row an entry and one of danger."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from inference.ranking.taught import TaughtNetwork


class TaughtModule(nn.Module):
    """Logits over entries.

    Args:
        prototypes: (entries, dimension) unit rows to start from.
        findings: how many findings have a mark.
        hidden: width of the residual layer.
        dropout: of the input and of the hidden units.
        scale: of the logits at the start.
    """

    def __init__(self, prototypes: Tensor, findings: int, hidden: int, dropout: float, scale: float) -> None:
        super().__init__()
        entries, dimension = prototypes.shape
        self.inner = nn.Linear(dimension, hidden)
        self.marks = nn.EmbeddingBag(findings, hidden, mode="sum")
        nn.init.normal_(self.marks.weight, std=0.02)
        self.outer = nn.Linear(hidden, dimension)
        nn.init.zeros_(self.outer.weight)
        nn.init.zeros_(self.outer.bias)
        self.rows = nn.Parameter(prototypes.clone())
        self.bias = nn.Parameter(torch.zeros(entries))
        self.danger = nn.Linear(dimension, 1)
        nn.init.zeros_(self.danger.weight)
        nn.init.zeros_(self.danger.bias)
        self.scale = nn.Parameter(torch.tensor(scale).log())
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, findings: Sequence[Sequence[int]]) -> tuple[Tensor, Tensor]:
        """(batch, dimension) unit vectors and each record's marks to logits: (batch, entries), and of danger (batch,)."""
        given = self.dropout(vectors)
        flat = torch.tensor([mark for marks in findings for mark in marks], dtype=torch.long)
        lengths = torch.tensor([len(marks) for marks in findings])
        added = self.marks(flat, torch.cumsum(lengths, 0) - lengths) / lengths.clamp(min=1).sqrt()[:, None]
        hidden = self.dropout(nn.functional.gelu(self.inner(given) + added, approximate="tanh"))
        moved = nn.functional.normalize(given + self.outer(hidden), dim=1)
        return self.scale.exp() * (moved @ self.rows.T) + self.bias, self.scale.exp() * self.danger(moved).squeeze(1)

    def sealed(self, ids: tuple[str, ...], findings: tuple[str, ...]) -> TaughtNetwork:
        """The weights as served, the scale taken into the rows."""
        with torch.no_grad():
            return TaughtNetwork(
                inner=self.inner.weight.numpy().copy(),
                inner_bias=self.inner.bias.numpy().copy(),
                findings=findings,
                marks=self.marks.weight.numpy().copy(),
                outer=self.outer.weight.numpy().copy(),
                outer_bias=self.outer.bias.numpy().copy(),
                ids=ids,
                rows=(self.scale.exp() * self.rows).numpy().copy(),
                bias=self.bias.numpy().copy(),
                danger=(self.scale.exp() * torch.cat([self.danger.weight[0], self.danger.bias])).numpy().copy(),
            )
