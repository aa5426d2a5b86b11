"""Stage ``risk_framingham``: 10-year coronary disease in the Framingham teaching extract, as a demonstration of method.

Nothing is released: a US cohort of sixty years ago says nothing about absolute risk in China (the published equation,
China-PAR, stays the default). Logistic regression against gradient boosting, with and without the overlapping columns.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from training.datasets.risk import FRAMINGHAM, FRAMINGHAM_FEATURES, load_framingham
from training.metrics.calibration import auroc, calibration, decision_curve, report
from training.tracking import run_of

log = logging.getLogger("training.risk")
OVERLAPPING = ("prevalentHyp", "diabetes")
"""prevalentHyp overlaps with pressure and drugs, diabetes with glucose."""
MODELS: dict[str, Callable[[], Any]] = {
    "logistic": lambda: make_pipeline(
        SimpleImputer(strategy="median", add_indicator=True), StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)
    ),
    "boosting": lambda: HistGradientBoostingClassifier(
        max_leaf_nodes=6, learning_rate=0.03, max_iter=120, min_samples_leaf=40, l2_regularization=5.0, random_state=0
    ),
}


def out_of_fold(raw: npt.NDArray[np.float64], label: npt.NDArray[np.int64], build: Callable[[], Any], seed: int) -> npt.NDArray[np.float64]:
    """Out-of-fold probabilities of five folds."""
    out = np.zeros(len(label))
    for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(raw, label):
        out[test] = build().fit(raw[train], label[train]).predict_proba(raw[test])[:, 1]
    return out


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=os.environ.get("XINGLIN_CORPORA"), help="folder of the research corpora")
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    parser.add_argument("--tiny", action="store_true", help="few bootstrap rounds")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.corpora is None:
        log.warning("no corpora (XINGLIN_CORPORA): nothing is trained, what was released stays")
        return
    corpora = Path(options.corpora)
    threadpool_limits(1)  # small data: more threads only wait for each other on busy cores
    raw, label, _ = load_framingham(corpora)
    keep = [i for i, name in enumerate(FRAMINGHAM_FEATURES) if name not in OVERLAPPING]
    male = raw[:, FRAMINGHAM_FEATURES.index("male")] == 1
    figures: dict[str, Any] = {"note": "method demonstration only; not released"}
    with run_of("risk_framingham", {"features": ",".join(FRAMINGHAM_FEATURES)}, inputs={"framingham": corpora / FRAMINGHAM}):
        for name, build in MODELS.items():
            probability = out_of_fold(raw, label, build, seed=1)
            reduced = out_of_fold(raw[:, keep], label, build, seed=1)
            figures[name] = report(label, probability, rounds=50 if options.tiny else 1000) | {
                "without_overlapping_columns": auroc(label, reduced),
                "decision_curve": decision_curve(label, probability, (0.05, 0.1, 0.15, 0.2, 0.3)),
                "subgroups": {
                    group: {"auroc": auroc(label[rows], probability[rows]), **calibration(label[rows], probability[rows])}
                    for group, rows in (("men", male), ("women", ~male))
                },
            }
            mlflow.log_metrics({f"{name}_auroc": figures[name]["auroc"], f"{name}_slope": figures[name]["slope"]})
            log.info("%s: AUROC %.4f, slope %.3f", name, figures[name]["auroc"], figures[name]["slope"])
        mlflow.log_dict(figures, "figures.json")
    options.reports.mkdir(parents=True, exist_ok=True)
    (options.reports / "risk_framingham.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
