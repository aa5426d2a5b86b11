"""The fields of a 门（急）诊病历, keyed by section: what an EMR writes back without a human retyping it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from data_contracts.structure import Duration, Entity, Measurement
from inference.reading.durations import DAYS
from inference.reading.types import Reading

LABELS: dict[str, str] = {
    "chief_complaint": "主诉",
    "present_illness": "现病史",
    "past_history": "既往史",
    "personal_history": "个人史",
    "family_history": "家族史",
    "allergy_history": "过敏史",
    "obstetric_history": "婚育史",
    "physical_exam": "体格检查",
    "auxiliary_exam": "辅助检查",
    "diagnosis": "初步诊断",
    "treatment": "处理",
}
"""Section name to its heading in the outpatient record, in the order of the form."""
VITAL_SIGNS: tuple[str, ...] = ("temperature", "heart_rate", "respiratory_rate", "systolic_bp", "diastolic_bp", "spo2", "height", "weight")
_COMPLAINTS = frozenset({"symptom", "sign"})


def record_fields(reading: Reading, entities: Sequence[Entity]) -> dict[str, Any]:
    """One entry per section with content, plus the chief complaint where only free text is given.

    Args:
        reading: of the record.
        entities: the entities that the structured record shows.
    """
    texts = section_contents(reading)
    fields: dict[str, Any] = {}
    if "chief_complaint" not in texts:
        complaint = _compose_complaint(entities, reading.durations)
        if complaint:
            fields["chief_complaint"] = {"label": LABELS["chief_complaint"], "text": complaint, "derived": True}
    for name, label in LABELS.items():
        if name not in texts:
            continue
        inside = [
            entity for entity in entities if entity.span.section == name or (entity.span.section is None and name == "present_illness")
        ]
        fields[name] = {"label": label, "text": texts[name], **_content(name, inside, reading)}
    vital = _vital_signs((*reading.given, *reading.measurements))
    if vital:
        fields.setdefault("physical_exam", {"label": LABELS["physical_exam"], "text": ""})["vital_signs"] = vital
    if reading.record.diagnoses:
        fields.setdefault("diagnosis", {"label": LABELS["diagnosis"], "text": "；".join(d.name for d in reading.record.diagnoses)})[
            "items"
        ] = [{"name": diagnosis.name, "icd10": diagnosis.icd10} for diagnosis in reading.record.diagnoses]
    return {name: fields[name] for name in LABELS if name in fields}


def section_contents(reading: Reading) -> dict[str, str]:
    """Section name to its text; parts of one section are joined; text outside every heading counts as present illness."""
    contents: dict[str, list[str]] = {}
    whole = reading.section_texts.get(None)
    if whole is None:
        return {name: text.strip() for name, text in reading.section_texts.items() if name is not None and text.strip()}
    position = 0
    for section in reading.sections:
        loose = whole[position : section.start]
        if position == 0 and len(loose.strip()) > 12:
            contents.setdefault("present_illness", []).append(loose.strip())
        contents.setdefault(section.name, []).append(whole[section.start : section.end].strip())
        position = section.end
    if not reading.sections and whole.strip():
        contents["present_illness"] = [whole.strip()]
    return {name: "\n".join(parts) for name, parts in contents.items()}


def _names(entities: Iterable[Entity]) -> list[str]:
    return list(dict.fromkeys(entity.concept.name if entity.concept else entity.span.text for entity in entities))


def _content(name: str, entities: Sequence[Entity], reading: Reading) -> dict[str, Any]:
    clinical = [entity for entity in entities if entity.type in ("symptom", "sign", "disease")]
    content: dict[str, Any] = {}
    positive = _names(e for e in clinical if e.assertion == "present")
    negative = _names(e for e in clinical if e.assertion == "absent")
    if name == "past_history":
        content["diseases"] = _names(e for e in clinical if e.type == "disease" and e.assertion in ("present", "historical"))
        content["procedures"] = _names(e for e in entities if e.type == "procedure" and e.assertion != "absent")
        content["denied"] = negative
    elif name == "family_history":
        content["diseases"] = _names(e for e in clinical if e.assertion == "family")
    elif name == "allergy_history":
        content["allergens"] = _names(e for e in entities if e.type == "drug" and e.assertion in ("present", "historical"))
    elif positive or negative:
        content["positive"], content["negative"] = positive, negative
    if name in ("auxiliary_exam", "physical_exam"):
        results = [_result(m) for m in reading.measurements if m.span.section == name and m.name not in VITAL_SIGNS]
        if results:
            content["results"] = results
    if name == "treatment":
        content["medicines"] = _names(e for e in entities if e.type == "drug")
    return {key: value for key, value in content.items() if value}


def _result(measurement: Measurement) -> dict[str, Any]:
    return {
        "name": measurement.name,
        "text": measurement.span.text,
        "value": measurement.canonical_value,
        "unit": measurement.canonical_unit,
        "flag": measurement.flag,
    }


def _vital_signs(measurements: Iterable[Measurement]) -> dict[str, Any]:
    """The last written value of each vital sign."""
    return {
        m.name: {"value": m.canonical_value, "unit": m.canonical_unit, "flag": m.flag}
        for m in measurements
        if m.name in VITAL_SIGNS and m.canonical_value is not None
    }


def _compose_complaint(entities: Sequence[Entity], durations: Sequence[Duration]) -> str:
    """主诉 made of the first one to three present complaints and the first duration."""
    complaints = list(
        dict.fromkeys(e.span.text for e in entities if e.type in _COMPLAINTS and e.assertion == "present" and e.concept is not None)
    )[:3]
    if not complaints:
        return ""
    return "、".join(complaints) + (_written(durations[0]) if durations else "")


def _written(duration: Duration) -> str:
    """The duration as written, or in the largest whole unit where the text is not its own."""
    if duration.span.text:
        return duration.span.text
    for unit in ("年", "个月", "周", "天"):
        if duration.days >= DAYS[unit]:
            return f"{duration.days / DAYS[unit]:.0f}{unit}"
    return f"{duration.days * 24:.0f}小时"
