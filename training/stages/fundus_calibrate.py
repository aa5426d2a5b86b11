"""Stage: temperature per threshold, grade cuts and the operating point, on held-out answers only.

Temperatures come from the left-out-source folds (an unseen camera is what the model will meet); the operating point is
the highest threshold that keeps the asked sensitivity on pooled held-out folds. Writes `calibration.json`.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

from inference.fundus.model import cumulative
from training.datasets.fundus import GRADED_SOURCES
from training.metrics.fundus import quadratic_kappa, sensitive_threshold
from training.stages.fundus_data import Cache
from training.stages.fundus_linear import fold_logits
from training.stages.fundus_settings import load_params, one_thread

SENSITIVITY = 0.905


@dataclass(frozen=True)
class HeldOut:
    """Answers on graded photographs by a network that saw neither them nor their groups.

    Attributes:
        rows: photographs.
        logits: (n, 4).
    """

    rows: np.ndarray
    logits: np.ndarray


def held_out(cache: Cache, work: Path, prefix: str) -> HeldOut | None:
    """Pool the folds of one kind ("loso_" or "cv_"), graded sources only; None where none was trained."""
    rows, logits = [], []
    for path in sorted(work.glob(f"{prefix}*.npz")):
        found, told = fold_logits(work, path.stem)
        graded = np.isin(cache.sources[found], GRADED_SOURCES) & (cache.grades[found] >= 0)
        rows.append(found[graded])
        logits.append(told[graded])
    return HeldOut(np.concatenate(rows), np.concatenate(logits)) if rows else None


def source_weights(cache: Cache, rows: np.ndarray) -> np.ndarray:
    """Every source counts alike."""
    sources = cache.sources[rows]
    counts = {s: int((sources == s).sum()) for s in np.unique(sources)}
    return np.array([1 / counts[s] for s in sources])


def fit_temperature(logit: np.ndarray, label: np.ndarray, weight: np.ndarray) -> tuple[float, float]:
    """Temperature and shift that minimise the weighted log-loss."""

    def loss(parameters: np.ndarray) -> float:
        z = logit / np.exp(parameters[0]) + parameters[1]
        return float((weight * (np.logaddexp(0, z) - label * z)).sum() / weight.sum() + 0.002 * (parameters**2).sum())

    best = minimize(loss, np.zeros(2), method="Nelder-Mead")
    return float(np.exp(best.x[0])), float(best.x[1])


def grade_cuts(at_least: np.ndarray, grades: np.ndarray, weight_rows: np.ndarray) -> list[float]:
    """Cuts of the cumulative probabilities by coordinate ascent on quadratic kappa, resampled to even sources."""
    cuts = np.full(4, 0.5)
    chosen = np.random.default_rng(0).choice(len(grades), 4000, p=weight_rows / weight_rows.sum())
    p, truth = at_least[chosen], grades[chosen]
    for _ in range(2):
        for k in range(4):
            scores = []
            options = np.arange(0.2, 0.76, 0.05)
            for option in options:
                trial = cuts.copy()
                trial[k] = option
                scores.append(quadratic_kappa(truth, (p >= trial).cumprod(axis=1).sum(axis=1)))
            cuts[k] = options[int(np.argmax(scores))]
    return [round(float(c), 3) for c in cuts]


def calibrate(work: Path) -> None:
    """Write `calibration.json`."""
    cache = Cache.load(work)
    unseen = held_out(cache, work, "loso_")
    within = held_out(cache, work, "cv_") or unseen
    if unseen is None or within is None:
        raise FileNotFoundError("train the folds first: python -m training.stages.fundus_train")
    weight = source_weights(cache, unseen.rows)
    temperature, shift = [], []
    for k in range(4):
        label = (cache.grades[unseen.rows] > k).astype(float)
        if k == 1:
            label = cache.referable[unseen.rows].astype(float)
        t, s = fit_temperature(unseen.logits[:, k], label, weight)
        temperature.append(round(t, 4))
        shift.append(round(s, 4))
    clean = np.array([not cache.photographs[r].conflict and cache.photographs[r].quality != "reject" for r in within.rows])
    p = cumulative(within.logits, np.array(temperature), np.array(shift))
    threshold = sensitive_threshold(cache.referable[within.rows][clean], p[clean, 1], SENSITIVITY)
    out = {
        "temperature": temperature,
        "shift": shift,
        "grade_cuts": grade_cuts(p[clean], cache.grades[within.rows][clean], source_weights(cache, within.rows)[clean]),
        "referable_threshold": round(threshold, 4),
        "operating_sensitivity": SENSITIVITY,
    }
    (work / "calibration.json").write_text(json.dumps(out, indent=1), encoding="utf-8")
    print(json.dumps(out))


def main() -> None:
    """Calibrate the folds in the work folder."""
    one_thread()
    load_params()
    calibrate(Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus")))


if __name__ == "__main__":
    main()
