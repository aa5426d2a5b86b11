"""Stage: every figure of the fundus part from held-out answers; writes reports/fundus.json."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from inference.fundus.lesions import heat
from inference.fundus.model import cumulative
from inference.fundus.retina import disc
from training.datasets.fundus import GRADED_SOURCES, grouped_folds
from training.metrics.fundus import auc, auc_interval, mass_ratio, operating, quadratic_kappa, rounded, wilson
from training.stages.fundus_calibrate import HeldOut, held_out
from training.stages.fundus_data import Views
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

FLOORS = {
    "loso_rahim600": 0.861, "cv_rahim600": 0.803, "loso_odir": 0.745, "odir_normals_called_referable": 0.25, "loso_eyepacs": 0.771,
    "cv_eyepacs": 0.740, "loso_aptos2019": 0.705, "cv_aptos2019": 0.953, "aptos2019_qwk": 0.815, "quality_reject_auc": 0.976,
}  # fmt: skip


class Answers:
    """Held-out answers of one kind of fold with their labels."""

    def __init__(self, views: Views, held: HeldOut, calibration: dict[str, Any]) -> None:
        self.rows = held.rows
        self.p = cumulative(held.logits, np.asarray(calibration["temperature"]), np.asarray(calibration["shift"]))
        self.cuts = np.asarray(calibration["grade_cuts"])
        self.called = self.p[:, 1] >= calibration["referable_threshold"]
        self.source = views.sources[self.rows]
        self.referable = views.referable[self.rows]
        self.grades = views.grades[self.rows]
        self.groups = np.array(views.groups)[self.rows]
        items = [views.photographs[r] for r in self.rows]
        self.quality = np.array([p.quality or "unlabelled" for p in items])
        self.shape = np.array([p.shape_class for p in items])
        self.clean = np.array([not p.conflict for p in items])

    def auc(self, part: np.ndarray) -> dict[str, Any]:
        """Referable AUC of a part."""
        return auc_interval(self.referable[part], self.p[part, 1], self.groups[part].tolist())

    def kappa(self, part: np.ndarray) -> float:
        """Quadratic kappa of a part."""
        answer = (self.p[part] >= self.cuts).cumprod(axis=1).sum(axis=1)
        return rounded(quadratic_kappa(self.grades[part], answer))

    def operating(self, part: np.ndarray) -> dict[str, Any]:
        """Sensitivity, specificity and predictive values at the sealed threshold."""
        return operating(self.referable[part], self.called[part])


def by_source(answers: Answers) -> dict[str, Any]:
    """All figures, source by source and pooled, conflicting copies left out."""
    out: dict[str, Any] = {}
    for source in GRADED_SOURCES:
        part = (answers.source == source) & answers.clean
        if not part.any():
            continue
        normal = part & (answers.grades == 0)
        out[source] = {
            "referable_auc": answers.auc(part),
            "quadratic_kappa": answers.kappa(part),
            "normals_called_referable": wilson(int(answers.called[normal].sum()), int(normal.sum())),
            "sealed_threshold": answers.operating(part),
        }
        severe = part & (answers.grades >= 3)
        out[source]["sight_threatening_called_referable"] = wilson(int(answers.called[severe].sum()), int(severe.sum()))
    pooled = answers.clean & (answers.quality != "reject")
    out["pooled"] = {"referable_auc": answers.auc(pooled), "sealed_threshold": answers.operating(pooled)}
    out["by_quality"] = {q: answers.operating(answers.clean & (answers.quality == q)) for q in ("good", "usable", "reject")}
    return out


def within_shape(answers: Answers) -> dict[str, Any]:
    """APTOS within each shape class, where both classes have at least 10, and their mean weighted by pairs."""
    out: dict[str, Any] = {}
    total = weight = 0.0
    for shape in np.unique(answers.shape[answers.source == "aptos2019"]):
        part = (answers.source == "aptos2019") & (answers.shape == shape) & answers.clean
        sick, well = int((answers.referable[part] == 1).sum()), int((answers.referable[part] == 0).sum())
        if min(sick, well) >= 10:
            value = auc(answers.referable[part], answers.p[part, 1])
            out[str(shape)] = {"auc": rounded(value), "n": sick + well, "positive": sick}
            total, weight = total + value * sick * well, weight + sick * well
    return {"classes": out, "mean": rounded(total / weight) if weight else None}


def clue_model(views: Views, params: FundusParams) -> dict[str, Any]:
    """What size, shape and colour alone reach, 5-fold within each source: the clue to beat, not a result."""
    from inference.fundus.quality import Measures

    names = Measures.names()
    colour = [names.index(n) for n in ("red", "brightness", "blue", "chroma", "warm", "roundness", "fill", "contrast", "uneven")]
    sizes = np.array([[p.width, p.height, p.width / p.height] for p in views.photographs])
    x_all = np.concatenate([sizes, views.descriptors[:, colour]], axis=1)
    out = {}
    for source in GRADED_SOURCES:
        rows = np.flatnonzero((views.sources == source) & (views.referable >= 0))
        groups = [views.groups[r] for r in rows]
        fold = grouped_folds(groups, params.folds, params.seed)
        y, p = views.referable[rows], np.zeros(len(rows))
        for k in range(params.folds):
            model = HistGradientBoostingClassifier(max_leaf_nodes=8, max_iter=80, random_state=0)
            p[fold == k] = model.fit(x_all[rows][fold != k], y[fold != k]).predict_proba(x_all[rows][fold == k])[:, 1]
        out[source] = auc_interval(y, p, groups)
    return out


def heat_ratio(views: Views, work: Path) -> dict[str, Any]:
    """Share of heat-map mass in the dilated lesion masks over their share of area, on photographs held out by fold."""
    index = {int(r): j for j, r in enumerate(views.lesion_rows)}
    settings = views.preprocessing
    inside = disc(settings.diameter, settings.height, settings.rim)
    cells = inside.reshape(settings.height // 8, 8, settings.diameter // 8, 8).mean(axis=(1, 3)) > 0.5
    ratios, areas, shares = [], [], []
    for path in sorted(work.glob("cv_*.npz")):
        with np.load(path) as fold:
            for row, maps in zip(fold["rows"], fold["maps"], strict=True):
                if int(row) not in index or not views.masks[0][index[int(row)], :4].any():
                    continue
                masks = views.masks[0][index[int(row)]].astype(bool)
                lesion = dilated(masks[:4].any(axis=0))
                counted = cells & ~masks[4]
                warmth = heat(1 / (1 + np.exp(-maps.astype(np.float32)))).astype(np.float64)
                ratio = mass_ratio(warmth, lesion, counted)
                if ratio is not None:
                    ratios.append(ratio)
                    areas.append(float((lesion & counted).sum() / counted.sum()))
                    shares.append(float(warmth[lesion & counted].sum() / warmth[counted].sum()))
    if not ratios:
        return {"photographs": 0}
    draws = np.random.default_rng(0).choice(ratios, (500, len(ratios))).mean(axis=1)
    low, high = np.percentile(draws, [2.5, 97.5])
    return {
        "photographs": len(ratios), "mean_ratio": rounded(float(np.mean(ratios))), "low": rounded(low), "high": rounded(high),
        "median_ratio": rounded(float(np.median(ratios))), "mean_mask_area": rounded(float(np.mean(areas))),
        "mean_mass_in_masks": rounded(float(np.mean(shares))), "share_of_photographs_at_4_or_more": rounded(float(np.mean(np.array(ratios) >= 4))),
    }  # fmt: skip


def dilated(mask: np.ndarray) -> np.ndarray:
    """A bool mask grown by one cell (8 pixels of 320) each way."""
    padded = np.pad(mask, 1)
    h, w = mask.shape
    return np.any([padded[dy : dy + h, dx : dx + w] for dy in range(3) for dx in range(3)], axis=0)


def headline(report: dict[str, Any]) -> dict[str, Any]:
    """The issue's table: figure, floor."""
    out: dict[str, Any] = {}
    for kind in ("loso", "cv"):
        for source in GRADED_SOURCES:
            if kind in report and source in report[kind]:
                out[f"{kind}_{source}"] = report[kind][source]["referable_auc"]
    if "loso" in report and "odir" in report["loso"]:
        out["odir_normals_called_referable"] = report["loso"]["odir"]["normals_called_referable"]
    if "cv" in report:
        out["aptos2019_qwk"] = report["cv"]["aptos2019"]["quadratic_kappa"]
        out["aptos2019_within_shape_auc"] = report["cv_aptos2019_within_shape"]["mean"]
        out["operating_point"] = report["cv"]["pooled"]["sealed_threshold"]
    out["heat_map_ratio"] = report["heat_map"].get("mean_ratio")
    out.update({k: report["gates"][k] for k in ("quality_reject_auc", "not_fundus_refused", "good_photographs_refused")})
    return out


def main() -> None:
    """Evaluate the work folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/fundus.json"))
    options = parser.parse_args()
    one_thread()
    params = load_params()
    work = Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus"))
    if corpora_root() is None:
        print("XINGLIN_CORPORA is not set: figures of a dry run, written beside the work and not to reports/")
        params, options.out = params.tiny(), work / "report.json"
    views = Views.load(work)
    calibration = json.loads((work / "calibration.json").read_text(encoding="utf-8"))
    report: dict[str, Any] = {"command": "dvc repro fundus_evaluate", "floors": FLOORS}
    for kind in ("loso", "cv"):
        held = held_out(views, work, f"{kind}_")
        if held is not None:
            answers = Answers(views, held, calibration)
            report[kind] = by_source(answers)
            report[f"{kind}_aptos2019_within_shape"] = within_shape(answers)
    report["clues_alone"] = clue_model(views, params)
    report["heat_map"] = heat_ratio(views, work)
    report["gates"] = json.loads((work / "gates_report.json").read_text(encoding="utf-8"))
    report["calibration"] = calibration
    report["headline"] = headline(report)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["headline"], indent=1))


if __name__ == "__main__":
    main()
