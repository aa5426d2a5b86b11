"""Stage `review_fit`: fit the scorer of left-out diagnoses out of fold over records, set its threshold, and seal it into the ranker bundle.

    python -m training.stages.review_fit --bundle build/training/ranker/released --out build/training/ranker/reviewed

Leave one diagnosis out against the full list of each real multi-diagnosis record. A few dozen weights are fitted by cross-validation
over whole records; every figure reported here is out of fold.
"""

from __future__ import annotations

import argparse
import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from data_contracts.record import GivenDiagnosis, Record
from inference.engine import Engine
from inference.facts import facts_of
from inference.ranking.ranker import Ranker
from inference.reading.types import Reading
from inference.review.candidates import FEATURES, RecordCandidates
from inference.review.coverage import Coverage
from inference.review.omissions import REVIEW, Omissions
from inference.review.reviewer import BUDGET, Reviewer, is_weighed, within_budget
from knowledge_base.compiled import KnowledgeBase, load
from models.bundle import GOLDEN, Bundle, seal
from training.datasets.diagnosis import Example, development
from training.metrics.ranking import is_hit
from training.parameters import Parameters, load_block
from training.stages.ranker_evaluate import evaluate_review
from training.tracking import file_hash, run_of

Vector = npt.NDArray[np.float64]
BUNDLE = Path("build/training/ranker/released")
OUT = Path("build/training/ranker/reviewed")
RATES = (2, 5, 10, 17, 30, 50)
SEALED = frozenset({"task", "version", "format_version", "created", "golden_tolerance", "files"})
SILENT = 1e9


class ReviewParameters(Parameters):
    """How the scorer of left-out diagnoses is fitted."""

    set: str = "msdiagnosis_validation"
    folds: int = 5
    seed: int = 3
    strength: float = 0.0003
    """Inverse of the penalty on squared weights (scikit-learn's `C`)."""
    false_per_100: float = 17.0
    """Alerts of the scorer and the rules on 100 complete records from which the threshold is set."""


@dataclass(slots=True)
class Case:
    """One list against one record: the uncovered candidates' features, which were left out, and what is said without the scorer."""

    record: int
    complete: bool
    matrix: Vector
    left_out: npt.NDArray[np.bool_]
    scored: npt.NDArray[np.bool_]
    """Candidates that neither a rule's warning nor a red flag already names: only on them does the scorer speak."""
    by_rule: int
    """Warnings of missed diseases that rules raise whatever the score."""
    room: int
    """What red flags and such warnings leave of the alert budget."""
    found: bool
    """Whether such a warning or a red flag names the left-out diagnosis."""


def lists_of(example: Example) -> list[tuple[int | None, list[GivenDiagnosis]]]:
    """The full list, then each list without one coded diagnosis (and what shares its category), as (place left out, list)."""
    codes = example.gold_codes
    full = [GivenDiagnosis(name=n, icd10=c[0] if c else None) for n, c in zip(example.gold_names, codes, strict=True)]
    lists: list[tuple[int | None, list[GivenDiagnosis]]] = [(None, full)]
    for i, code in enumerate(codes):
        kept = [d for j, d in enumerate(full) if j != i and not (code and codes[j] and code[0] == codes[j][0])]
        if kept and code:
            lists.append((i, kept))
    return lists


def cases_of(reviewer: Reviewer, place: int, example: Example, reading: Reading) -> list[Case]:
    """The cases of one record."""
    kb, ranker = reviewer.kb, reviewer.ranker
    record = facts_of(reading, kb)
    found = reviewer.candidates(reading, ranker.rank(reading, record))
    shown = [shown_as(found, kb, target) for target in found.targets]
    cases = []
    for left, entered in lists_of(example):
        names, codes = ([example.gold_names[left]], [example.gold_codes[left]]) if left is not None else ([], [])
        coverage = Coverage(entered, kb, ranker.names)
        places, matrix = reviewer.features.matrix(found, coverage, len(entered))
        listed = replace(reading, record=reading.record.model_copy(update={"diagnoses": tuple(entered)}))
        uncovered = {found.targets[p] for p in places.tolist()}
        alerts = reviewer.by_rule(listed, record, coverage)
        sure = [a for a in alerts if not is_weighed(a) or a.disease is None or a.disease.id not in uncovered]
        kept = within_budget([*reviewer.flags(record), *sure], set())
        said = [a.disease for a in kept if a.kind == "missed" and a.disease]
        taken = {a.disease.id for a in sure if a.disease} | found.flagged
        named = [a.disease for a in kept if a.disease]
        cases.append(
            Case(
                record=place,
                complete=left is None,
                matrix=matrix,
                left_out=np.array([is_hit(shown[p][0], shown[p][1], names, codes) for p in places.tolist()], dtype=np.bool_),
                scored=np.array([found.targets[p] not in taken for p in places.tolist()], dtype=np.bool_),
                by_rule=len(said),
                room=BUDGET - sum(a.severity != "critical" for a in kept),
                found=any(is_hit(ref.name, ref.icd10, names, codes) for ref in named),
            )
        )
    return cases


def shown_as(found: RecordCandidates, kb: KnowledgeBase, target: str) -> tuple[str, str | None]:
    """Name and code under which the review shows a target."""
    naming = found.namings.get(target)
    if naming is not None and naming.shown and naming.evidence:
        return naming.shown
    if target in kb.diseases:
        return kb.diseases[target].name, kb.diseases[target].icd10[0]
    return kb.thin[target].name, kb.thin[target].code


def fit(cases: Sequence[Case], strength: float) -> dict[str, Any]:
    """Weights from what complete lists lack (nothing) and what was left out of the others; `threshold` still silent."""
    rows = [c.matrix if c.complete else c.matrix[c.left_out] for c in cases]
    matrix = np.concatenate(rows)
    outcomes = np.concatenate([np.full(len(row), not c.complete) for c, row in zip(cases, rows, strict=True)])
    mean, scale = matrix.mean(axis=0), matrix.std(axis=0)
    scale[scale < 1e-9] = 1.0
    fitted = LogisticRegression(C=strength, max_iter=500).fit((matrix - mean) / scale, outcomes)
    return {
        "features": list(FEATURES),
        "mean": mean.round(6).tolist(),
        "scale": scale.round(6).tolist(),
        "weights": fitted.coef_[0].round(6).tolist(),
        "bias": round(float(fitted.intercept_[0]), 6),
        "threshold": SILENT,
    }


def folds_of(cases: Sequence[Case], parameters: ReviewParameters) -> npt.NDArray[np.int64]:
    """The fold of each record."""
    return np.random.default_rng(parameters.seed).integers(0, parameters.folds, max(c.record for c in cases) + 1)


def out_of_fold(cases: Sequence[Case], parameters: ReviewParameters) -> list[Vector]:
    """Scores of every case by weights that never saw its record."""
    folds = folds_of(cases, parameters)
    scores: list[Vector] = [np.zeros(0)] * len(cases)
    for fold in range(parameters.folds):
        scorer = Omissions(fit([c for c in cases if folds[c.record] != fold], parameters.strength))
        for i, case in enumerate(cases):
            if folds[case.record] == fold:
                scores[i] = scorer.scores(case.matrix)
    return scores


def spoken(case: Case, scores: Vector) -> npt.NDArray[np.int64]:
    """Places of the candidates that the scorer may put forward within the alert budget, the surest first."""
    order = np.argsort(-scores, kind="stable")
    return order[case.scored[order]][: case.room]


def threshold_of(cases: Sequence[Case], scores: Sequence[Vector], false_per_100: float) -> float:
    """The least score at which rules and scorer together stay within the rate of alerts on complete records."""
    complete = [(c, s) for c, s in zip(cases, scores, strict=True) if c.complete]
    room = int(false_per_100 * len(complete) / 100) - sum(c.by_rule for c, _ in complete)
    alerts = np.sort(np.concatenate([s[spoken(c, s)] for c, s in complete]))[::-1]
    return SILENT if room <= 0 or not len(alerts) else float(alerts[room - 1]) if room <= len(alerts) else float(alerts[-1])


def found_at(cases: Sequence[Case], scores: Sequence[Vector], threshold: float) -> float:
    """Share of left-out diagnoses that a red flag, a rule or the scorer names."""
    tried = [
        c.found or any(c.left_out[i] and s[i] >= threshold for i in spoken(c, s))
        for c, s in zip(cases, scores, strict=True)
        if not c.complete
    ]
    return float(np.mean(tried)) if tried else 0.0


def served(
    engine: Engine,
    cases: Sequence[Case],
    examples: Sequence[Example],
    readings: Sequence[Reading],
    threshold: float,
    parameters: ReviewParameters,
) -> dict[str, float]:
    """What whole reviews say, each record by weights that never saw it: `evaluate_review`, averaged over the folds.

    `found_at` takes every scored candidate for a hint with evidence; here the reviewer itself decides.
    """
    folds = folds_of(cases, parameters)
    totals: dict[str, float] = {}
    for fold in range(parameters.folds):
        members = [i for i in range(len(examples)) if folds[i] == fold]
        if not members:
            continue
        fitted = fit([c for c in cases if folds[c.record] != fold], parameters.strength)
        engine.reviewer.omissions = Omissions(fitted | {"threshold": threshold})
        part = evaluate_review(engine, [examples[i] for i in members], [readings[i] for i in members])
        totals["left_out"] = totals.get("left_out", 0) + part["left_out"]
        totals["complete"] = totals.get("complete", 0) + len(members)
        for key, value in part.items():
            if key != "left_out":
                totals[key] = totals.get(key, 0.0) + value * (part["left_out"] if key == "found" else len(members))
    counted = ("left_out", "complete")
    return {k: v if k in counted else round(v / totals["left_out" if k == "found" else "complete"], 4) for k, v in totals.items()}


def run(kb: KnowledgeBase, parameters: ReviewParameters, *, bundle_folder: Path = BUNDLE, out: Path = OUT) -> dict[str, Any]:
    """Fit, seal `out` (the bundle with `review.json`), and report out-of-fold figures."""
    engine = Engine(kb=kb)
    bundle = Bundle.open(bundle_folder, replay=0)
    reviewer = Reviewer(kb, Ranker(kb, bundle))
    engine.reviewer = reviewer
    examples = development(kb)[parameters.set]
    readings = [engine.reader.read([Record.model_validate(example.record)])[0] for example in examples]
    cases = [
        case
        for place, (example, reading) in enumerate(zip(examples, readings, strict=True))
        for case in cases_of(reviewer, place, example, reading)
    ]
    complete = [c for c in cases if c.complete]
    scores = out_of_fold(cases, parameters)
    report: dict[str, Any] = {
        "complete": len(complete),
        "left_out": len(cases) - len(complete),
        "reachable": round(float(np.mean([bool(c.found or c.left_out.any()) for c in cases if not c.complete])), 4),
        "rules_and_flags_alone": round(found_at(cases, scores, SILENT), 4),
        "rule_alerts_per_100_complete": round(100 * sum(c.by_rule for c in complete) / len(complete), 1),
        "found_at_false_per_100": {
            str(rate): round(found_at(cases, scores, threshold_of(cases, scores, rate)), 4) for rate in RATES
        },
    }  # fmt: skip
    threshold = round(threshold_of(cases, scores, parameters.false_per_100), 6)
    report["served_out_of_fold"] = served(engine, cases, examples, readings, threshold, parameters)
    with run_of("review_fit", parameters.model_dump(), inputs={"bundle": bundle_folder / "manifest.json"}) as run_id:
        sealed = fit(cases, parameters.strength) | {"threshold": threshold}
        mlflow.log_metrics({f"found_at_{rate}": value for rate, value in report["found_at_false_per_100"].items()})
        mlflow.log_dict(sealed, REVIEW)
    shutil.rmtree(out, ignore_errors=True)
    shutil.copytree(bundle_folder, out)
    (out / REVIEW).write_text(json.dumps(sealed) + "\n", encoding="utf-8")
    kept = {key: value for key, value in bundle.manifest.items() if key not in SEALED}
    kept["review"] = {
        "knowledge_version": kb.version,
        "bundle": file_hash(bundle_folder / "manifest.json"),
        "mlflow_run": run_id,
        "metrics": report,
    }
    golden = [json.loads(line) for line in (out / GOLDEN).read_text(encoding="utf-8").splitlines()]
    tolerance = float(bundle.manifest["golden_tolerance"])
    seal(out, task="ranker", version=bundle.manifest["version"], fields=kept, golden=golden, golden_tolerance=tolerance)
    return report


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, default=BUNDLE)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    print(
        json.dumps(
            run(load(), load_block(ReviewParameters, "review"), bundle_folder=given.bundle, out=given.out), ensure_ascii=False, indent=1
        )
    )
