"""Discrimination, calibration and clinical usefulness of probabilities."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
EDGE = 1e-6


def logit(probability: Floats) -> Floats:
    """Log odds, kept finite."""
    clipped = np.clip(probability, EDGE, 1 - EDGE)
    return np.log(clipped / (1 - clipped))


def auroc(label: Labels, probability: Floats) -> float:
    """Area under the ROC curve by ranks, ties halved; NaN where only one class is there."""
    positive = int(label.sum())
    negative = len(label) - positive
    if positive == 0 or negative == 0:
        return float("nan")
    _, inverse, counts = np.unique(probability, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    ranks = middle[inverse]
    return float((ranks[label == 1].sum() - positive * (positive + 1) / 2) / (positive * negative))


def brier(label: Labels, probability: Floats) -> float:
    """Mean squared error of the probabilities."""
    return float(np.mean((probability - label) ** 2))


def log_loss(label: Labels, probability: Floats) -> float:
    """Mean negative log likelihood."""
    p = np.clip(probability, EDGE, 1 - EDGE)
    return float(-np.mean(label * np.log(p) + (1 - label) * np.log(1 - p)))


def logistic_fit(x: Floats, label: Labels, *, slope: bool = True, rounds: int = 50) -> tuple[float, float]:
    """Intercept and slope of label on one predictor by Newton's method; `slope=False` fixes the slope at 1."""
    intercept, coefficient = 0.0, 1.0
    for _ in range(rounds):
        p = 1 / (1 + np.exp(-(intercept + coefficient * x)))
        weight = np.maximum(p * (1 - p), 1e-12)
        error = label - p
        if not slope:
            step = error.sum() / weight.sum()
            intercept += float(step)
            if abs(step) < 1e-10:
                break
            continue
        gradient = np.array([error.sum(), (error * x).sum()])
        hessian = np.array([[weight.sum(), (weight * x).sum()], [(weight * x).sum(), (weight * x * x).sum()]])
        step2 = np.linalg.solve(hessian + 1e-9 * np.eye(2), gradient)
        intercept, coefficient = intercept + float(step2[0]), coefficient + float(step2[1])
        if float(np.abs(step2).max()) < 1e-10:
            break
    return intercept, coefficient


def calibration(label: Labels, probability: Floats) -> dict[str, float]:
    """Calibration slope (of the logistic recalibration), intercept (calibration in the large, slope fixed at 1), and the
    ratio of observed to expected events."""
    x = logit(probability)
    _, slope = logistic_fit(x, label)
    large, _ = logistic_fit(x, label, slope=False)
    return {"slope": slope, "intercept": large, "observed_expected": float(label.sum() / max(probability.sum(), EDGE))}


def reliability(label: Labels, probability: Floats, bins: int = 10) -> list[dict[str, float]]:
    """Mean predicted against observed by quantile bins."""
    order = np.argsort(probability, kind="stable")
    return [
        {"n": len(rows), "predicted": float(probability[rows].mean()), "observed": float(label[rows].mean())}
        for rows in np.array_split(order, bins)
        if len(rows)
    ]


def net_benefit(label: Labels, probability: Floats, threshold: float) -> float:
    """Net benefit a person of treating those at or above a threshold."""
    treated = probability >= threshold
    true = float((treated & (label == 1)).sum()) / len(label)
    false = float((treated & (label == 0)).sum()) / len(label)
    return true - false * threshold / (1 - threshold)


def decision_curve(label: Labels, probability: Floats, thresholds: Sequence[float]) -> list[dict[str, float]]:
    """Net benefit of the model and of treating everyone, by threshold (treating nobody is 0)."""
    everyone = np.ones(len(label))
    return [
        {"threshold": threshold, "model": net_benefit(label, probability, threshold), "everyone": net_benefit(label, everyone, threshold)}
        for threshold in thresholds
    ]


def operating_point(label: Labels, probability: Floats, sensitivity: float) -> dict[str, float]:
    """The highest threshold that reaches a sensitivity, with what it costs."""
    cuts = np.sort(probability[label == 1])
    threshold = float(cuts[int(np.floor((1 - sensitivity) * len(cuts)))])
    positive = probability >= threshold
    return {
        "threshold": threshold,
        "sensitivity": float(positive[label == 1].mean()),
        "specificity": float((~positive)[label == 0].mean()),
        "ppv": float(label[positive].mean()),
        "flagged": float(positive.mean()),
    }


def bootstrap(
    label: Labels, probability: Floats, metric: Callable[[Labels, Floats], float], *, rounds: int = 1000, seed: int = 0
) -> tuple[float, float]:
    """95 % interval of a metric by resampling people."""
    rng = np.random.default_rng(seed)
    values = []
    for _ in range(rounds):
        rows = rng.integers(0, len(label), len(label))
        if 0 < label[rows].sum() < len(rows):
            values.append(metric(label[rows], probability[rows]))
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def report(label: Labels, probability: Floats, *, rounds: int = 1000) -> dict[str, Any]:
    """Everything about one set of out-of-sample probabilities."""
    low, high = bootstrap(label, probability, auroc, rounds=rounds)
    slope_low, slope_high = bootstrap(label, probability, lambda y, p: calibration(y, p)["slope"], rounds=max(rounds // 5, 50))
    return {
        "n": len(label),
        "events": int(label.sum()),
        "auroc": auroc(label, probability),
        "auroc_interval": [low, high],
        "brier": brier(label, probability),
        "log_loss": log_loss(label, probability),
        **calibration(label, probability),
        "slope_interval": [slope_low, slope_high],
    }
