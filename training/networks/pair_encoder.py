"""The pair network: a short BERT that judges "text [SEP] name" and also gives a text's or a name's vector.

Written out here rather than taken from ``transformers``: the last layer computes its first token alone (a fifth of the cost
saved, in training as in serving), and each of the last layers can answer, so that the depth is chosen after training.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

_PARTS = {
    "up": "intermediate.dense",
    "down": "output.dense",
    "settled": "output.LayerNorm",
    "out": "attention.output.dense",
    "attended": "attention.output.LayerNorm",
}


class Layer(nn.Module):
    """One encoder layer of BERT."""

    def __init__(self, hidden: int, heads: int, inner: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.pair = nn.Linear(hidden, hidden), nn.Linear(hidden, 2 * hidden)
        self.out, self.attended = nn.Linear(hidden, hidden), nn.LayerNorm(hidden, eps=1e-12)
        self.up, self.down, self.settled = nn.Linear(hidden, inner), nn.Linear(inner, hidden), nn.LayerNorm(hidden, eps=1e-12)
        self.drop = nn.Dropout(dropout)

    def forward(self, states: Tensor, bias: Tensor, first_only: bool) -> Tensor:
        """``(batch, tokens, hidden)`` to the same, or to ``(batch, 1, hidden)`` for the first token alone.

        Args:
            states: of the layer below.
            bias: ``(batch, 1, 1, tokens)``, 0 for a token and very low for padding.
            first_only: whether only the first token's state is wanted.
        """
        batch, tokens, hidden = states.shape
        asking = states[:, :1] if first_only else states
        width = hidden // self.heads
        query = self.query(asking).view(batch, -1, self.heads, width).transpose(1, 2)
        key, value = self.pair(states).view(batch, tokens, 2, self.heads, width).permute(2, 0, 3, 1, 4)
        scores = torch.matmul(query, key.transpose(-1, -2)) * width**-0.5 + bias.to(query.dtype)
        mixed = torch.matmul(scores.float().softmax(-1).to(value.dtype), value).transpose(1, 2).reshape(batch, -1, hidden)
        attended = self.attended(asking + self.drop(self.out(mixed)))
        return self.settled(attended + self.drop(self.down(functional.gelu(self.up(attended)))))


class PairEncoder(nn.Module):
    """Encoder with two answers at each of its exits: a pair's logit and a single text's unit vector."""

    def __init__(self, vocabulary: int, hidden: int = 512, layers: int = 4, heads: int = 8, inner: int = 2048, positions: int = 64) -> None:
        super().__init__()
        self.words, self.places, self.kinds = nn.Embedding(vocabulary, hidden), nn.Embedding(positions, hidden), nn.Embedding(2, hidden)
        self.norm, self.drop = nn.LayerNorm(hidden, eps=1e-12), nn.Dropout(0.1)
        self.layers = nn.ModuleList(Layer(hidden, heads, inner, 0.1) for _ in range(layers))
        self.exits = tuple(range(min(2, layers), layers + 1))
        """After how many layers the network can answer."""
        self.judges = nn.ModuleList(nn.Sequential(nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1)) for _ in self.exits)

    @classmethod
    def pretrained(cls, folder: Path, rows: Tensor) -> PairEncoder:
        """The pretrained encoder of ``folder`` with the given rows of its vocabulary."""
        weights = {name: value.float() for name, value in load_file(folder / "model.safetensors").items()}
        layers = 1 + max(int(name.split(".")[2]) for name in weights if name.startswith("encoder.layer."))
        network = cls(len(rows), weights["embeddings.word_embeddings.weight"].shape[1], layers)
        state = network.state_dict()
        state["words.weight"] = weights["embeddings.word_embeddings.weight"][rows]
        state["places.weight"] = weights["embeddings.position_embeddings.weight"][: state["places.weight"].shape[0]]
        state["kinds.weight"] = weights["embeddings.token_type_embeddings.weight"]
        for kind in ("weight", "bias"):
            state[f"norm.{kind}"] = weights[f"embeddings.LayerNorm.{kind}"]
            for number in range(layers):
                there, here = f"encoder.layer.{number}.", f"layers.{number}."
                state[f"{here}query.{kind}"] = weights[f"{there}attention.self.query.{kind}"]
                both = [weights[f"{there}attention.self.{part}.{kind}"] for part in ("key", "value")]
                state[f"{here}pair.{kind}"] = torch.cat(both)
                for mine, theirs in _PARTS.items():
                    state[f"{here}{mine}.{kind}"] = weights[f"{there}{theirs}.{kind}"]
        network.load_state_dict(state)
        return network

    def states(self, ids: Tensor, kinds: Tensor, mask: Tensor, depth: int | None = None) -> list[Tensor]:
        """First-token states ``(batch, hidden)`` at each exit, up to ``depth`` layers.

        Args:
            ids: ``(batch, tokens)``
            kinds: ``(batch, tokens)``, 0 for the text and 1 for the name.
            mask: ``(batch, tokens)``, true for a token.
            depth: how many layers to compute; all by default.
        """
        last = depth or len(self.layers)
        places = self.places.weight[: ids.shape[1]]
        states = self.drop(self.norm(self.words(ids) + self.kinds(kinds) + places))
        bias = (1.0 - mask[:, None, None, :].to(states.dtype)) * -1e4
        found = []
        for number, layer in enumerate(self.layers[:last], 1):
            states = layer(states, bias, number == last)
            if number in self.exits:
                found.append(states[:, 0])
        return found

    def logits(self, states: list[Tensor]) -> Tensor:
        """``(exits, batch)`` logits that the name is right for the text."""
        return torch.stack([judge(state).float()[:, 0] for judge, state in zip(self.judges, states, strict=False)])


def vectors(states: list[Tensor]) -> Tensor:
    """``(exits, batch, hidden)`` unit vectors."""
    return functional.normalize(torch.stack(states).float(), dim=-1)
