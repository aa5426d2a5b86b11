"""病历规范性: what a good record of this complaint contains, what is there, what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from data_contracts.structure import Quality, QualityItem
from inference.facts import RecordFacts, facts_of
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase
from knowledge_base.conditions import Condition

_CLINICAL = frozenset({"symptom", "sign", "disease"})


@lru_cache(maxsize=4)
def _conditions(kb: KnowledgeBase) -> Mapping[str, Condition]:
    """The parsed condition of every item that has one."""
    return {item["id"]: kb.condition(item["when"]) for item in kb.lexicon["quality"]["items"] if "when" in item}


def assess_quality(reading: Reading, kb: KnowledgeBase, facts: RecordFacts | None = None) -> Quality:
    """Score a record by the items of `lexicon/quality.yaml` that are due for its complaint.

    The score is the weight of what is there as a share of the weight of what is due, out of 100.
    """
    table = kb.lexicon["quality"]
    facts = facts or facts_of(reading, kb)
    whole = "\n".join(reading.section_texts.values()).lower()
    conditions = _conditions(kb)
    items: list[QualityItem] = []
    due = met = 0.0
    for row in table["items"]:
        if not row.get("enabled", True) or not _is_due(row, conditions, facts, reading):
            continue
        present = any(_has(need, reading, whole) for need in row["needs"])
        due += row["weight"]
        met += row["weight"] if present else 0.0
        items.append(QualityItem(item=row["item"], present=present, hint=None if present else row["hint"]))
    return Quality(score=round(100.0 * met / due, 1) if due else 0.0, items=tuple(items))


def _is_due(row: Mapping[str, Any], conditions: Mapping[str, Condition], facts: RecordFacts, reading: Reading) -> bool:
    condition = conditions.get(row["id"])
    if condition is None:
        return True
    if row.get("unless_age_unknown") and reading.patient.age_days is None:
        return True
    return condition.evaluate(facts.facts)


def _has(need: Mapping[str, Any], reading: Reading, whole: str) -> bool:
    """Whether one proof is there."""
    (kind, wanted), *_ = need.items()
    shown = [entity for entity in reading.entities if entity.type in _CLINICAL]
    if kind == "sections":
        return any(section.name in wanted for section in reading.sections)
    if kind == "words":
        return any(word in whole for word in wanted)
    if kind == "measurements":
        return any(item.name in wanted for item in (*reading.measurements, *reading.given))
    if kind == "durations":
        return len(reading.durations) >= wanted
    if kind == "absent":
        return sum(entity.assertion == "absent" for entity in shown) >= wanted
    if kind == "findings":
        return sum(entity.assertion == "present" for entity in shown) >= wanted
    if kind == "signs":
        return sum(entity.type == "sign" for entity in shown) >= wanted
    if kind == "length":
        return len(whole) >= wanted
    if kind == "diagnoses":
        return len(reading.record.diagnoses) >= wanted
    if kind == "medications":
        return len(reading.record.medications) >= wanted
    if kind == "patient":
        return reading.patient.sex != "unknown" and reading.patient.age_days is not None
    raise ValueError(f"quality.yaml: unknown proof {kind!r}")
