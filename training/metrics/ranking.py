"""Counts first, ratios last: hits of ranked lists, with bootstrap intervals, and calibration of shown probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from inference.ranking.names import normalise_name


def is_hit(name: str, icd10: str | None, gold_names: Sequence[str], gold_codes: Sequence[Sequence[str]]) -> bool:
    """Equal name after normalisation, or equal three-character category."""
    shown = normalise_name(name)
    if any(shown == normalise_name(gold) for gold in gold_names):
        return True
    return icd10 is not None and any(icd10[:3] == code[:3] for codes in gold_codes for code in codes)


@dataclass(slots=True)
class HitCounts:
    """For each record, the rank (from 0) of the first hit, or None."""

    ranks: list[int | None] = field(default_factory=list)

    def add(self, rank: int | None) -> None:
        """Count one record."""
        self.ranks.append(rank)

    def at(self, k: int) -> float:
        """Share of records with a hit among the first k."""
        return sum(rank is not None and rank < k for rank in self.ranks) / max(len(self.ranks), 1)

    def interval(self, k: int, *, draws: int = 1000) -> tuple[float, float]:
        """95 % bootstrap interval of `at(k)`."""
        hits = np.array([rank is not None and rank < k for rank in self.ranks], dtype=float)
        if len(hits) == 0:
            return (0.0, 0.0)
        rng = np.random.default_rng(0)
        means = hits[rng.integers(0, len(hits), (draws, len(hits)))].mean(axis=1)
        return (float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975)))

    def summary(self, ks: Sequence[int] = (1, 3, 10)) -> dict[str, object]:
        """n and, for each k, the share with its interval."""
        return {"n": len(self.ranks)} | {
            f"top{k}": {"value": round(self.at(k), 4), "interval": [round(v, 4) for v in self.interval(k)]} for k in ks
        }


def first_hit(candidates: Sequence[tuple[str, str | None]], gold_names: Sequence[str], gold_codes: Sequence[Sequence[str]]) -> int | None:
    """Rank of the first hit of (name, icd10) candidates."""
    for rank, (name, icd10) in enumerate(candidates):
        if is_hit(name, icd10, gold_names, gold_codes):
            return rank
    return None


def expected_calibration_error(probabilities: npt.NDArray[np.float64], outcomes: npt.NDArray[np.float64], *, bins: int = 10) -> float:
    """ECE with equal-mass bins."""
    if len(probabilities) == 0:
        return 0.0
    order = np.argsort(probabilities, kind="stable")
    total = 0.0
    for part in np.array_split(order, min(bins, len(order))):
        total += len(part) * abs(float(probabilities[part].mean()) - float(outcomes[part].mean()))
    return total / len(order)
