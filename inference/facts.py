"""From a Reading to the Facts that conditions and the probabilistic ranker ask of."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from data_contracts.spans import Evidence
from data_contracts.structure import Entity, Measurement
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase
from knowledge_base.conditions import Facts
from knowledge_base.measurement_names import CONTEXTUAL

_CLAUSE_ENDS = frozenset("，。；;,\n")
_NEAR = 16
_KEPT_HISTORY = frozenset({"present", "historical"})


@dataclass(slots=True)
class RecordFacts:
    """Facts with the evidence behind each finding, measurement, medicine and mentioned disease."""

    facts: Facts
    evidence: dict[str, list[Evidence]] = field(default_factory=dict)
    measured: dict[str, list[Measurement]] = field(default_factory=dict)
    mentioned: dict[str, str] = field(default_factory=dict)
    """Disease id to the strongest assertion that the text makes of it."""
    stated: set[str] = field(default_factory=set)
    """Findings that the text itself asserts (without ancestors and without those derived from numbers)."""


_STRENGTH = ("present", "possible", "historical", "conditional", "absent", "family", "other_person")


@lru_cache(maxsize=4)
def history_findings(kb: KnowledgeBase) -> dict[str, str]:
    """Disease id to the history finding that a mention of it in a record means, by name (高血压病史 ⇢ 高血压)."""
    by_name = {name: disease.id for disease in kb.diseases.values() for name in disease.names}
    found: dict[str, str] = {}
    for finding in kb.findings.values():
        if finding.kind != "history":
            continue
        for name in finding.names:
            stem = name.removeprefix("既往").removeprefix("有").removesuffix("史").removesuffix("病")
            for candidate in (stem, stem + "病", stem.removesuffix("病")):
                if candidate in by_name:
                    found.setdefault(by_name[candidate], finding.id)
    return found


@lru_cache(maxsize=4)
def measured_findings(kb: KnowledgeBase) -> dict[str, list[tuple[str, dict[str, Any]]]]:
    """Measurement name to the findings that it decides, with their limits."""
    found: dict[str, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for finding in kb.findings.values():
        if finding.measurement:
            found[finding.measurement["name"]].append((finding.id, dict(finding.measurement)))
    return dict(found)


def _numbers(measurement: Measurement) -> tuple[float, ...]:
    value = measurement.canonical_value
    if value is None or measurement.flag == "implausible":
        # Hb 13 without a unit, or a value that cannot be: shown to the doctor, no ground for a finding
        return ()
    return tuple(float(v) for v in value) if isinstance(value, tuple) else (float(value),)


def facts_of(reading: Reading, kb: KnowledgeBase) -> RecordFacts:
    """Collect what the reading asserts, with the ancestors of present and the descendants of absent findings."""
    patient = reading.patient
    pregnant = patient.pregnant or patient.pregnancy_weeks is not None
    sex = "female" if pregnant and patient.sex == "unknown" else patient.sex
    facts = Facts(sex=sex, age_days=patient.age_days, pregnancy_weeks=patient.pregnancy_weeks, pregnant=patient.pregnant)
    result = RecordFacts(facts)
    evidence: dict[str, list[Evidence]] = defaultdict(list)
    histories = history_findings(kb)
    for entity in reading.entities:
        if entity.concept is None:
            continue
        if entity.concept.kind == "finding":
            _take_finding(entity, entity.concept.id, facts, evidence, result.stated)
        elif entity.concept.kind == "medicine":
            if entity.assertion == "present":
                facts.medicines.add(entity.concept.id)
                medicine = kb.medicines.get(entity.concept.id)
                if medicine:
                    facts.medicines.add(medicine["drug_class"])
        else:
            _take_disease(entity, facts, evidence, histories, result)
    values: dict[str, list[float]] = defaultdict(list)
    for measurement in (*reading.measurements, *reading.given):
        result.measured.setdefault(measurement.name, []).append(measurement)
        names = [measurement.name] + [
            name for name, (base, context) in CONTEXTUAL.items() if base == measurement.name and measurement.context == context
        ]
        for name in names:
            values[name] += _numbers(measurement)
            if name != measurement.name:
                result.measured.setdefault(name, []).append(measurement)
    facts.measurements = {name: tuple(found) for name, found in values.items()}
    _derive(facts, result, evidence, kb)
    _close(facts, kb)
    for given in reading.record.diagnoses:
        facts.entered |= _named_diseases(given.name, given.icd10, kb)
    facts.durations = _durations(reading)
    result.evidence = dict(evidence)
    return result


def _take_finding(entity: Entity, ident: str, facts: Facts, evidence: dict[str, list[Evidence]], stated: set[str]) -> None:
    target = {
        "present": facts.present,
        "absent": facts.absent,
        "possible": facts.possible,
        "historical": facts.historical,
        "family": facts.family,
    }.get(entity.assertion)
    if target is None:
        return
    target.add(ident)
    if entity.assertion in ("present", "absent", "possible"):
        stated.add(ident)
    evidence[ident].append(Evidence(span=entity.span, finding=ident, note=None))


def _take_disease(
    entity: Entity, facts: Facts, evidence: dict[str, list[Evidence]], histories: dict[str, str], result: RecordFacts
) -> None:
    assert entity.concept is not None
    ident = entity.concept.id
    known = result.mentioned.get(ident)
    if known is None or _STRENGTH.index(entity.assertion) < _STRENGTH.index(known):
        result.mentioned[ident] = entity.assertion
    evidence[f"disease:{ident}"].append(Evidence(span=entity.span, finding=None, note=None))
    history = histories.get(ident)
    if history is None:
        return
    if entity.assertion in _KEPT_HISTORY:
        facts.present.add(history)
        evidence[history].append(Evidence(span=entity.span, finding=history, note=None))
    elif entity.assertion == "absent":
        facts.absent.add(history)
    elif entity.assertion == "family":
        facts.family.add(history)


def _derive(facts: Facts, result: RecordFacts, evidence: dict[str, list[Evidence]], kb: KnowledgeBase) -> None:
    """Findings that numbers decide: present inside a row of limits, absent where a usable value is known and no row fits."""
    years = None if facts.age_days is None else facts.age_days / 365.25
    pregnant = facts.pregnant or facts.pregnancy_weeks is not None
    for name, findings in measured_findings(kb).items():
        measured = result.measured.get(name)
        if not measured:
            continue
        for ident, rule in findings:
            rows = [row for row in rule["limits"] if _applies(row, facts.sex, years, pregnant)]
            if not rows:
                continue
            hits = [m for m in measured if any(_inside(row, m) for row in rows)]
            if hits:
                facts.present.add(ident)
                facts.absent.discard(ident)
                evidence[ident] += [Evidence(span=m.span, finding=ident, note=_shown(m)) for m in hits if m.span.text]
            elif ident not in facts.present and any(_numbers(m) for m in measured) and all(row.get("context") is None for row in rows):
                facts.absent.add(ident)


UNTOLD = "untold"
"""Context of a limit for values of which the record does not say when they were taken."""


def _applies(row: dict[str, Any], sex: str, years: float | None, pregnant: bool) -> bool:
    if row.get("sex") not in (None, sex):
        return False
    if row.get("pregnant") is not None and row["pregnant"] != pregnant:
        return False
    band = row.get("age_years")
    if band is None:
        return True
    # an unknown age is taken for an adult's: most records without an age are adults'
    age = 40.0 if years is None else years
    return bool(band[0] <= age < band[1] or age == band[1] == 120)


def _inside(row: dict[str, Any], measurement: Measurement) -> bool:
    if row.get("context") not in (None, measurement.context or UNTOLD):
        return False
    return any(
        (row.get("above") is None or value > row["above"]) and (row.get("below") is None or value < row["below"])
        for value in _numbers(measurement)
    )


def _shown(measurement: Measurement) -> str:
    value = measurement.canonical_value if measurement.canonical_value is not None else measurement.value
    text = "–".join(f"{v:g}" for v in value) if isinstance(value, tuple) else f"{value:g}"
    return f"{text} {measurement.canonical_unit or measurement.unit or ''}".strip()


def _close(facts: Facts, kb: KnowledgeBase) -> None:
    for ident in list(facts.present):
        finding = kb.findings.get(ident)
        if finding is None:
            continue
        facts.present |= finding.ancestors
        facts.absent |= {o for o in finding.opposites if o not in facts.present}
    for group in (facts.possible, facts.historical, facts.family):
        for ident in list(group):
            if ident in kb.findings:
                group |= kb.findings[ident].ancestors
    for ident in list(facts.absent):
        if ident in kb.findings:
            facts.absent |= kb.findings[ident].descendants
    facts.absent -= facts.present


def _named_diseases(name: str, icd10: str | None, kb: KnowledgeBase) -> set[str]:
    """The entries that an entered diagnosis means, by name or by three-character category."""
    found = {disease.id for disease in kb.diseases.values() if name in disease.names}
    if not found and icd10:
        found = {ident for ident in kb.by_category.get(icd10[:3], ()) if ident in kb.diseases}
    return found


def _durations(reading: Reading) -> dict[str, float]:
    """The longest duration written near each present finding, in the same clause."""
    found: dict[str, float] = {}
    for duration in reading.durations:
        for entity in reading.entities:
            if entity.concept is None or entity.concept.kind != "finding" or entity.span.section != duration.span.section:
                continue
            text = reading.section_texts.get(None) or reading.section_texts.get(duration.span.section) or ""
            low, high = (
                sorted((entity.span.end, duration.span.start))
                if entity.span.start <= duration.span.start
                else sorted((duration.span.end, entity.span.start))
            )
            if high - low > _NEAR or any(ch in _CLAUSE_ENDS for ch in text[low:high]):
                continue
            found[entity.concept.id] = max(found.get(entity.concept.id, 0.0), duration.days)
    return found
