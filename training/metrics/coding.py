"""Set metrics of coding: counts first, ratios last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass
class CodingCounts:
    """Counts over texts: sets of names, first choice, first five, first ten."""

    texts: int = 0
    gold: int = 0
    chosen: int = 0
    right: int = 0
    exact: int = 0
    first: int = 0
    five: int = 0
    ten: int = 0

    def add(self, gold: frozenset[str], chosen: frozenset[str], ranked: Sequence[str]) -> None:
        """Count one text; ``ranked`` are all candidates, best first."""
        self.texts += 1
        self.gold += len(gold)
        self.chosen += len(chosen)
        self.right += len(gold & chosen)
        self.exact += gold == chosen
        self.first += bool(gold.intersection(ranked[:1]))
        self.five += bool(gold.intersection(ranked[:5]))
        self.ten += bool(gold.intersection(ranked[:10]))

    @property
    def f1(self) -> float:
        """F1 of the sets, out of counts."""
        total = self.gold + self.chosen
        return 2 * self.right / total if total else 0.0

    def report(self) -> dict[str, float | int]:
        """Counts and ratios for a JSON report."""
        texts = max(self.texts, 1)
        return {
            "texts": self.texts, "gold": self.gold, "chosen": self.chosen, "right": self.right,
            "precision": round(self.right / max(self.chosen, 1), 4), "recall": round(self.right / max(self.gold, 1), 4),
            "f1": round(self.f1, 4), "exact_set": round(self.exact / texts, 4), "gold_in_top_1": round(self.first / texts, 4),
            "gold_in_top_5": round(self.five / texts, 4), "gold_in_top_10": round(self.ten / texts, 4),
        }  # fmt: skip


def best_threshold(
    probabilities: NDArray[np.float64], right: NDArray[np.bool_], text: NDArray[np.int64], gold: int, grid: Sequence[float]
) -> tuple[float, float]:
    """The threshold with the highest set-F1, and that F1; the best candidate of a text is always chosen.

    Args:
        probabilities: ``(pairs,)``
        right: ``(pairs,)`` whether the pair's name is gold.
        text: ``(pairs,)`` which text the pair belongs to.
        gold: number of gold names, those out of reach among them.
        grid: thresholds to try.
    """
    scored = []
    for threshold in grid:
        chosen = chosen_pairs(probabilities, text, threshold)
        scored.append((2 * float((right & chosen).sum()) / float(chosen.sum() + gold), threshold))
    best, at = max(scored)
    return at, best


def chosen_pairs(probabilities: NDArray[np.float64], text: NDArray[np.int64], threshold: float) -> NDArray[np.bool_]:
    """Pairs above the threshold, and the best pair of each text."""
    order = np.lexsort((-probabilities, text))
    first = np.zeros(len(order), dtype=bool)
    first[order[np.concatenate(([True], np.diff(text[order]) != 0))]] = True
    return (probabilities >= threshold) | first
