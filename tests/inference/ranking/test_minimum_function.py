"""Minimum function: the textbook case of every entry that must not be missed stands in the first three."""

from __future__ import annotations

import math
from typing import Any

from data_contracts.diagnosis import Diagnosis
from inference.engine import Engine
from knowledge_base.compiled import Disease, KnowledgeBase

TOLD = 7


def textbook(disease: Disease, kb: KnowledgeBase) -> dict[str, Any]:
    """The entry's most telling findings, by name, in a patient of its population."""
    population = disease.entry["population"]
    low, high = population["age_years"]
    only_pregnant = population["pregnancy"] == "only"
    patient: dict[str, Any] = {
        "sex": "female" if only_pregnant or population["sex"] == "female" else "male",
        "age": 28 if only_pregnant else round(min(max(low, min(50, (low + high) / 2)), high), 2),
    }
    if only_pregnant:
        patient["pregnancy_weeks"] = 30

    def telling(finding: str) -> float:
        p = disease.findings[finding]
        return -p * max(0.1, math.log(max(p, 1e-3) / kb.findings[finding].background))

    names = [kb.findings[finding].name for finding in sorted(disease.findings, key=telling)[:TOLD]]
    return {"id": disease.id, "text": "，".join(names) + "。", "patient": patient}


def test_textbook_cases_stand_in_the_first_three(engine: Engine) -> None:
    items = [textbook(disease, engine.kb) for disease in engine.kb.diseases.values() if disease.must_not_miss]
    assert len(items) > 250
    missed = {}
    for item, answer in zip(items, engine.diagnose(items), strict=True):
        assert isinstance(answer, Diagnosis)
        first = [candidate.disease for candidate in answer.candidates[:3]]
        if item["id"] not in first:
            missed[item["id"]] = first
    assert missed == {}
