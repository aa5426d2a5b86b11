"""The structured record, its fields and quality, FHIR, feedback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fhir.resources.R4B.bundle import Bundle

from data_contracts.record import Record
from data_contracts.structure import Structure
from inference.reading.feedback import kind_of, reason_code, training_lines
from inference.reading.fhir import fhir_bundle
from inference.reading.reader import Reader
from inference.reading.structure import shares_words, structure_of
from knowledge_base.compiled import KnowledgeBase

RECORD: dict[str, Any] = {
    "id": "r-1",
    "patient": {"sex": "male", "age": {"value": 61, "unit": "year"}, "pseudonym": "pseudo-77"},
    "encounter": {"date": "2026-03-01", "clinician": "医生甲", "facility": "township"},
    "sections": {
        "主诉": "胸痛2小时",
        "现病史": "2小时前胸痛，无呼吸困难，肺炎？",
        "既往史": "高血压10年。父亲冠心病。",
        "体格检查": "BP 18.7/12kPa，P 96次/分，血糖7.0-7.9mmol/L，肌钙蛋白<0.01ng/mL，尿蛋白(+)，Hb 13",
        "初步诊断": "胸痛待查",
    },
    "accepted": [
        {"id": "diagnosis:pneumonia", "disease": "pneumonia", "name": "肺炎", "icd10": "J18.9", "probability": 0.6},
        {"instrument": "bp_grade", "edition": "2024", "value": 2, "grade": "2级", "interpretation": "2级高血压"},
        {"id": "张三.png", "gradable": True, "grade": 2, "referable": True, "advice": {"message": "转眼科", "rescreen_months": 3}},
        {"kind": "next_visit", "date": "2026-04-01"},
        {"id": "diagnosis:refused", "disease": "refused", "name": "不要的", "icd10": "Z00"},
    ],
    "overridden": [{"id": "diagnosis:refused", "reason": "张三不像，已排除"}],
}


@pytest.fixture(scope="module")
def record() -> Record:
    return Record.model_validate(RECORD)


@pytest.fixture(scope="module")
def structure(reader: Reader, knowledge: KnowledgeBase, record: Record) -> Structure:
    return structure_of(reader.read([record])[0], knowledge)


def test_codes_and_assertion(structure: Structure) -> None:
    found = {(e.span.section, e.span.text): e for e in structure.entities}
    assert found["past_history", "高血压"].codes[0].code == "I10"
    assert found["past_history", "冠心病"].assertion == "family"
    assert found["present_illness", "肺炎"].assertion == "possible"
    assert found["present_illness", "呼吸困难"].assertion == "absent"


def test_fields(structure: Structure) -> None:
    assert list(structure.fields) == ["chief_complaint", "present_illness", "past_history", "physical_exam", "diagnosis"]
    assert structure.fields["past_history"]["diseases"] == ["高血压病"]
    assert structure.fields["physical_exam"]["vital_signs"]["systolic_bp"]["value"] == pytest.approx(140.26, abs=0.1)
    assert structure.fields["diagnosis"]["items"] == [{"name": "胸痛待查", "icd10": None}]


def test_a_chief_complaint_is_composed_from_free_text(reader: Reader, knowledge: KnowledgeBase) -> None:
    reading = reader.read([Record.model_validate({"id": "a", "text": "发热、咳嗽3天，无胸痛。"})])[0]
    assert structure_of(reading, knowledge).fields["chief_complaint"]["text"] == "发热、咳嗽3天"


def test_quality_examples(reader: Reader, knowledge: KnowledgeBase) -> None:
    for row in knowledge.lexicon["quality"]["items"]:
        for kind, wanted in (("fires", True), ("must_not_fire", False)):
            for text in row[kind]:
                reading = reader.read([Record.model_validate({"id": "q", "text": text})])[0]
                items = {item.item: item for item in structure_of(reading, knowledge).quality.items}
                assert row["item"] in items, f"{row['id']}: not due in {text}"
                assert items[row["item"]].present is wanted, f"{row['id']}: {text}"
                assert (items[row["item"]].hint is None) is wanted


def test_quality_score_rises_with_content(reader: Reader, knowledge: KnowledgeBase) -> None:
    def score(text: str) -> float:
        return structure_of(reader.read([Record.model_validate({"id": "q", "text": text})])[0], knowledge).quality.score

    assert score("咳嗽") < score("咳嗽3天，无发热") < score("男，30岁，咳嗽3天，无发热。T36.5℃，P80次/分，BP120/80mmHg，否认药物过敏史。")


def test_fhir_is_valid_r4(record: Record, structure: Structure, knowledge: KnowledgeBase) -> None:
    codes = {row["id"]: (row["loinc"], row["label"], row["ucum"]) for row in knowledge.tables["measurements"]["analytes"]}
    bundle = fhir_bundle(record, structure, codes)
    Bundle.model_validate(json.loads(json.dumps(bundle)))
    kinds = [entry["resource"]["resourceType"] for entry in bundle["entry"]]
    assert {"Patient", "Condition", "Observation", "RiskAssessment", "DiagnosticReport", "Provenance", "FamilyMemberHistory"} <= set(kinds)
    assert kinds.count("Provenance") == 4
    resources = [entry["resource"] for entry in bundle["entry"]]
    status = {r["code"]["text"]: r["verificationStatus"]["coding"][0]["code"] for r in resources if r["resourceType"] == "Condition"}
    assert status["呼吸困难"] == "refuted"
    assert status["高血压病"] == "confirmed"
    pressure = next(r for r in resources if r["resourceType"] == "Observation" and r["code"]["coding"][0]["code"] == "8480-6")
    assert pressure["valueQuantity"]["code"] == "mm[Hg]"
    assert fhir_bundle(record, structure, codes) == bundle


def test_what_was_refused_stays_out(structure: Structure) -> None:
    assert [item["kind"] for item in structure.accepted] == ["diagnosis", "risk_grade", "fundus", "next_visit"]
    assert structure.accepted[0]["provenance"]["accepted_by"] == "医生甲"


def test_training_lines_carry_no_identity(structure: Structure) -> None:
    lines = [json.loads(line) for line in training_lines(RECORD, structure, "k1")]
    assert [line["label"] for line in lines] == [1, 1, 1, 1, 0]
    assert lines[-1]["reason"] == "excluded"
    written = json.dumps(lines, ensure_ascii=False)
    for secret in ("张三", "r-1", "pseudo-77", "医生甲", "胸痛2小时", "2026-03-01"):
        assert secret not in written


@pytest.mark.parametrize(
    ("item", "kind"),
    [
        ({"instrument": "x"}, "risk_grade"),
        ({"gradable": True}, "fundus"),
        ({"what": "查血", "kind": "test"}, "next_step"),
        ({"urgency": "today"}, "red_flag"),
        ({}, "other"),
    ],
)
def test_kinds_of_accepted_items(item: dict[str, Any], kind: str) -> None:
    assert kind_of(item) == kind


def test_reasons_become_codes() -> None:
    assert reason_code("患者既往已诊断") == "already_known"
    assert reason_code("随便") == "other"


def test_provenance_names_what_made_an_item(reader: Reader, knowledge: KnowledgeBase) -> None:
    """An accepted item without its own provenance came from the bundle that answers now, a grade from its instrument."""
    items = [
        {"id": "diagnosis:pneumonia", "disease": "pneumonia", "probability": 0.6},
        {"id": "grade:x", "instrument": "x", "edition": "2024", "value": 1},
        {"id": "m", "kind": "missed", "severity": "warning", "disease": None, "message": "请排除", "source": "rule:r1"},
    ]
    record = Record.model_validate({"id": "a", "text": "咳嗽3天", "accepted": items})
    made = structure_of(reader.read([record])[0], knowledge, bundles={"ranker": "1.2.0"}).accepted
    assert [(item["provenance"]["bundle"], item["provenance"]["rule"]) for item in made] == [
        ("ranker:1.2.0", None),
        (None, "x:2024"),
        (None, "r1"),
    ]


@pytest.mark.parametrize(
    ("text", "name", "probability", "fits"),
    [
        ("膜性肾病Ⅱ期", "2型糖尿病", 0.9, False),
        ("左腘静脉血栓", "下肢静脉曲张", 0.5, False),
        ("右胫骨骨折", "胫骨骨折", 0.5, True),
        ("冠心病支架术后", "冠心病", 0.85, True),
    ],
)
def test_a_code_says_what_the_mention_says(text: str, name: str, probability: float, fits: bool) -> None:
    assert shares_words(text, name, probability) is fits
