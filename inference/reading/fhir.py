"""The structured record as a FHIR R4 Bundle: Condition, Observation (UCUM), RiskAssessment, DiagnosticReport, Provenance."""

from __future__ import annotations

import datetime as dt
import uuid
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from data_contracts.record import Record
from data_contracts.structure import Code, Entity, Measurement, Structure
from inference.reading.fields import LABELS

_NAMESPACE = uuid.UUID("6f1d0a3e-6f0c-5f0e-9a51-6a0f7c1f5b11")
SYSTEMS: Mapping[str, str] = {
    "icd10": "http://hl7.org/fhir/sid/icd-10",
    "icd9cm3": "http://hl7.org/fhir/sid/icd-9-cm",
    "finding": "urn:xinglin:finding",
    "disease": "urn:xinglin:disease",
    "medicine": "urn:xinglin:medicine",
    "measurement": "urn:xinglin:measurement",
    "instrument": "urn:xinglin:instrument",
}
_VERIFICATION: Mapping[str, tuple[str, str | None]] = {
    "present": ("confirmed", "active"),
    "possible": ("provisional", "active"),
    "absent": ("refuted", None),
    "historical": ("confirmed", "resolved"),
}
"""Assertion to verification status and clinical status; what is said of others or only warned of becomes no Condition."""
_COMPARATORS = frozenset({"<", "<=", ">=", ">"})
_VITAL = frozenset({"temperature", "heart_rate", "respiratory_rate", "systolic_bp", "diastolic_bp", "spo2", "height", "weight", "bmi"})
_FLAGS: Mapping[str, str] = {
    "implausible": "数值超出可能范围，请核对。",
    "soft_alarm": "数值少见，请复核单位与记录。",
    "unit_missing": "未写单位，未作换算。",
    "unit_unknown": "单位与项目不符，未作换算。",
}


@lru_cache(maxsize=1)
def measurement_codes() -> Mapping[str, tuple[str, str, str]]:
    """Measurement name to LOINC code, Chinese label and UCUM unit."""
    from knowledge_base.compiled import load

    return {row["id"]: (row["loinc"], row["label"], row["ucum"]) for row in load().tables["measurements"]["analytes"]}


def fhir_bundle(record: Record, structure: Structure, codes: Mapping[str, tuple[str, str, str]] | None = None) -> dict[str, Any]:
    """A collection Bundle of what the record says, with ids that depend on the record's id alone.

    Args:
        record: the request (patient, encounter, entered diagnoses).
        structure: its structured record.
        codes: measurement name to LOINC, label, UCUM; by default those of the knowledge base.
    """
    writer = _Writer(record, structure, codes if codes is not None else measurement_codes())
    return writer.bundle()


class _Writer:
    """Builds the entries of one bundle."""

    def __init__(self, record: Record, structure: Structure, codes: Mapping[str, tuple[str, str, str]]) -> None:
        self._record = record
        self._structure = structure
        self._codes = codes
        self._entries: list[dict[str, Any]] = []
        self._patient = self._url("patient")
        self._subject = {"reference": self._patient}
        self._date = None if record.encounter.date is None else record.encounter.date.isoformat()

    def bundle(self) -> dict[str, Any]:
        """The whole bundle."""
        self._add_patient()
        seen: set[tuple[str, str]] = set()
        for index, entity in enumerate(self._structure.entities):
            self._add_entity(index, entity, seen)
        for index, entered in enumerate(self._entered()):
            name, icd10 = str(entered["name"]), entered.get("icd10")
            coding = [{"system": SYSTEMS["icd10"], "code": icd10, "display": name}] if icd10 else []
            self._add_condition(f"entered-{index}", name, coding, "provisional", "active", "encounter-diagnosis", None)
        for index, measurement in enumerate(self._structure.measurements):
            self._add_observation(index, measurement)
        for index, item in enumerate(self._structure.accepted):
            self._add_accepted(index, item)
        return {"resourceType": "Bundle", "id": self._ident("bundle"), "type": "collection", "entry": self._entries}

    def _entered(self) -> list[Mapping[str, Any]]:
        """The doctor's diagnoses: given as data or written under 初步诊断, which the structured fields hold together."""
        items = self._structure.fields.get("diagnosis", {}).get("items")
        if items:
            return list(items)
        return [{"name": diagnosis.name, "icd10": diagnosis.icd10} for diagnosis in self._record.diagnoses]

    # -- identifiers -----------------------------------------------------------------------------------------------

    def _ident(self, name: str) -> str:
        return str(uuid.uuid5(_NAMESPACE, f"{self._record.id}/{name}"))

    def _url(self, name: str) -> str:
        return f"urn:uuid:{self._ident(name)}"

    def _add(self, name: str, resource: dict[str, Any]) -> str:
        kept = {key: value for key, value in resource.items() if value not in (None, [], {})}
        kept["id"] = self._ident(name)
        self._entries.append({"fullUrl": self._url(name), "resource": kept})
        return self._url(name)

    # -- resources -------------------------------------------------------------------------------------------------

    def _add_patient(self) -> None:
        patient = self._record.patient
        pseudonym = [{"system": "urn:xinglin:pseudonym", "value": patient.pseudonym}] if patient.pseudonym else []
        self._add("patient", {"resourceType": "Patient", "identifier": pseudonym, "gender": patient.sex})

    def _add_entity(self, index: int, entity: Entity, seen: set[tuple[str, str]]) -> None:
        if entity.assertion == "family" and entity.type == "disease":
            self._add_family(index, entity)
            return
        if entity.type not in ("disease", "symptom", "sign") or entity.assertion not in _VERIFICATION:
            return
        key = (entity.concept.id if entity.concept else entity.span.text, entity.assertion)
        if key in seen:
            return
        seen.add(key)
        verification, clinical = _VERIFICATION[entity.assertion]
        category = "problem-list-item" if entity.type == "disease" else "symptom"
        name = entity.concept.name if entity.concept else entity.span.text
        self._add_condition(f"entity-{index}", name, _codings(entity), verification, clinical, category, entity)

    def _add_condition(
        self,
        name: str,
        text: str,
        coding: list[dict[str, Any]],
        verification: str,
        clinical: str | None,
        category: str,
        entity: Entity | None,
    ) -> str:
        system = "http://terminology.hl7.org/CodeSystem/condition-category"
        kind = {"system": system if category != "symptom" else "urn:xinglin:category", "code": category}
        return self._add(
            name,
            {
                "resourceType": "Condition",
                "clinicalStatus": None
                if clinical is None
                else _concept("http://terminology.hl7.org/CodeSystem/condition-clinical", clinical),
                "verificationStatus": _concept("http://terminology.hl7.org/CodeSystem/condition-ver-status", verification),
                "category": [{"coding": [kind]}],
                "code": {"coding": coding, "text": text} if coding else {"text": text},
                "subject": self._subject,
                "recordedDate": self._date,
                "note": [] if entity is None else [{"text": _place(entity)}],
            },
        )

    def _add_family(self, index: int, entity: Entity) -> None:
        name = entity.concept.name if entity.concept else entity.span.text
        codings = _codings(entity)
        self._add(
            f"entity-{index}",
            {
                "resourceType": "FamilyMemberHistory",
                "status": "partial",
                "patient": self._subject,
                "relationship": {"text": entity.cue.text if entity.cue else "家族成员"},
                "condition": [{"code": {"coding": codings, "text": name} if codings else {"text": name}}],
            },
        )

    def _add_observation(self, index: int, measurement: Measurement) -> None:
        loinc, label, ucum = self._codes.get(measurement.name, ("", measurement.name, ""))
        coding = [{"system": SYSTEMS["measurement"], "code": measurement.name, "display": label}]
        if loinc:
            coding.insert(0, {"system": "http://loinc.org", "code": loinc, "display": label})
        notes = [text for text in (_FLAGS.get(measurement.flag or ""), measurement.context and f"情境：{measurement.context}") if text]
        self._add(
            f"measurement-{index}",
            {
                "resourceType": "Observation",
                "status": "final",
                "category": [
                    {
                        "coding": [
                            {
                                "system": "http://terminology.hl7.org/CodeSystem/observation-category",
                                "code": "vital-signs" if measurement.name in _VITAL else "laboratory",
                            }
                        ]
                    }
                ],
                "code": {"coding": coding, "text": label},
                "subject": self._subject,
                "effectiveDateTime": self._date,
                **_value(measurement, ucum),
                "note": [{"text": text} for text in notes],
            },
        )

    def _add_accepted(self, index: int, item: Mapping[str, Any]) -> None:
        kind, name = item["kind"], f"accepted-{index}"
        if kind == "diagnosis":
            coding = [{"system": SYSTEMS["icd10"], "code": item["icd10"], "display": item.get("name")}] if item.get("icd10") else []
            if item.get("disease"):
                coding.append({"system": SYSTEMS["disease"], "code": str(item["disease"])})
            target = self._add_condition(
                name,
                str(item.get("name") or item.get("disease")),
                coding,
                str(item["verification_status"]),
                "active",
                "encounter-diagnosis",
                None,
            )
        elif kind == "risk_grade":
            target = self._add(name, self._risk(item))
        elif kind == "fundus":
            target = self._add(name, self._fundus(item))
        else:
            text = str(item.get("message") or item.get("what") or item.get("next_visit") or item.get("date") or item.get("reason") or kind)
            target = self._add(
                name,
                {
                    "resourceType": "CarePlan",
                    "status": "active",
                    "intent": "plan",
                    "subject": self._subject,
                    "title": "下次随访" if kind == "next_visit" else "已采纳的建议",
                    "description": text,
                    "created": self._date,
                },
            )
        self._add_provenance(f"{name}-provenance", target, item["provenance"])

    def _risk(self, item: Mapping[str, Any]) -> dict[str, Any]:
        shown = item.get("interpretation") or item.get("grade") or item.get("value")
        return {
            "resourceType": "RiskAssessment",
            "status": "final",
            "method": {
                "coding": [{"system": SYSTEMS["instrument"], "code": str(item.get("instrument"))}],
                "text": f"{item.get('instrument')} {item.get('edition') or ''}".strip(),
            },
            "subject": self._subject,
            "occurrenceDateTime": self._date,
            "prediction": [
                {
                    "outcome": {"text": str(item.get("grade") if item.get("grade") is not None else shown)},
                    "qualitativeRisk": {"text": str(shown)},
                }
            ],
            "note": [{"text": f"数值：{item['value']} {item.get('unit') or ''}".strip()}] if item.get("value") is not None else [],
        }

    def _fundus(self, item: Mapping[str, Any]) -> dict[str, Any]:
        if not item.get("gradable", True):
            conclusion = "照片不可判读，请重拍。"
        else:
            conclusion = f"糖尿病视网膜病变分级 {item.get('grade')}；{'需转诊' if item.get('referable') else '暂不需转诊'}。"
        if item.get("advice"):
            conclusion += str(item["advice"])
        return {
            "resourceType": "DiagnosticReport",
            "status": "final",
            "category": [_concept("http://terminology.hl7.org/CodeSystem/v2-0074", "OTH")],
            "code": {"text": "眼底照相筛查"},
            "subject": self._subject,
            "effectiveDateTime": self._date,
            "conclusion": conclusion,
        }

    def _add_provenance(self, name: str, target: str, provenance: Mapping[str, Any]) -> None:
        made_by = provenance.get("bundle") or provenance.get("rule")
        agents = [
            {
                "type": _concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "verifier"),
                "who": {"display": provenance.get("accepted_by") or "接诊医生"},
            }
        ]
        agents.append(
            {
                "type": _concept("http://terminology.hl7.org/CodeSystem/provenance-participant-type", "assembler"),
                "who": {"display": f"Xinglin {made_by or ''}".strip()},
            }
        )
        moment = self._record.encounter.date or dt.date(1970, 1, 1)
        entity = {
            "role": "source",
            "what": {
                "display": f"knowledge {provenance.get('knowledge')}; bundle {provenance.get('bundle')}; rule {provenance.get('rule')}"
            },
        }
        self._add(
            name,
            {
                "resourceType": "Provenance",
                "target": [{"reference": target}],
                "recorded": dt.datetime.combine(moment, dt.time(), dt.UTC).isoformat(),
                "agent": agents,
                "entity": [entity],
            },
        )


def _concept(system: str, code: str) -> dict[str, Any]:
    return {"coding": [{"system": system, "code": code}]}


def _place(entity: Entity) -> str:
    """The words of the record behind a Condition, and the part that they stand in."""
    where = LABELS.get(entity.span.section or "", "病历")
    return f"{where}：{entity.span.text}" + (f"（依据：{entity.cue.text}）" if entity.cue else "")


def _codings(entity: Entity) -> list[dict[str, Any]]:
    codings: list[dict[str, Any]] = [_coding(code) for code in entity.codes]
    if entity.concept is not None:
        codings.append({"system": SYSTEMS[entity.concept.kind], "code": entity.concept.id, "display": entity.concept.name})
    return codings


def _coding(code: Code) -> dict[str, Any]:
    return {"system": SYSTEMS[code.system], "version": code.edition, "code": code.code, "display": code.name}


def _value(measurement: Measurement, ucum: str) -> dict[str, Any]:
    """`valueQuantity` or `valueRange`, in the canonical unit where there is one, else as written."""
    known = measurement.canonical_value is not None
    value = measurement.canonical_value if known else measurement.value
    unit = measurement.canonical_unit if known else measurement.unit

    def quantity(number: float) -> dict[str, Any]:
        out: dict[str, Any] = {"value": number}
        if unit:
            out["unit"] = unit
        if known and ucum:
            out |= {"system": "http://unitsofmeasure.org", "code": ucum}
        return out

    if isinstance(value, tuple):
        return {"valueRange": {"low": quantity(value[0]), "high": quantity(value[1])}}
    assert value is not None
    out = quantity(value)
    if measurement.comparator in _COMPARATORS:
        out["comparator"] = measurement.comparator
    return {"valueQuantity": out}
