"""Stage ``risk_hyperglycaemia``: fasting glucose >= 7.0 mmol/L from a routine panel (Tianchi check-ups).

Penalised logistic regression (linear, or with hinges) against gradient boosting in a nested cross-validation: outer five
folds twice, inner five for the settings and the sigmoid recalibration, chosen by log-loss. The winner is fitted on all
rows, exported by skl2onnx, compared with its own probabilities, and sealed. The score is shown beside the published
instruments, never instead of them.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
import onnxruntime as ort
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from inference.risk.hyperglycaemia_design import design
from models.bundle import encode_array, golden_rows, seal, session_options
from training.datasets.risk import Panel, load_tianchi
from training.metrics.calibration import (
    auroc,
    calibration,
    decision_curve,
    log_loss,
    logistic_fit,
    logit,
    operating_point,
    reliability,
    report,
)
from training.parameters import Parameters, load_block
from training.tracking import run_of

log = logging.getLogger("training.risk")
Floats = npt.NDArray[np.float64]
Labels = npt.NDArray[np.int64]
THRESHOLDS = (0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.3)
AGE_BANDS = ((18, 40), (40, 60), (60, 120))
PARITY = 1e-5


class HyperglycaemiaParameters(Parameters):
    """The ``risk.hyperglycaemia`` part of the ``risk`` block."""

    seed: int = 1
    outer_folds: int = 5
    outer_repeats: int = 2
    inner_folds: int = 5
    penalties: tuple[float, ...] = (0.03, 0.1, 0.3)
    knots: tuple[float, ...] = (0.33, 0.67)
    winsor: float = 0.1
    """Per cent cut off at either end."""
    leaves: int = 6
    rate: float = 0.04
    rounds: int = 130
    sensitivity: float = 0.8
    """Sensitivity that the operating point keeps."""
    least_known: int = 12
    """Features that must be known before the score speaks."""
    bootstrap: int = 1000
    version: str = "1.0.0"


class RiskParameters(Parameters):
    """The ``risk`` block of ``params.yaml``."""

    hyperglycaemia: HyperglycaemiaParameters = HyperglycaemiaParameters()


@dataclass(frozen=True)
class Setting:
    """One candidate: its family and strength."""

    family: str
    strength: float

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.family}:{self.strength:g}"


def settings_of(parameters: HyperglycaemiaParameters) -> list[Setting]:
    """The candidates."""
    logistic = [Setting(family, strength) for family in ("linear", "hinges") for strength in parameters.penalties]
    return [*logistic, Setting("boosting", parameters.rate)]


def preparation(raw: Floats, panel: Panel, parameters: HyperglycaemiaParameters, *, knots: bool) -> dict[str, Any]:
    """The sealed preparation learned from training rows only: limits, medians, knots, blocks."""
    features = []
    for position, feature in enumerate(panel.features):
        values = raw[:, position]
        low, high = (float(v) for v in np.nanpercentile(values, [parameters.winsor, 100 - parameters.winsor]))
        shown = np.log(np.clip(values, low, high)) if feature.log else np.clip(values, low, high)
        places = [] if not knots or feature.name == "male" else sorted({float(v) for v in np.nanquantile(shown, parameters.knots)})
        features.append(
            {
                "name": feature.name,
                "measurement": feature.measurement,
                "input": feature.input,
                "units": list(feature.units),
                "low": low,
                "high": high,
                "log": feature.log,
                "median": float(np.nanmedian(shown)),
                "knots": places,
            }
        )
    names = sorted({feature.block for feature in panel.features if feature.block in ("biochemistry", "kidney")})
    return {"features": features, "blocks": [[i for i, feature in enumerate(panel.features) if feature.block == name] for name in names]}


class Candidate:
    """A fitted candidate: preparation, model, and the sigmoid recalibration."""

    def __init__(self, setting: Setting, parameters: HyperglycaemiaParameters) -> None:
        self.setting = setting
        self.parameters = parameters
        self.prepared: dict[str, Any] = {}
        self.model: Any = None
        self.intercept, self.slope = 0.0, 1.0

    def fit(self, raw: Floats, label: Labels, panel: Panel) -> Candidate:
        """Fit on rows."""
        self.prepared = preparation(raw, panel, self.parameters, knots=self.setting.family == "hinges")
        if self.setting.family == "boosting":
            self.model = HistGradientBoostingClassifier(
                max_leaf_nodes=self.parameters.leaves,
                learning_rate=self.setting.strength,
                max_iter=self.parameters.rounds,
                min_samples_leaf=30,
                l2_regularization=5.0,
                monotonic_cst=[feature.direction for feature in panel.features],
                random_state=self.parameters.seed,
            ).fit(raw, label)
        else:
            self.model = make_pipeline(StandardScaler(), LogisticRegression(C=self.setting.strength, max_iter=5000)).fit(
                design(raw, self.prepared), label
            )
        return self

    def raw_probability(self, raw: Floats) -> Floats:
        """Probabilities before recalibration."""
        rows = raw if self.setting.family == "boosting" else design(raw, self.prepared)
        found: Floats = self.model.predict_proba(rows)[:, 1]
        return found

    def probability(self, raw: Floats) -> Floats:
        """Recalibrated probabilities."""
        found: Floats = 1 / (1 + np.exp(-(self.intercept + self.slope * logit(self.raw_probability(raw)))))
        return found


def folds(label: Labels, group: npt.NDArray[np.int64], count: int, seed: int) -> list[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]]:
    """Stratified folds that keep duplicates together."""
    return list(StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(label, label, group))


def choose(
    panel: Panel, rows: npt.NDArray[np.int64], parameters: HyperglycaemiaParameters, seed: int, only: str | None = None
) -> tuple[Candidate, dict[str, float]]:
    """The candidate of least inner log-loss, recalibrated on inner out-of-fold logits, refitted on all given rows."""
    raw, label, group = panel.raw[rows], panel.label[rows], panel.group[rows]
    inner = folds(label, group, parameters.inner_folds, seed)
    losses: dict[str, float] = {}
    best: tuple[float, Setting, Floats] | None = None
    for setting in settings_of(parameters):
        if only is not None and setting.family != only:
            continue
        out = np.zeros(len(rows))
        for train, test in inner:
            out[test] = Candidate(setting, parameters).fit(raw[train], label[train], panel).raw_probability(raw[test])
        loss = log_loss(label, out)
        losses[setting.name] = loss
        if best is None or loss < best[0]:
            best = (loss, setting, out)
    assert best is not None
    candidate = Candidate(best[1], parameters).fit(raw, label, panel)
    candidate.intercept, candidate.slope = logistic_fit(logit(best[2]), label)
    return candidate, losses


def nested(panel: Panel, parameters: HyperglycaemiaParameters, only: str | None = None) -> tuple[list[Floats], list[str]]:
    """Out-of-sample probabilities of each repeat, and the settings chosen in each outer fold."""
    repeats, chosen = [], []
    for repeat in range(parameters.outer_repeats):
        out = np.zeros(len(panel.label))
        for number, (train, test) in enumerate(folds(panel.label, panel.group, parameters.outer_folds, parameters.seed + repeat)):
            candidate, _ = choose(panel, train, parameters, seed=100 * repeat + number, only=only)
            out[test] = candidate.probability(panel.raw[test])
            chosen.append(candidate.setting.name)
        repeats.append(out)
    return repeats, chosen


def summary(panel: Panel, repeats: list[Floats], parameters: HyperglycaemiaParameters) -> dict[str, Any]:
    """Mean over repeats with the first repeat's intervals."""
    first = report(panel.label, repeats[0], rounds=parameters.bootstrap)
    each = [{"auroc": auroc(panel.label, p), "log_loss": log_loss(panel.label, p), **calibration(panel.label, p)} for p in repeats]
    return first | {f"mean_{key}": float(np.mean([row[key] for row in each])) for key in each[0]}


def subgroups(panel: Panel, probability: Floats) -> dict[str, dict[str, float]]:
    """By sex, age, and whether biochemistry was bought."""
    position = {feature.name: i for i, feature in enumerate(panel.features)}
    age, male = panel.raw[:, position["age"]], panel.raw[:, position["male"]] == 1
    biochemistry = ~np.isnan(panel.raw[:, position["triglycerides"]])
    groups = {"men": male, "women": ~male, "with biochemistry": biochemistry, "without biochemistry": ~biochemistry}
    groups |= {f"age {low}-{high - 1}": (age >= low) & (age < high) for low, high in AGE_BANDS}
    return {
        name: {
            "n": int(rows.sum()),
            "events": int(panel.label[rows].sum()),
            "auroc": auroc(panel.label[rows], probability[rows]),
            **calibration(panel.label[rows], probability[rows]),
        }
        for name, rows in groups.items()
    }


def drift(panel: Panel, parameters: HyperglycaemiaParameters) -> dict[str, float]:
    """Trained on the earlier days, tested on the last quarter of people."""
    order = np.argsort(panel.day, kind="stable")
    cut = int(0.75 * len(order))
    candidate, _ = choose(panel, order[:cut], parameters, seed=7)
    probability = candidate.probability(panel.raw[order[cut:]])
    label = panel.label[order[cut:]]
    return {"auroc": auroc(label, probability), **calibration(label, probability)}


def without_blocks(panel: Panel, *blocks: str) -> Panel:
    """The panel without whole blocks of features: what is left where only a blood count was bought."""
    keep = [position for position, feature in enumerate(panel.features) if feature.block not in blocks]
    return replace(panel, raw=panel.raw[:, keep], features=tuple(panel.features[position] for position in keep))


def folded(candidate: Candidate) -> Pipeline:
    """The logistic pipeline with the recalibration folded into its coefficients: one plain model to export."""
    scaler, logistic = candidate.model.steps[0][1], candidate.model.steps[1][1]
    logistic.coef_ = logistic.coef_ * candidate.slope
    logistic.intercept_ = logistic.intercept_ * candidate.slope + candidate.intercept
    return Pipeline([("scale", scaler), ("logistic", logistic)])


def export(candidate: Candidate, panel: Panel, figures: dict[str, Any], parameters: HyperglycaemiaParameters, out: Path, run: str) -> float:
    """Write and seal the bundle; returns the largest difference between ONNX and the fitted model.

    Raises:
        ValueError: the two disagree by more than 1e-5.
    """
    expected = candidate.probability(panel.raw[:1000])
    pipeline = folded(candidate)
    rows = design(panel.raw[:1000], candidate.prepared).astype(np.float32)
    graph = to_onnx(pipeline, rows[:1], options={"zipmap": False}, target_opset=17)
    if out.exists():
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / "model.onnx").write_bytes(graph.SerializeToString())
    session = ort.InferenceSession(str(out / "model.onnx"), sess_options=session_options(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    drift_found = float(np.abs(session.run(None, {name: rows})[1][:, 1] - expected).max())
    if drift_found > PARITY:
        raise ValueError(f"ONNX differs from the fitted model by {drift_found:.2g}")
    sealed = {**candidate.prepared, "threshold": round(figures["operating_point"]["threshold"], 4), "least_known": parameters.least_known}
    (out / "calibration.json").write_text(json.dumps(sealed, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    (out / "CARD.md").write_text(card(figures, candidate), encoding="utf-8")
    # Golden inputs are made up (medians and shifted medians): no row of the corpus goes into the bundle.
    middle = design(np.full((1, len(panel.features)), np.nan), candidate.prepared).astype(np.float32)
    shifted = [middle, middle * np.float32(1.05), middle * np.float32(0.95)]
    golden = golden_rows(session, [{name: encode_array(row)} for row in shifted])
    seal(
        out,
        task="hyperglycaemia",
        version=parameters.version,
        golden=golden,
        golden_tolerance=1e-4,
        fields={
            "mlflow_run": run,
            "data": {"tianchi": panel.source_hash},
            "metrics": figures["chosen"],
            "thresholds": figures["operating_point"],
            "parity": drift_found,
        },
    )
    return drift_found


def card(figures: dict[str, Any], candidate: Candidate) -> str:
    """The model card."""
    best, point = figures["chosen"], figures["operating_point"]
    lines = [
        "# Undiagnosed hyperglycaemia from a routine panel",
        "",
        "Probability that fasting glucose is 7.0 mmol/L or more, from age, sex, blood count and biochemistry. Penalised logistic regression "
        f"({candidate.setting.name}), ONNX. Shown beside the published instruments, as a hint to measure fasting glucose; never a diagnosis.",
        "",
        f"Data: {best['n']} hospital check-ups of one place, September-October 2017 (Tianchi), {best['events']} with glucose >= 7.0. Glucose is a single value, "
        "fasting is assumed; treated diabetics are among them, and neither BMI nor blood pressure is known.",
        "",
        "| | value |",
        "| --- | --- |",
        f"| AUROC, nested cross-validation 5 x 2 | {best['mean_auroc']:.3f} ({best['auroc_interval'][0]:.3f}-{best['auroc_interval'][1]:.3f}) |",
        f"| calibration slope | {best['mean_slope']:.2f} ({best['slope_interval'][0]:.2f}-{best['slope_interval'][1]:.2f}) |",
        f"| observed/expected | {best['mean_observed_expected']:.2f} |",
        f"| Brier | {best['brier']:.4f} |",
        f"| threshold | {point['threshold']:.3f}: sensitivity {point['sensitivity']:.2f}, specificity {point['specificity']:.2f}, PPV {point['ppv']:.2f} |",
        f"| trained on early, tested on late days | AUROC {figures['drift']['auroc']:.3f}, slope {figures['drift']['slope']:.2f} |",
        "",
        f"From 60 years it discriminates poorly (AUROC {figures['subgroups']['age 60-119']['auroc']:.2f}, slope {figures['subgroups']['age 60-119']['slope']:.2f}): measure glucose there anyway.",
        "",
        "Limits: one hospital, people who chose a check-up; not validated elsewhere; says nothing where fewer than half of the panel is known, under 18, or with known diabetes.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Run the stage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpora", type=Path, default=os.environ.get("XINGLIN_CORPORA"), help="folder of the research corpora")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"))
    parser.add_argument("--reports", type=Path, default=Path("reports"))
    parser.add_argument("--out", type=Path, default=Path("models/released/hyperglycaemia"))
    parser.add_argument("--tiny", action="store_true", help="a few hundred rows, one repeat: the pipeline's own test")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if options.corpora is None:
        log.warning("no corpora (XINGLIN_CORPORA): nothing is trained, what was released stays")
        return
    corpora = Path(options.corpora)
    threadpool_limits(1)  # small data: more threads only wait for each other on busy cores
    parameters = load_block(RiskParameters, "risk", options.params).hyperglycaemia
    panel = load_tianchi(corpora)
    if options.tiny:
        rows = np.random.default_rng(0).permutation(len(panel.label))[:800]
        panel = Panel(
            panel.raw[rows], panel.label[rows], panel.glucose[rows], panel.group[rows], panel.day[rows], panel.features, panel.source_hash
        )
        parameters = parameters.model_copy(update={"outer_repeats": 1, "inner_folds": 3, "penalties": (0.1,), "bootstrap": 50})
    with run_of(
        "risk_hyperglycaemia", parameters.model_dump(), inputs={"tianchi": corpora / "risk/tianchi_glucose/tianchi_glucose_dev.csv.gz"}
    ) as run:
        repeats, chosen = nested(panel, parameters)
        figures: dict[str, Any] = {"chosen": summary(panel, repeats, parameters), "settings_chosen": chosen}
        figures["families"] = {}
        for family in ("linear", "hinges", "boosting"):
            each, _ = nested(panel, parameters.model_copy(update={"outer_repeats": 1}), only=family)
            figures["families"][family] = report(panel.label, each[0], rounds=parameters.bootstrap)
            log.info("%s: AUROC %.4f, slope %.3f", family, figures["families"][family]["auroc"], figures["families"][family]["slope"])
        count, _ = nested(
            without_blocks(panel, "biochemistry", "kidney"), parameters.model_copy(update={"outer_repeats": 1}), only="hinges"
        )
        figures["families"]["blood count, age and sex only"] = report(panel.label, count[0], rounds=parameters.bootstrap)
        figures["reliability"] = reliability(panel.label, repeats[0])
        figures["decision_curve"] = decision_curve(panel.label, repeats[0], THRESHOLDS)
        figures["subgroups"] = subgroups(panel, repeats[0])
        figures["drift"] = drift(panel, parameters)
        figures["operating_point"] = operating_point(panel.label, repeats[0], parameters.sensitivity)
        candidate, losses = choose(panel, np.arange(len(panel.label)), parameters, seed=parameters.seed, only=None)
        if candidate.setting.family == "boosting":
            candidate, _ = choose(panel, np.arange(len(panel.label)), parameters, seed=parameters.seed, only="hinges")
        figures["inner_losses"] = losses
        figures["released"] = asdict(candidate.setting)
        figures["parity"] = export(candidate, panel, figures, parameters, options.out, run)
        mlflow.log_metrics(
            {key: float(figures["chosen"][key]) for key in ("mean_auroc", "mean_slope", "brier", "log_loss", "mean_observed_expected")}
        )
        mlflow.log_dict(figures, "figures.json")
    options.reports.mkdir(parents=True, exist_ok=True)
    (options.reports / "risk_hyperglycaemia.json").write_text(json.dumps(figures, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    log.info("AUROC %.4f, slope %.3f, parity %.1e", figures["chosen"]["mean_auroc"], figures["chosen"]["mean_slope"], figures["parity"])


if __name__ == "__main__":
    main()
