"""A graded resident as a FHIR R4 bundle: RiskAssessment for the risks, CarePlan for the plan."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

from data_contracts.grade import GradeRequest, InstrumentResult, ResidentGrades
from knowledge_base.rules import instruments

RISKS = (
    "china_par_10y",
    "china_par_lifetime",
    "htn_risk_strata",
    "stroke_high_risk_8",
    "cds_risk_score",
    "findrisc",
    "cha2ds2_va",
    "cha2ds2_vasc",
    "kdigo_ga",
    "hyperglycaemia",
    "lipid_strata_2023",
)
OUTCOMES = {
    "china_par_10y": ("10年内心肌梗死、冠心病死亡或脑卒中", 10),
    "china_par_lifetime": ("至85岁心肌梗死、冠心病死亡或脑卒中", None),
    "hyperglycaemia": ("空腹血糖≥7.0 mmol/L", None),
}
SYSTEM = "urn:xinglin:instrument"
GENDERS = {"male": "male", "female": "female", "unknown": "unknown"}


def _safe(ident: str) -> str:
    return re.sub(r"[^A-Za-z0-9\-.]", "-", ident)[:40] or "r"


def _risk(result: InstrumentResult, subject: dict[str, str], when: str | None, number: int) -> dict[str, Any]:
    title = instruments()[result.instrument].title if result.instrument in instruments() else "高血糖可能性（学习评分）"
    outcome, years = OUTCOMES.get(result.instrument, (title, None))
    prediction: dict[str, Any] = {
        "outcome": {"text": outcome},
        "qualitativeRisk": {"coding": [{"system": SYSTEM, "code": str(result.grade)}], "text": str(result.grade)},
        "rationale": result.interpretation,
    }
    if result.instrument in OUTCOMES and result.value is not None:
        prediction["probabilityDecimal"] = float(result.value) / 100
    if years is not None:
        prediction["whenRange"] = {"low": {"value": 0, "unit": "年"}, "high": {"value": years, "unit": "年"}}
    resource: dict[str, Any] = {
        "resourceType": "RiskAssessment",
        "id": f"risk-{number}",
        "status": "preliminary" if result.unconfirmed else "final",
        "method": {
            "coding": [{"system": SYSTEM, "code": result.instrument, "version": result.version, "display": title}],
            "text": result.edition or title,
        },
        "subject": subject,
        "prediction": [prediction],
        "note": [{"text": f"依据：{result.source}"}],
    }
    if when is not None:
        resource["occurrenceDateTime"] = when
    return resource


def _activities(plan: dict[str, Any], start: dt.date | None) -> list[dict[str, Any]]:
    def detail(kind: str, words: str, status: str = "not-started") -> dict[str, Any]:
        return {"detail": {"kind": kind, "status": status, "description": words}}

    activities = [detail("Task", f"{entry['topic']}：{entry['say']}") for entry in plan["advice"]]
    activities += [detail("ServiceRequest", f"{entry['test']}（{entry['months']}个月内）") for entry in plan["tests_due"]]
    activities += [detail("ServiceRequest", f"{entry['say']}（{entry['id']}）") for entry in plan["referral"]]
    activities += [detail("CommunicationRequest", entry["say"]) for entry in plan["medicines_to_discuss"]]
    activities += [detail("ServiceRequest", f"{entry['vaccine']}：{entry['say']}") for entry in plan["vaccination"]]
    visit = detail("Appointment", plan["next_visit"]["say"])
    if plan["next_visit"]["date"] is not None:
        visit["detail"]["scheduledPeriod"] = {"end": plan["next_visit"]["date"], **({"start": start.isoformat()} if start else {})}
    return [*activities, visit]


def fhir_bundle(request: GradeRequest, answer: ResidentGrades) -> dict[str, Any]:
    """A collection bundle: Patient, RiskAssessments, Goals, CarePlan."""
    ident = _safe(answer.id)
    patient = {
        "resourceType": "Patient",
        "id": ident,
        "identifier": [{"system": "urn:xinglin:record", "value": answer.id}],
        "gender": GENDERS[request.patient.sex],
    }
    subject = {"reference": f"urn:xinglin:patient:{ident}"}
    when = None if request.encounter.date is None else request.encounter.date.isoformat()
    risks = [
        _risk(result, subject, when, number)
        for number, result in enumerate((r for r in answer.results if r.instrument in RISKS and r.grade is not None), start=1)
    ]
    plan = answer.plan
    goals = [
        {
            "resourceType": "Goal",
            "id": f"goal-{goal['quantity']}",
            "lifecycleStatus": "proposed",
            "description": {"text": f"{goal['label']} {goal['text']}"},
            "subject": subject,
            "note": [{"text": f"依据：{goal['source']}" + ("（待核对）" if goal["unconfirmed"] else "")}],
        }
        for goal in plan["goals"]
    ]
    care = {
        "resourceType": "CarePlan",
        "id": "plan",
        "status": "draft",
        "intent": "proposal",
        "title": f"慢病管理计划：{plan['level']['name']}",
        "description": plan["next_visit"]["say"],
        "subject": subject,
        "goal": [{"reference": f"urn:xinglin:goal:{goal['id']}"} for goal in goals],
        "activity": _activities(plan, request.encounter.date),
        "note": [
            {"text": f"{conflict['quantity']}：采用{conflict['chosen']['source']}，{conflict['because']}。"}
            for conflict in plan["conflicts"]
        ],
    }
    if when is not None:
        care["created"] = when
    if not care["note"]:
        del care["note"]
    if not care["goal"]:
        del care["goal"]
    entries = [("patient", patient), *(("risk", risk) for risk in risks), *(("goal", goal) for goal in goals), ("care-plan", care)]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": f"urn:xinglin:{kind}:{resource['id']}", "resource": resource} for kind, resource in entries],
    }
