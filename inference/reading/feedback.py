"""What the doctor took and refused: into the structured record with provenance, and into lines to train on.

Training lines hold concept ids, numbers, sex and age band alone: no text, no name, no pseudonym, no free reason.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import orjson

from data_contracts.record import Record
from data_contracts.structure import Structure
from knowledge_base.compiled import KnowledgeBase

REASONS: Mapping[str, tuple[str, ...]] = {
    "already_known": ("已知", "已诊断", "老病", "既往", "早就", "已在治"),
    "excluded": ("排除", "除外", "阴性", "不支持", "检查正常", "已查"),
    "does_not_fit": ("不符", "不像", "不典型", "没有这个症状", "不一致", "无关"),
    "duplicate": ("重复",),
    "wrong_reading": ("读错", "识别错", "看错", "误读", "写错", "文字错"),
    "not_available": ("没条件", "做不了", "没有设备", "缺药", "无药", "没法做"),
    "patient_declined": ("拒绝", "不愿", "不同意", "不想"),
}
"""Reason code to words that mean it; a reason without any is `other`. The words themselves are never kept."""


def kind_of(item: Mapping[str, Any]) -> str:
    """What an accepted item of an earlier answer is."""
    kind = str(item.get("kind") or "")
    if "instrument" in item:
        return "risk_grade"
    if "gradable" in item or "referable" in item:
        return "fundus"
    if kind in ("visit", "next_visit", "follow_up") or "next_visit" in item:
        return "next_visit"
    if "urgency" in item or str(item.get("id", "")).startswith("red_flag:"):
        return "red_flag"
    if "what" in item:
        return "next_step"
    if "severity" in item or kind in ("missed", "doubtful", "incomplete"):
        return "alert"
    if "disease" in item or "icd10" in item or str(item.get("id", "")).startswith("diagnosis:"):
        return "diagnosis"
    return "other"


_MADE_BY: Mapping[str, str] = {"diagnosis": "ranker", "next_step": "ranker", "fundus": "fundus"}
"""Which bundle made an item that names neither its bundle nor its rule."""


def accepted_items(record: Record, kb: KnowledgeBase, bundles: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The accepted items as the structured record carries them; what was overridden stays out.

    Args:
        record: the request.
        kb: names diseases, and its version is part of the provenance.
        bundles: task to version of the bundles that answer now.
    """
    refused = {override.id for override in record.overridden}
    for item in record.accepted:
        if item.get("id") in refused:
            continue
        kind = kind_of(item)
        shown: dict[str, Any] = {"kind": kind, "id": item.get("id")}
        shown.update(_content(kind, item, kb))
        shown["provenance"] = _provenance(kind, item, record, kb, bundles)
        yield shown


def _content(kind: str, item: Mapping[str, Any], kb: KnowledgeBase) -> dict[str, Any]:
    if kind in ("diagnosis", "alert"):
        disease = item.get("disease")
        named = disease if isinstance(disease, Mapping) else {"id": disease, "name": item.get("name"), "icd10": item.get("icd10")}
        entry = kb.diseases.get(str(named.get("id")))
        content = {
            "disease": named.get("id"),
            "name": named.get("name") or (entry.name if entry else None),
            "icd10": named.get("icd10") or (entry.icd10[0] if entry else None),
        }
        if kind == "alert":
            return {**content, "severity": item.get("severity"), "message": item.get("message")}
        return {**content, "verification_status": item.get("verification_status") or "provisional", "probability": item.get("probability")}
    if kind == "risk_grade":
        return {key: item.get(key) for key in ("instrument", "edition", "version", "value", "unit", "grade", "interpretation")}
    if kind == "fundus":
        advice = item.get("advice") or {}
        return {
            **{key: item.get(key) for key in ("gradable", "grade", "referable", "p_referable", "laterality")},
            "advice": advice.get("message"),
            "rescreen_months": advice.get("rescreen_months"),
        }
    if kind == "next_visit":
        return {key: item.get(key) for key in ("date", "next_visit", "days", "weeks", "reason", "what") if item.get(key) is not None}
    if kind in ("red_flag", "next_step"):
        return {key: item.get(key) for key in ("rule", "message", "urgency", "what", "why") if item.get(key) is not None}
    return {key: value for key, value in item.items() if key != "id" and isinstance(value, (str, int, float, bool))}


def _provenance(kind: str, item: Mapping[str, Any], record: Record, kb: KnowledgeBase, bundles: Mapping[str, str]) -> dict[str, Any]:
    """Bundle, rule, knowledge version, and who accepted when."""
    source = str(item.get("source") or "")
    given = _mapping(item.get("provenance"))
    versions = _mapping(item.get("versions"))
    bundle = (
        item.get("bundle")
        or given.get("bundle")
        or versions.get("bundles")
        or (source.removeprefix("model:") if source.startswith("model:") else None)
    )
    rule = item.get("rule") or given.get("rule") or (source.removeprefix("rule:") if source.startswith("rule:") else None)
    if rule is None and kind == "risk_grade":
        rule = ":".join(str(part) for part in (item.get("instrument"), item.get("edition"), item.get("version")) if part)
    maker = _MADE_BY.get(kind)
    if bundle is None and rule is None and maker is not None and maker in bundles:
        bundle = f"{maker}:{bundles[maker]}"
    return {
        "bundle": bundle,
        "rule": rule,
        "knowledge": versions.get("knowledge") or kb.version,
        "accepted_by": record.encounter.clinician,
        "site": record.encounter.site,
        "date": None if record.encounter.date is None else record.encounter.date.isoformat(),
    }


def _mapping(value: Any) -> Mapping[str, Any]:
    """The value where it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def reason_code(reason: str) -> str:
    """The code of a refusal's reason."""
    return next((code for code, words in REASONS.items() if any(word in reason for word in words)), "other")


def training_lines(item: Any, result: Any, knowledge_version: str) -> Iterator[bytes]:
    """One JSON line per accepted or refused suggestion of a record, without identities.

    Args:
        item: the request as parsed from its line.
        result: the answer to it; lines of a record that could not be answered are left out.
        knowledge_version: version of the knowledge that the answer stands on.
    """
    if not isinstance(item, Mapping) or not (
        isinstance(result, Structure) or (isinstance(result, Mapping) and result.get("resourceType") == "Bundle")
    ):
        return
    record = Record.model_validate(item)
    features = _features(record, result if isinstance(result, Structure) else None)
    refused = {override.id for override in record.overridden}
    for accepted in record.accepted:
        if accepted.get("id") not in refused:
            yield _line(1, kind_of(accepted), _safe_id(accepted), None, features, knowledge_version)
    for override in record.overridden:
        kind = override.id.split(":", 1)[0] if ":" in override.id else "other"
        yield _line(0, kind, override.id, reason_code(override.reason), features, knowledge_version)


def _safe_id(item: Mapping[str, Any]) -> str | None:
    """The suggestion's id; a photograph's id is a file name and may name a person."""
    kind = kind_of(item)
    if kind == "fundus":
        return "fundus"
    if kind == "risk_grade":
        return f"instrument:{item.get('instrument')}"
    ident = item.get("id")
    return None if ident is None else str(ident)


def _line(label: int, kind: str, ident: str | None, reason: str | None, features: Mapping[str, Any], version: str) -> bytes:
    return orjson.dumps({"label": label, "kind": kind, "suggestion": ident, "reason": reason, "knowledge": version, **features}) + b"\n"


def _features(record: Record, structure: Structure | None) -> dict[str, Any]:
    years = None if record.patient.age is None else record.patient.age.years
    features: dict[str, Any] = {
        "sex": record.patient.sex,
        "age_band": None if years is None else _age_band(years),
        "facility": record.encounter.facility,
        "month": None if record.encounter.date is None else record.encounter.date.month,
    }
    if structure is not None:
        assertions: dict[str, list[str]] = {}
        for entity in structure.entities:
            if entity.concept is not None:
                assertions.setdefault(entity.assertion, []).append(f"{entity.concept.kind}:{entity.concept.id}")
        features["concepts"] = {name: sorted(set(ids)) for name, ids in sorted(assertions.items())}
        features["measurements"] = [
            {"name": m.name, "value": m.canonical_value, "context": m.context}
            for m in structure.measurements
            if m.canonical_value is not None
        ]
    return features


def _age_band(years: float) -> str:
    """Bands wide enough to say nothing of a person: under 1, 1–4, then fives, 85 and over together."""
    if years < 1:
        return "0"
    if years < 5:
        return "1-4"
    low = min(85, int(years // 5 * 5))
    return "85+" if low >= 85 else f"{low}-{low + 4}"
