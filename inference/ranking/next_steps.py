"""What to ask, examine or test next: the greatest expected information for the leading hypotheses at the clinic's level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from data_contracts.diagnosis import NextStep
from inference.facts import RecordFacts
from inference.ranking.probabilistic import Probabilistic
from knowledge_base.compiled import KnowledgeBase

Vector = npt.NDArray[np.float64]
HYPOTHESES = 8
LEAST_GAIN = 0.03
UNCLEAR = 0.1
_COST = {"symptom": 1.0, "history": 1.0, "exposure": 1.0, "sign": 1.3, "laboratory": 3.0, "imaging": 4.0}
_KIND = {"symptom": "ask", "history": "ask", "exposure": "ask", "sign": "examine", "laboratory": "test", "imaging": "test"}
_LEVELS = {"village": 0, "township": 1, "county": 2}
_COUNTY_ONLY = (
    "ct",
    "mri",
    "angiograph",
    "dsa",
    "pet",
    "scintigraph",
    "biops",
    "culture",
    "endoscop",
    "gastroscop",
    "colonoscop",
    "bronchoscop",
)


@dataclass(frozen=True, slots=True)
class Question:
    """A finding worth knowing and its expected information in bits."""

    finding: str
    gain: float
    value: float
    """Gain over cost, by which questions are chosen."""


def _entropy(p: Vector) -> Vector:
    return np.asarray(-(p * np.log2(np.maximum(p, 1e-12))).sum(axis=-1))


def expected_gains(weights: Vector, answers: Vector) -> Vector:
    """Expected information (bits) of each question.

    Args:
        weights: (h,) probabilities of the hypotheses, summing to 1.
        answers: (h, q) probability of a yes under each hypothesis.
    """
    before = _entropy(weights)
    yes = weights[:, None] * answers
    no = weights[:, None] * (1 - answers)
    p_yes, p_no = yes.sum(axis=0), no.sum(axis=0)
    after_yes = _entropy((yes / np.maximum(p_yes, 1e-12)).T)
    after_no = _entropy((no / np.maximum(p_no, 1e-12)).T)
    return np.asarray((1 - UNCLEAR) * (before - p_yes * after_yes - p_no * after_no))


def available(kb: KnowledgeBase, finding: str, facility: str | None) -> bool:
    """Whether a clinic of this level can find it out (a village has no laboratory beyond strips, no imaging)."""
    kind = kb.findings[finding].kind
    level = _LEVELS[facility or "township"]
    if any(word in finding for word in _COUNTY_ONLY):
        return level >= 2
    if kind == "imaging":
        return level >= 1
    if kind == "laboratory":
        return level >= 1 or finding.startswith(("urine", "hyperglyc", "hypoglyc", "urinary"))
    return True


def questions(
    ranked: Sequence[tuple[str, float]],
    record: RecordFacts,
    probabilistic: Probabilistic,
    kb: KnowledgeBase,
    facility: str | None,
    *,
    count: int = 5,
) -> list[Question]:
    """The most informative open questions for the leading full entries (`(disease, probability)`, best first)."""
    leading = [(d, p) for d, p in ranked if d in probabilistic.index][:HYPOTHESES]
    if len(leading) < 2:
        return []
    raw = np.array([max(p, 1e-3) * (1.5 if kb.diseases[d].must_not_miss else 1.0) for d, p in leading])
    other = 0.15 * raw.sum()
    weights = np.append(raw, other)
    weights /= weights.sum()
    rows = [probabilistic.index[d] for d, _ in leading]
    known = record.facts.present | record.facts.absent
    columns = [
        j
        for j in np.nonzero(probabilistic.listed[rows].any(axis=0))[0].tolist()
        if (f := probabilistic.findings[j]) not in known and available(kb, f, facility)
    ]
    if not columns:
        return []
    background = probabilistic.background[columns]
    table = np.where(
        probabilistic.listed[np.ix_(rows, columns)], np.maximum(probabilistic.p[np.ix_(rows, columns)], background), background
    )
    gains = expected_gains(weights, np.vstack([table, background]))
    found = []
    for j, gain in zip(columns, gains.tolist(), strict=True):
        finding = probabilistic.findings[j]
        found.append(Question(finding, gain, gain / _COST[kb.findings[finding].kind]))
    found.sort(key=lambda q: (-q.value, q.finding))
    kept: list[Question] = []
    for question in found:
        if question.gain < LEAST_GAIN or len(kept) == count:
            break
        asked = kb.findings[question.finding]
        if any(k.finding in asked.ancestors or k.finding in asked.descendants for k in kept):
            continue
        kept.append(question)
    return kept


def next_steps(
    ranked: Sequence[tuple[str, float]],
    record: RecordFacts,
    probabilistic: Probabilistic,
    kb: KnowledgeBase,
    facility: str | None,
    *,
    urgent: bool,
) -> tuple[NextStep, ...]:
    """Questions, examinations, tests and a referral, in plain Chinese."""
    steps: list[NextStep] = []
    if urgent:
        steps.append(NextStep(kind="refer", what="按红旗提示先处理并立即联系上级医院转诊", why="存在危险信号", gain=None))
    for question in questions(ranked, record, probabilistic, kb, facility):
        finding = kb.findings[question.finding]
        speaks_for = [
            kb.diseases[d].name for d, _ in ranked[:HYPOTHESES] if d in kb.diseases and kb.diseases[d].findings.get(finding.id, 0) >= 0.3
        ][:3]
        kind = _KIND[finding.kind]
        what = finding.question if kind == "ask" else f"查：{finding.name}"
        why = f"若有，支持{'、'.join(speaks_for)}" if speaks_for else "有助于鉴别前几位诊断"
        steps.append(NextStep(kind=kind, what=what, why=why, gain=round(question.gain, 3)))  # type: ignore[arg-type]
    if ranked and ranked[0][0] in kb.diseases:
        entry = kb.diseases[ranked[0][0]].entry
        level = _LEVELS[facility or "township"]
        for test in entry["tests"]:
            if _LEVELS[test["level"]] <= level and len([s for s in steps if s.kind == "test"]) < 3:
                steps.append(NextStep(kind="test", what=test["test"], why=test["why"], gain=None))
        if _LEVELS[entry["lowest_level"]] > level and not urgent and entry["referral"]:
            referral = entry["referral"][0]
            steps.append(
                NextStep(kind="refer", what=f"转{referral['to']}", why=f"{referral['when']}；本级不宜单独处理{entry['name']}", gain=None)
            )
    return tuple(steps)
