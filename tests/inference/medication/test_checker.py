"""What the checker works out for itself: kidney function, breast-feeding, combinations, the gravest warning of a pair."""

from __future__ import annotations

from typing import Any

import pytest

from data_contracts.prescription import PrescriptionCheck
from data_contracts.record import Record
from inference.medication.checker import PrescriptionChecker
from inference.medication.kidney import with_egfr
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase
from knowledge_base.conditions import Facts


@pytest.fixture(scope="module")
def check(kb: KnowledgeBase, rule_reader: Reader) -> Any:
    checker = PrescriptionChecker(kb)

    def answer(text: str, *orders: str) -> PrescriptionCheck:
        medications = [dict(zip(("name", "dose", "frequency", "route"), order.split(), strict=False)) for order in orders]
        return checker.check(rule_reader.read([Record.model_validate({"id": "c", "text": text, "medications": medications})])[0])

    return answer


def kinds(answer: PrescriptionCheck, severity: str | None = None) -> set[str]:
    return {w.kind for w in answer.warnings if severity is None or w.severity == severity}


def test_creatinine_stands_for_an_egfr(check: Any) -> None:
    assert "renal" in kinds(check("女，75岁，2型糖尿病，肌酐210μmol/L", "二甲双胍 0.5g bid"), "serious")
    assert "renal" not in kinds(check("女，45岁，2型糖尿病，肌酐70μmol/L", "二甲双胍 0.5g bid"))


def test_a_written_egfr_is_kept() -> None:
    facts = Facts(sex="male", age_days=60 * 365.25, measurements={"egfr": (80.0,), "creatinine": (300.0,)})
    assert with_egfr(facts) is facts


def test_a_fed_baby_is_not_a_feeding_mother(check: Any) -> None:
    assert "lactation" in kinds(check("女，29岁，母乳喂养，白带增多", "甲硝唑 0.4g bid"))
    assert "lactation" not in kinds(check("患儿，女，5月，母乳喂养，腹泻", "甲硝唑 50mg tid"))


def test_a_combination_brings_the_rules_of_what_it_contains(check: Any) -> None:
    assert "contraindication" in kinds(check("男，58岁，痛风病史5年，BP 160/95mmHg", "厄贝沙坦氢氯噻嗪片 1片 qd"))
    assert "duplicate" in kinds(check("男，58岁，BP 160/95mmHg", "厄贝沙坦氢氯噻嗪片 1片 qd", "氢氯噻嗪 12.5mg qd"))


def test_two_medicines_that_prolong_qt(check: Any) -> None:
    assert "interaction" in kinds(check("女，66岁，抑郁", "西酞普兰 20mg qd", "氟康唑 0.15g qd"), "caution")


def test_the_gravest_warning_of_a_pair_is_kept(check: Any) -> None:
    answer = check("男，60岁，慢阻肺", "氨茶碱 0.1g tid", "环丙沙星 0.5g bid")
    assert [w.severity for w in answer.warnings if w.kind == "interaction"] == ["serious"]


def test_rules_that_do_not_hold_for_one_of_a_class(check: Any) -> None:
    assert "pregnancy" not in kinds(check("女，30岁，孕20周，系统性红斑狼疮", "羟氯喹 0.2g bid"))
    assert "pregnancy" in kinds(check("女，30岁，孕20周，类风湿", "来氟米特 10mg qd"), "serious")


def test_an_antidote_dose_is_no_error(check: Any) -> None:
    assert "dose" not in kinds(check("男，40岁，有机磷农药中毒，口吐白沫", "阿托品 5mg st iv"))
    assert "dose" in kinds(check("男，40岁，腹痛", "阿托品 5mg st im"), "serious")


def test_unknown_names_are_said_not_guessed(check: Any) -> None:
    answer = check("男，40岁，咳嗽", "神奇止咳灵 1片 tid")
    assert answer.unrecognised == ("神奇止咳灵",) and not answer.warnings


def test_ids_are_stable(check: Any) -> None:
    first, second = (check("男，25岁，青霉素过敏", "阿莫西林 0.5g tid") for _ in range(2))
    assert [w.id for w in first.warnings] == [w.id for w in second.warnings] != []


def test_ways_that_a_medicine_must_not_be_given(check: Any) -> None:
    assert "contraindication" in kinds(check("男，40岁，血钾3.0mmol/L", "氯化钾 1g st 静推"), "serious")
    assert "contraindication" not in kinds(check("男，40岁，血钾3.0mmol/L", "氯化钾 1g qd 静滴"))
    assert "contraindication" in kinds(check("女，30岁，梅毒", "苄星青霉素 240万U qw iv"), "serious")
    assert "contraindication" not in kinds(check("女，30岁，梅毒", "苄星青霉素 240万U qw im"))
