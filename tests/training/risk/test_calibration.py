"""Calibration, decision curves and the learned score."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from inference.risk.hyperglycaemia_design import design
from models.bundle import RELEASED, Bundle
from training.metrics.calibration import auroc, calibration, decision_curve, logistic_fit, logit, net_benefit, operating_point

CORPORA = os.environ.get("XINGLIN_CORPORA")


@pytest.fixture(scope="module")
def scores() -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from known probabilities."""
    rng = np.random.default_rng(2)
    probability = 1 / (1 + np.exp(-rng.normal(-2, 1.2, 20_000)))
    return (rng.random(len(probability)) < probability).astype(np.int64), probability


def test_auroc_is_that_of_sklearn_with_ties(scores: tuple[np.ndarray, np.ndarray]) -> None:
    label, probability = scores
    coarse = probability.round(2)
    assert auroc(label, coarse) == pytest.approx(roc_auc_score(label, coarse), abs=1e-12)


def test_true_probabilities_are_calibrated_and_shrunken_ones_are_not(scores: tuple[np.ndarray, np.ndarray]) -> None:
    label, probability = scores
    assert calibration(label, probability)["slope"] == pytest.approx(1, abs=0.05)
    shrunk = 1 / (1 + np.exp(-0.5 * logit(probability)))
    assert calibration(label, shrunk)["slope"] == pytest.approx(2, abs=0.1)
    intercept, slope = logistic_fit(logit(shrunk), label)
    assert (intercept, slope) == pytest.approx((0, 2), abs=0.12)


def test_decision_curve(scores: tuple[np.ndarray, np.ndarray]) -> None:
    label, probability = scores
    assert net_benefit(label, np.ones(len(label)), 0.1) == pytest.approx(label.mean() - (1 - label.mean()) / 9)
    assert all(row["model"] >= row["everyone"] for row in decision_curve(label, probability, (0.1, 0.2, 0.3)))


def test_operating_point_keeps_its_sensitivity(scores: tuple[np.ndarray, np.ndarray]) -> None:
    assert operating_point(*scores, 0.8)["sensitivity"] >= 0.8


def test_released_score_reached_its_goal_and_opens() -> None:
    bundle = Bundle.open(RELEASED / "hyperglycaemia", replay=3)
    metrics = bundle.manifest["metrics"]
    assert metrics["mean_auroc"] >= 0.83
    assert 0.9 <= metrics["mean_slope"] <= 1.1
    assert bundle.manifest["parity"] <= 1e-5


def test_design_never_leaves_an_unknown() -> None:
    parameters = json.loads((RELEASED / "hyperglycaemia/calibration.json").read_text(encoding="utf-8"))
    width = len(parameters["features"])
    rows = design(np.full((2, width), np.nan), parameters)
    assert not np.isnan(rows).any()
    assert rows[0, -len(parameters["blocks"]) :].tolist() == [1.0] * len(parameters["blocks"])


@pytest.mark.skipif(not CORPORA, reason="the risk corpora are not on this machine (XINGLIN_CORPORA)")
def test_the_stage_runs_from_end_to_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from training.stages import risk_hyperglycaemia

    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(
        "sys.argv", ["stage", "--corpora", str(CORPORA), "--out", str(tmp_path / "bundle"), "--reports", str(tmp_path), "--tiny"]
    )
    risk_hyperglycaemia.main()
    assert Bundle.open(tmp_path / "bundle").task == "hyperglycaemia"
