"""Strict span metrics: counts first, ratios last, and the kinds of error."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

Span = tuple[int, int, str]
"""Start, end (exclusive), type."""

ERROR_KINDS = ("too_long", "too_short", "shifted", "wrong_type", "invented", "missed")


@dataclass
class SpanCounts:
    """Counts of one type or of all."""

    gold: int = 0
    predicted: int = 0
    right: int = 0

    @property
    def precision(self) -> float:
        """Right among predicted; 0 where nothing was predicted."""
        return self.right / self.predicted if self.predicted else 0.0

    @property
    def recall(self) -> float:
        """Right among gold; 0 where there is no gold."""
        return self.right / self.gold if self.gold else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of the two, out of counts."""
        total = self.gold + self.predicted
        return 2 * self.right / total if total else 0.0

    def report(self) -> dict[str, float | int]:
        """Counts and ratios for a JSON report."""
        return {
            "gold": self.gold,
            "predicted": self.predicted,
            "right": self.right,
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "f1": round(self.f1, 4),
        }


@dataclass
class SpanScore:
    """Counts over documents, by type and in all, with error kinds."""

    total: SpanCounts = field(default_factory=SpanCounts)
    by_type: dict[str, SpanCounts] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)
    documents: list[tuple[int, int, int]] = field(default_factory=list)
    """Gold, predicted and right of each document."""

    def add(self, gold: Iterable[Span], predicted: Iterable[Span]) -> None:
        """Count one document."""
        gold_set, predicted_set = set(gold), set(predicted)
        for spans, name in ((gold_set, "gold"), (predicted_set, "predicted"), (gold_set & predicted_set, "right")):
            for span in spans:
                counts = self.by_type.setdefault(span[2], SpanCounts())
                setattr(counts, name, getattr(counts, name) + 1)
                setattr(self.total, name, getattr(self.total, name) + 1)
        self.documents.append((len(gold_set), len(predicted_set), len(gold_set & predicted_set)))
        missed = gold_set - predicted_set
        for span in predicted_set - gold_set:
            self.errors[_kind(span, gold_set)] += 1
        touched = predicted_set - gold_set
        self.errors["missed"] += sum(not any(_overlap(span, other) for other in touched) for span in missed)

    def interval(self, samples: int = 1000, seed: int = 0) -> tuple[float, float]:
        """95 % interval of F1 by resampling documents."""
        counts = np.array(self.documents, dtype=np.float64).reshape(-1, 3)
        if not len(counts):
            return 0.0, 0.0
        drawn = np.random.default_rng(seed).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=samples)
        gold, predicted, right = (drawn @ counts).T
        low, high = np.quantile(2 * right / np.maximum(gold + predicted, 1.0), (0.025, 0.975))
        return round(float(low), 4), round(float(high), 4)

    def report(self) -> dict[str, object]:
        """Everything as plain JSON values."""
        return {
            **self.total.report(),
            "f1_interval": list(self.interval()),
            "documents": len(self.documents),
            "by_type": {kind: counts.report() for kind, counts in sorted(self.by_type.items())},
            "errors": {kind: self.errors[kind] for kind in ERROR_KINDS},
        }


def _overlap(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


def _kind(span: Span, gold: set[Span]) -> str:
    """How a wrong prediction is wrong, judged against the gold span that it overlaps."""
    start, end, kind = span
    if any(other[0] == start and other[1] == end for other in gold):
        return "wrong_type"
    same = [other for other in gold if other[2] == kind and _overlap(span, other)]
    if any(start <= other[0] and other[1] <= end for other in same):
        return "too_long"
    if any(other[0] <= start and end <= other[1] for other in same):
        return "too_short"
    if same:
        return "shifted"
    return "wrong_type" if any(_overlap(span, other) for other in gold) else "invented"


def macro_f1(gold: list[str], predicted: list[str]) -> tuple[float, dict[str, SpanCounts]]:
    """Macro-F1 over the classes that occur in gold, with each class's counts."""
    counts = {name: SpanCounts() for name in sorted(set(gold))}
    for right, said in zip(gold, predicted, strict=True):
        counts[right].gold += 1
        if said in counts:
            counts[said].predicted += 1
        if right == said:
            counts[right].right += 1
    return (sum(item.f1 for item in counts.values()) / len(counts) if counts else 0.0), counts
