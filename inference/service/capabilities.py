"""The capabilities as routes: path, contracts, and the engine's method that answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel

from data_contracts.coding import CodeAnswer, CodeRequest
from data_contracts.diagnosis import DiagnoseRequest, Diagnosis
from data_contracts.grade import GradeRequest, ResidentGrades
from data_contracts.prescription import PrescriptionCheck
from data_contracts.record import Record
from data_contracts.review import Review
from data_contracts.screen import ScreenRequest, ScreenResult
from data_contracts.structure import Structure
from inference.engine import Engine
from inference.service.answers import HTML

FHIR = "application/fhir+json"


@dataclass(frozen=True, slots=True)
class Capability:
    """A POST route of the house's table."""

    path: str
    name: str
    tag: str
    summary: str
    request: type[BaseModel]
    answer: type[BaseModel]
    call: Callable[[Engine, Sequence[Any]], Sequence[Any]]
    example: dict[str, Any]
    image: bool = False
    forms: Mapping[str, Callable[[Engine, Sequence[Any]], Sequence[Any]]] = field(default_factory=dict)
    """Other media types that `Accept` may ask for, and the method that answers in each."""


_CHEST = {
    "id": "r-001",
    "patient": {"sex": "male", "age": {"value": 61, "unit": "year"}},
    "text": "主诉：胸痛2小时。现病史：2小时前活动后胸骨后压榨样痛，向左肩放射，大汗。既往高血压10年。BP 178/106mmHg，P 96次/分。",
}


def _screen(engine: Engine, items: Sequence[Any]) -> Sequence[Any]:
    from inference.fundus.requests import screen_requests

    return screen_requests(engine.screener, items)


CAPABILITIES: tuple[Capability, ...] = (
    Capability(
        "/v1/diagnose",
        "diagnose",
        "diagnosis",
        "鉴别诊断：排序、依据、红旗、下一步",
        DiagnoseRequest,
        Diagnosis,
        lambda e, i: e.diagnose(i),
        _CHEST,
    ),
    Capability(
        "/v1/structure",
        "structure",
        "record",
        "病历结构化（Accept: application/fhir+json 得 FHIR R4）",
        Record,
        Structure,
        lambda e, i: e.structure(i),
        _CHEST,
        forms={FHIR: lambda e, i: e.structure_fhir(i)},
    ),
    Capability(
        "/v1/code",
        "code",
        "record",
        "诊断或手术名称编码",
        CodeRequest,
        CodeAnswer,
        lambda e, i: e.code(i),
        {"id": "a", "text": "2型糖尿病伴周围神经病变、高血压3级 很高危", "system": "icd10"},
    ),
    Capability(
        "/v1/review",
        "review",
        "diagnosis",
        "漏诊、存疑、红旗与病历不完整的提示",
        Record,
        Review,
        lambda e, i: e.review(i),
        {**_CHEST, "diagnoses": [{"name": "慢性胃炎"}]},
    ),
    Capability(
        "/v1/risk/grade",
        "grade",
        "risk",
        "慢病分级与居民计划（Accept: application/fhir+json 得 FHIR R4，text/html 得居民报告）",
        GradeRequest,
        ResidentGrades,
        lambda e, i: e.grade(i),
        {
            "id": "r",
            "patient": {"sex": "female", "age": {"value": 66, "unit": "year"}},
            "measurements": [{"name": "systolic_bp", "value": 168, "unit": "mmHg"}, {"name": "diastolic_bp", "value": 96, "unit": "mmHg"}],
            "diagnoses": [{"name": "高血压病"}],
        },
        forms={FHIR: lambda e, i: e.grade_fhir(i), HTML: lambda e, i: e.grade_pages(i)},
    ),
    Capability(
        "/v1/risk/follow-up",
        "follow-up",
        "risk",
        "慢病随访分类",
        GradeRequest,
        ResidentGrades,
        lambda e, i: e.follow_up(i),
        {
            "id": "r",
            "patient": {"sex": "female", "age": {"value": 66, "unit": "year"}},
            "measurements": [{"name": "systolic_bp", "value": 168, "unit": "mmHg"}, {"name": "diastolic_bp", "value": 96, "unit": "mmHg"}],
            "diagnoses": [{"name": "高血压病"}],
        },
    ),
    Capability(
        "/v1/medication/check",
        "check",
        "medication",
        "处方核对",
        Record,
        PrescriptionCheck,
        lambda e, i: e.check_prescriptions(i),
        {**_CHEST, "medications": [{"name": "阿莫西林", "dose": "0.5g", "frequency": "tid", "route": "po"}]},
    ),
    Capability(
        "/v1/fundus/screen",
        "screen",
        "fundus",
        "眼底照片筛查（研究用）",
        ScreenRequest,
        ScreenResult,
        _screen,
        {"id": "left.jpg", "image": "<base64>"},
        image=True,
    ),
)
