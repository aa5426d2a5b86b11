"""The taught part: a small network over the record's vector and its findings that training records have taught to tell entries apart.

The bi-encoder places a record near what entries say of themselves; what cases, presentations and vignettes say of them is learned
here, in a minute of one core and without touching the encoder. Findings enter as stated or denied, which a sentence vector does not
feel. An entry that was added later has no row of its own: it is judged by its views' vectors, on the scale of the taught rows.
One further row tells danger: how much the record reads like those whose disease must not be missed, whichever it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.ranking.vectors import quantise

TAUGHT = "taught.npz"
Array = npt.NDArray[np.float32]
Vector = npt.NDArray[np.float64]
_GELU = (2.0 / np.pi) ** 0.5


def said(present: Iterable[str], absent: Iterable[str]) -> list[str]:
    """Finding ids as the network knows them: what is stated, and what is denied with a minus before it."""
    return [*sorted(present), *(f"-{finding}" for finding in sorted(absent))]


def gelu(x: Array) -> Array:
    """Gaussian error linear unit, by its tanh form."""
    return np.asarray(0.5 * x * (1.0 + np.tanh(_GELU * (x + 0.044715 * x**3))), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class TaughtNetwork:
    """Weights as trained: a residual layer on the unit vector and the findings, then one row an entry.

    Attributes:
        inner: (hidden, dimension); inner_bias: (hidden,).
        findings: what the marks stand for, as `said` writes it.
        marks: (findings, hidden), added up over the record's findings and divided by the root of their number.
        outer: (dimension, hidden); outer_bias: (dimension,).
        ids: entries, full or thin, in the order of the rows.
        rows: (entries, dimension); bias: (entries,).
        danger: (dimension + 1,): the row of danger on the moved vector, its bias last.
    """

    inner: Array
    inner_bias: Array
    findings: tuple[str, ...]
    marks: Array
    outer: Array
    outer_bias: Array
    ids: tuple[str, ...]
    rows: Array
    bias: Array
    danger: Array

    def moved(self, vectors: Array, added: Array | float = 0.0) -> Array:
        """Unit vectors (n, dimension) where the rows expect them; `added` (n, hidden) is what the findings add to the layer."""
        hidden = gelu(vectors @ self.inner.T + self.inner_bias + added)
        out = vectors + hidden @ self.outer.T + self.outer_bias
        return np.asarray(out / np.maximum(np.linalg.norm(out, axis=1, keepdims=True), 1e-9), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class TaughtScores:
    """What the network says of a record: log-probabilities (targets,), and the probability of danger."""

    likely: Vector
    danger: float


class Taught:
    """Log-probabilities of every target (full entries, then thin ones) and of danger, for a record's vector."""

    def __init__(self, network: TaughtNetwork, targets: Sequence[str], views: Array, starts: npt.NDArray[np.int64]) -> None:
        """`views` (n, dimension) are all targets' view vectors in order, `starts` each target's first."""
        self.network = network
        self.marks = {finding: place for place, finding in enumerate(network.findings)}
        places = {ident: place for place, ident in enumerate(network.ids)}
        found = np.array([places.get(target, -1) for target in targets], dtype=np.int64)
        self.rows = np.zeros((len(targets), network.rows.shape[1]), dtype=np.float32)
        self.bias = np.zeros(len(targets), dtype=np.float32)
        known = found >= 0
        self.rows[known], self.bias[known] = network.rows[found[known]], network.bias[found[known]]
        size = float(np.median(np.linalg.norm(network.rows, axis=1))) if len(network.rows) else 1.0
        level = float(np.median(network.bias)) if len(network.bias) else 0.0
        ends = np.append(starts[1:], len(views))
        for place in np.flatnonzero(~known).tolist():
            own = network.moved(views[starts[place] : ends[place]]).mean(axis=0)
            self.rows[place] = size * own / max(float(np.linalg.norm(own)), 1e-9)
            self.bias[place] = level

    def score(self, vector: Array, present: Iterable[str] = (), absent: Iterable[str] = ()) -> TaughtScores:
        """Scores of a record: its unit vector, the findings it states and those it denies."""
        places = [self.marks[finding] for finding in said(present, absent) if finding in self.marks]
        added = self.network.marks[places].sum(axis=0)[None] / max(len(places), 1) ** 0.5
        moved = self.network.moved(vector[None], added)[0]
        logits = (self.rows @ moved + self.bias).astype(np.float64)
        top = logits.max()
        danger = float(moved @ self.network.danger[:-1] + self.network.danger[-1])
        return TaughtScores(np.asarray(logits - top - np.log(np.exp(logits - top).sum())), 1.0 / (1.0 + np.exp(-danger)))


def write(path: Path, network: TaughtNetwork) -> None:
    """Seal a network: the layer in half precision, rows and marks as one byte scaled by each one's largest entry."""
    arrays: dict[str, npt.NDArray[Any]] = {
        "ids": np.array(network.ids, dtype=np.str_),
        "findings": np.array(network.findings, dtype=np.str_),
        "bias": network.bias.astype(np.float32),
        "danger": network.danger.astype(np.float32),
        **{name: getattr(network, name).astype(np.float16) for name in ("inner", "inner_bias", "outer", "outer_bias")},
    }
    for name in ("rows", "marks"):
        weights = getattr(network, name)
        arrays |= {name: quantise(weights), f"{name}_tops": np.abs(weights).max(axis=1, initial=1e-9).astype(np.float32)}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def read(path: Path) -> TaughtNetwork:
    """What `write` wrote."""
    with np.load(path, allow_pickle=False) as data:
        layer = {name: data[name].astype(np.float32) for name in ("inner", "inner_bias", "outer", "outer_bias", "bias", "danger")}
        scaled = {name: data[name].astype(np.float32) / 127.0 * data[f"{name}_tops"][:, None] for name in ("rows", "marks")}
        return TaughtNetwork(ids=tuple(data["ids"].tolist()), findings=tuple(data["findings"].tolist()), **layer, **scaled)
