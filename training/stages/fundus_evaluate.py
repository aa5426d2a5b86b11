"""Stage: every figure of the fundus part from held-out answers; writes reports/fundus.json."""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageFilter
from sklearn.ensemble import HistGradientBoostingClassifier

from inference.fundus.decode import decode
from inference.fundus.lesions import heat
from inference.fundus.model import cumulative
from inference.fundus.quality import Measures
from inference.fundus.retina import disc, find_retina
from training.datasets.fundus import GRADED_SOURCES, grouped_folds, read_masks, read_photographs
from training.metrics.fundus import (
    auc,
    auc_interval,
    grouped_interval,
    mass_ratio,
    operating,
    quadratic_kappa,
    rounded,
    sensitive_threshold,
    wilson,
)
from training.stages.fundus_calibrate import SENSITIVITY, HeldOut, held_out
from training.stages.fundus_data import Cache
from training.stages.fundus_prepare import mask_images, plain_view
from training.stages.fundus_settings import FundusParams, corpora_root, load_params, one_thread

FLOORS = {
    "loso_rahim600": 0.861, "cv_rahim600": 0.803, "loso_odir": 0.745, "odir_normals_called_referable": 0.25, "loso_eyepacs": 0.771,
    "cv_eyepacs": 0.740, "loso_aptos2019": 0.705, "cv_aptos2019": 0.953, "aptos2019_qwk": 0.815, "quality_reject_auc": 0.976,
}  # fmt: skip


class Answers:
    """Held-out answers of one kind of fold with their labels."""

    def __init__(self, cache: Cache, held: HeldOut, calibration: dict[str, Any], passed: np.ndarray) -> None:
        self.rows = held.rows
        self.passed = passed[held.rows]
        self.p = cumulative(held.logits, np.asarray(calibration["temperature"]), np.asarray(calibration["shift"]))
        self.cuts = np.asarray(calibration["grade_cuts"])
        self.called = self.p[:, 1] >= calibration["referable_threshold"]
        self.source = cache.sources[self.rows]
        self.referable = cache.referable[self.rows]
        self.grades = cache.grades[self.rows]
        self.groups = np.array(cache.groups)[self.rows]
        items = [cache.photographs[r] for r in self.rows]
        self.quality = np.array([p.quality or "unlabelled" for p in items])
        self.shape = np.array([p.shape_class for p in items])
        self.clean = np.array([not p.conflict for p in items])

    def auc(self, part: np.ndarray) -> dict[str, Any]:
        """Referable AUC of a part."""
        return auc_interval(self.referable[part], self.p[part, 1], self.groups[part].tolist())

    def kappa(self, part: np.ndarray) -> dict[str, Any]:
        """Quadratic kappa of a part."""
        answer, truth = (self.p[part] >= self.cuts).cumprod(axis=1).sum(axis=1), self.grades[part]
        return grouped_interval(lambda rows: quadratic_kappa(truth[rows], answer[rows]), self.groups[part].tolist(), draws=200)

    def operating(self, part: np.ndarray) -> dict[str, Any]:
        """Sensitivity, specificity and predictive values at the sealed threshold."""
        return operating(self.referable[part], self.called[part])


def by_source(answers: Answers) -> dict[str, Any]:
    """All figures, source by source and pooled, conflicting copies left out.

    `gradable` holds what the service would answer: photographs that pass both gates. EyePACS grades photographs that
    nobody can grade, so its figures over everything are a floor.
    """
    out: dict[str, Any] = {}
    for source in GRADED_SOURCES:
        part = (answers.source == source) & answers.clean
        if not part.any():
            continue
        normal, severe, gradable = part & (answers.grades == 0), part & (answers.grades >= 3), part & answers.passed
        out[source] = {
            "referable_auc": answers.auc(part),
            "quadratic_kappa": answers.kappa(part),
            "normals_called_referable": wilson(int(answers.called[normal].sum()), int(normal.sum())),
            "sight_threatening_called_referable": wilson(int(answers.called[severe].sum()), int(severe.sum())),
            "sealed_threshold": answers.operating(part),
            "share_gradable": wilson(int(gradable.sum()), int(part.sum())),
        }
        if gradable.any():
            out[source]["gradable"] = {"referable_auc": answers.auc(gradable), "sealed_threshold": answers.operating(gradable)}
    pooled = answers.clean & (answers.quality != "reject")
    out["pooled"] = {
        "referable_auc": answers.auc(pooled),
        "sealed_threshold": answers.operating(pooled),
        "threshold_of_the_other_folds": crossed(answers, pooled),
    }
    gradable = answers.clean & answers.passed
    if gradable.any():
        out["pooled_gradable"] = {"referable_auc": answers.auc(gradable), "sealed_threshold": answers.operating(gradable)}
    out["by_quality"] = {
        q: {"n": int(part.sum()), **answers.operating(part), **({"referable_auc": answers.auc(part)} if part.any() else {})}
        for q in ("good", "usable", "reject")
        for part in [answers.clean & (answers.quality == q)]
    }
    return out


def crossed(answers: Answers, part: np.ndarray, folds: int = 5) -> dict[str, Any]:
    """Sensitivity and specificity with each fold called at the threshold that the other folds chose: no optimism."""
    fold = grouped_folds(answers.groups.tolist(), folds, 1)
    called = np.zeros(len(fold), dtype=bool)
    for k in range(folds):
        others = part & (fold != k)
        if (answers.referable[others] == 1).any():
            called[fold == k] = answers.p[fold == k, 1] >= sensitive_threshold(answers.referable[others], answers.p[others, 1], SENSITIVITY)
    return operating(answers.referable[part], called[part])


def within_shape(answers: Answers) -> dict[str, Any]:
    """APTOS within each shape class, where both classes have at least 10, and their mean weighted by pairs."""
    aptos = (answers.source == "aptos2019") & answers.clean
    classes = {}
    for shape in np.unique(answers.shape[aptos]):
        part = aptos & (answers.shape == shape)
        sick, well = int((answers.referable[part] == 1).sum()), int((answers.referable[part] == 0).sum())
        if min(sick, well) >= 10:
            classes[str(shape)] = {"auc": rounded(auc(answers.referable[part], answers.p[part, 1])), "n": sick + well, "positive": sick}
    kept = np.flatnonzero(aptos & np.isin(answers.shape, list(classes)))

    def mean(rows: np.ndarray) -> float:
        total = weight = 0.0
        for shape in classes:
            of = kept[rows][answers.shape[kept[rows]] == shape]
            sick, well = int((answers.referable[of] == 1).sum()), int((answers.referable[of] == 0).sum())
            if min(sick, well) > 0:
                total, weight = total + auc(answers.referable[of], answers.p[of, 1]) * sick * well, weight + sick * well
        return total / weight if weight else float("nan")

    return {"classes": classes, "mean": grouped_interval(mean, answers.groups[kept].tolist(), draws=200) if classes else None}


def clue_model(cache: Cache, params: FundusParams) -> dict[str, Any]:
    """What size, shape and colour alone reach, 5-fold within each source: the clue to beat, not a result."""
    names = Measures.names()
    colour = [names.index(n) for n in ("red", "brightness", "blue", "chroma", "warm", "roundness", "fill", "contrast", "uneven")]
    sizes = np.array([[p.width, p.height, p.width / p.height] for p in cache.photographs])
    x_all = np.concatenate([sizes, cache.descriptors[:, colour]], axis=1)
    out = {}
    for source in GRADED_SOURCES:
        rows = np.flatnonzero((cache.sources == source) & (cache.referable >= 0))
        groups = [cache.groups[r] for r in rows]
        fold = grouped_folds(groups, params.folds, params.seed)
        y, p = cache.referable[rows], np.zeros(len(rows))
        for k in range(params.folds):
            model = HistGradientBoostingClassifier(max_leaf_nodes=8, max_iter=80, random_state=0)
            p[fold == k] = model.fit(x_all[rows][fold != k], y[fold != k]).predict_proba(x_all[rows][fold == k])[:, 1]
        out[source] = auc_interval(y, p, groups)
    return out


#: Lesion masks are grown by this many pixels of the 320-pixel normal form: their rims are good to 1 or 2 pixels.
GROWN = 3


def heat_ratio(cache: Cache, work: Path, root: Path) -> dict[str, Any]:
    """Share of heat-map mass in the grown lesion masks over their share of area, on photographs held out by fold.

    The heat map is taken as the service draws it, raised to the pixels of the normal form; the optic disc counts nowhere.
    """
    settings = cache.preprocessing
    inside = disc(settings.diameter, settings.height, settings.rim)
    masks = read_masks(root)
    pictures = {name: data for _, name, data in read_photographs(root, ("idrid_seg",))}
    found: dict[int, list[tuple[float, float, float]]] = {grown: [] for grown in (0, GROWN, 8)}
    for path in sorted(work.glob("cv_*.npz")):
        with np.load(path) as fold:
            for row, maps in zip(fold["map_rows"], fold["maps"], strict=True):
                name = cache.photographs[int(row)].name
                if Path(name).stem not in masks:
                    continue
                rgb = decode(pictures[name]).rgb
                _, drawn = plain_view(rgb, find_retina(rgb), settings, mask_images(rgb, masks[Path(name).stem]))
                counted = inside & ~drawn[4]
                warmth = Image.fromarray(heat(1 / (1 + np.exp(-maps.astype(np.float32)))))
                values = np.clip(np.asarray(warmth.resize((settings.diameter, settings.height), Image.Resampling.BILINEAR)), 0, 1)
                for grown, rows in found.items():
                    lesion = grow(np.any(drawn[:4], axis=0), grown)
                    ratio = mass_ratio(values.astype(np.float64), lesion, counted)
                    if ratio is not None:
                        area = float((lesion & counted).sum() / counted.sum())
                        rows.append((ratio, area, ratio * area))
    if not found[GROWN]:
        return {"photographs": 0}
    out: dict[str, Any] = {"photographs": len(found[GROWN])}
    for grown, rows in found.items():
        ratios, areas, masses = np.array(rows).T
        out[f"grown_{grown}"] = {
            "ratio": mean_interval(ratios),
            "median_ratio": rounded(float(np.median(ratios))),
            "mean_mask_area": rounded(areas.mean()),
            "mean_mass_in_masks": rounded(masses.mean()),
            "photographs_at_4_or_more": rounded(float((ratios >= 4).mean())),
        }
    return out


def mean_interval(values: np.ndarray) -> dict[str, float]:
    """Mean over photographs with its bootstrap interval."""
    return grouped_interval(lambda rows: float(values[rows].mean()), [str(i) for i in range(len(values))])


def grow(mask: np.ndarray, pixels: int) -> np.ndarray:
    """A bool mask grown by a number of pixels each way."""
    if pixels == 0:
        return mask
    return np.asarray(Image.fromarray(mask.astype(np.uint8)).filter(ImageFilter.MaxFilter(2 * pixels + 1))) > 0


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
    if report["heat_map"]["photographs"]:
        out["heat_map_ratio"] = report["heat_map"][f"grown_{GROWN}"]["ratio"]
    out.update({k: report["gates"][k] for k in ("quality_reject_auc", "not_fundus_refused", "good_photographs_refused")})
    return out


def told(entry: dict[str, Any]) -> str:
    """A figure with its interval, for people: .934 (.920-.944)."""
    if entry["value"] is None:
        return "-"
    value, low, high = (f"{entry[k]:.3f}".removeprefix("0") if entry[k] < 1 else "1.000" for k in ("value", "low", "high"))
    return f"{value} ({low}-{high})"


def readme_rows(report: dict[str, Any]) -> list[list[str]]:
    """Rows of the README's table: [what, figure]; empty for a dry run that lacks folds."""
    if "loso" not in report or "cv" not in report or not all(s in report[k] for k in ("loso", "cv") for s in GRADED_SOURCES):
        return []
    loso, cv, clues, gates = report["loso"], report["cv"], report["clues_alone"], report["gates"]
    rows = []
    for source in GRADED_SOURCES:
        rows.append(
            [
                f"`{source}` referable AUC: trained without it; 5-fold; **size, shape and colour alone**",
                "; ".join(told(e) for e in (loso[source]["referable_auc"], cv[source]["referable_auc"], clues[source])),
            ]
        )
    gradable = [f"{s} {told(loso[s]['gradable']['referable_auc'])}" for s in GRADED_SOURCES]
    rows += [
        ["the same, trained without it, gradable photographs only", "; ".join(gradable)],
        ["`aptos2019`, 5-fold within each shape class, AUC", told(report["cv_aptos2019_within_shape"]["mean"])],
        ["`aptos2019`, 5-fold, quadratic kappa of the grade", told(cv["aptos2019"]["quadratic_kappa"])],
        ["`odir` normals called referable, trained without it", told(loso["odir"]["normals_called_referable"])],
        ["quality: EyeQ reject against good and usable, AUC", told(gates["quality_reject_auc"])],
        ["no fundus photograph: refused", told(gates["not_fundus_refused"])],
        ["good fundus photographs refused", told(gates["good_photographs_refused"])],
        [
            f"heat-map mass in lesion masks (grown by {GROWN} of 320 pixels) against their area",
            f"{report['heat_map'][f'grown_{GROWN}']['ratio']['value']:.1f} x",
        ],
    ]
    for name, point in (
        ("5-fold", cv["pooled"]["sealed_threshold"]),
        ("sources left out", loso["pooled"]["sealed_threshold"]),
    ):
        rows.append(
            [f"sealed operating point, {name}: sensitivity; specificity", "; ".join(told(point[k]) for k in ("sensitivity", "specificity"))]
        )
    severe = [f"{s} {told(loso[s]['sight_threatening_called_referable'])}" for s in GRADED_SOURCES]
    rows.append(["sight-threatening eyes called referable, trained without the source", "; ".join(severe)])
    for prevalence, values in cv["pooled"]["sealed_threshold"]["predictive"].items():
        rows.append(
            [
                f"positive; negative predictive value at {prevalence} referable (5-fold)",
                f"{values['positive']:.2f}; {values['negative']:.3f}",
            ]
        )
    rows.append(["gradable by the sealed gates", "; ".join(f"{s} {told(cv[s]['share_gradable'])}" for s in GRADED_SOURCES)])
    return rows


def main() -> None:
    """Evaluate the work folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/fundus.json"))
    options = parser.parse_args()
    one_thread()
    params = load_params()
    work = Path(os.environ.get("XINGLIN_FUNDUS_WORK", "artifacts/fundus"))
    root = corpora_root()
    if root is None:
        print("XINGLIN_CORPORA is not set: figures of a dry run, written beside the work and not to reports/")
        root, params, options.out = work / "synthetic", params.tiny(), work / "report.json"
    cache = Cache.load(work)
    with np.load(work / "gate_answers.npz") as gate_answers:
        passed = gate_answers["passed"]
    calibration = json.loads((work / "calibration.json").read_text(encoding="utf-8"))
    report: dict[str, Any] = {"command": "dvc repro fundus_evaluate", "floors": FLOORS}
    for kind in ("loso", "cv"):
        held = held_out(cache, work, f"{kind}_")
        if held is not None:
            answers = Answers(cache, held, calibration, passed)
            report[kind] = by_source(answers)
            report[f"{kind}_aptos2019_within_shape"] = within_shape(answers)
    report["clues_alone"] = clue_model(cache, params)
    report["heat_map"] = heat_ratio(cache, work, root)
    report["gates"] = json.loads((work / "gates_report.json").read_text(encoding="utf-8"))
    report["calibration"] = calibration
    report["headline"] = headline(report)
    report["readme"] = readme_rows(report)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report["headline"], indent=1))


if __name__ == "__main__":
    main()
