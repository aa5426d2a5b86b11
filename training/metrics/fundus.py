"""Figures of a screening test, with 95 % intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.float64]


def auc(labels: Sequence[int] | npt.NDArray[Any], scores: Sequence[float] | npt.NDArray[Any]) -> float:
    """Area under the ROC curve by ranks, ties counted half; NaN where one class is missing."""
    y, s = np.asarray(labels), np.asarray(scores, dtype=np.float64)
    positive, negative = int((y == 1).sum()), int((y == 0).sum())
    if not positive or not negative:
        return float("nan")
    _, inverse, counts = np.unique(s, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]
    return float((ranks[y == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def grouped_interval(
    statistic: Callable[[npt.NDArray[np.int64]], float], groups: Sequence[str], *, draws: int = 400, seed: int = 0
) -> dict[str, float]:
    """A figure of rows with its 95 % bootstrap interval over groups (patients), which are drawn whole.

    Args:
        statistic: the figure for the row numbers that it is given (rows may repeat); NaN where it has none.
        groups: group of each row.
        draws: bootstrap samples.
        seed: of the draws.
    """
    names = {g: i for i, g in enumerate(dict.fromkeys(groups))}
    members: list[list[int]] = [[] for _ in names]
    for i, g in enumerate(groups):
        members[names[g]].append(i)
    rng = np.random.default_rng(seed)
    values = [statistic(np.concatenate([members[j] for j in rng.integers(0, len(members), len(members))])) for _ in range(draws)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return {"value": rounded(statistic(np.arange(len(groups)))), "low": rounded(low), "high": rounded(high)}


def auc_interval(labels: npt.NDArray[Any], scores: npt.NDArray[Any], groups: Sequence[str], *, draws: int = 400) -> dict[str, Any]:
    """AUC with a bootstrap interval over groups."""
    found = grouped_interval(lambda rows: auc(labels[rows], scores[rows]), groups, draws=draws)
    return {**found, "n": len(labels), "positive": int((labels == 1).sum())}


def wilson(hits: int, total: int) -> dict[str, Any]:
    """A share with its Wilson interval."""
    if total == 0:
        return {"value": None, "low": None, "high": None, "n": 0}
    z, p = 1.96, hits / total
    centre, spread = p + z * z / (2 * total), z * math.sqrt(p * (1 - p) / total + z * z / (4 * total * total))
    scale = 1 + z * z / total
    return {"value": rounded(p), "low": rounded((centre - spread) / scale), "high": rounded((centre + spread) / scale), "n": total}


def operating(labels: npt.NDArray[Any], called: npt.NDArray[np.bool_]) -> dict[str, Any]:
    """Sensitivity and specificity of a decision, with predictive values at prevalences of 5, 10 and 30 %."""
    sick, well = labels == 1, labels == 0
    sensitivity = wilson(int((called & sick).sum()), int(sick.sum()))
    specificity = wilson(int((~called & well).sum()), int(well.sum()))
    out: dict[str, Any] = {"sensitivity": sensitivity, "specificity": specificity}
    if sensitivity["value"] is not None and specificity["value"] is not None:
        out["predictive"] = {f"{int(100 * p)}%": predictive(sensitivity["value"], specificity["value"], p) for p in (0.05, 0.1, 0.3)}
    return out


def predictive(sensitivity: float, specificity: float, prevalence: float) -> dict[str, float]:
    """Positive and negative predictive value at a prevalence."""
    true_positive, false_positive = sensitivity * prevalence, (1 - specificity) * (1 - prevalence)
    true_negative, false_negative = specificity * (1 - prevalence), (1 - sensitivity) * prevalence
    return {
        "positive": rounded(true_positive / max(true_positive + false_positive, 1e-12)),
        "negative": rounded(true_negative / max(true_negative + false_negative, 1e-12)),
    }


def quadratic_kappa(truth: npt.NDArray[Any], answer: npt.NDArray[Any], classes: int = 5) -> float:
    """Quadratic weighted kappa of integer grades."""
    table = np.zeros((classes, classes))
    np.add.at(table, (truth, answer), 1)
    weight = (np.arange(classes)[:, None] - np.arange(classes)[None, :]) ** 2
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    return float(1 - (weight * table).sum() / (weight * expected).sum())


def sensitive_threshold(labels: npt.NDArray[Any], scores: npt.NDArray[Any], sensitivity: float) -> float:
    """The highest threshold that still calls `sensitivity` of the sick."""
    sick = np.sort(scores[labels == 1])
    return float(sick[math.floor((1 - sensitivity) * len(sick) + 1e-9)])


def mass_ratio(heat: Numbers, mask: npt.NDArray[np.bool_], counted: npt.NDArray[np.bool_]) -> float | None:
    """Share of a heat map's mass inside a mask against the mask's share of area; None for an empty map or mask."""
    heat, mask = heat * counted, mask & counted
    if heat.sum() <= 0 or not mask.any():
        return None
    return float((heat[mask].sum() / heat.sum()) / (mask.sum() / counted.sum()))


def rounded(value: float) -> float:
    """Four decimals: no interval here is narrower."""
    return round(float(value), 4)
