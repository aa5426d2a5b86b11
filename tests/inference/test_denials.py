"""What a record denies is no finding, whatever longer name the words of denial run into."""

from __future__ import annotations

import pytest

from data_contracts.record import Record
from inference.facts import facts_of
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("没有糖尿病病史", "diabetes_history"),
        ("没有糖尿病，吃饭好", "diabetes_history"),
        ("否认近期手术", "recent_surgery"),
        ("否认近期感冒", "respiratory_infection_recent"),
        ("没有意识障碍", "impaired_consciousness"),
        ("没有呼吸困难", "dyspnoea"),
        ("没有尿痛", "dysuria"),
        ("没有胎动减少", "decreased_fetal_movement"),
        ("不恶心呕吐，不发热", "vomiting"),
        ("不心慌晕倒", "syncope"),
        ("没起风团", "wheals"),
        ("平时不吃抗凝药", "anticoagulant_use"),
        ("不吃阿司匹林", "antiplatelet_use"),
    ],
)
def test_denied(rule_reader: Reader, kb: KnowledgeBase, text: str, finding: str) -> None:
    facts = facts_of(rule_reader.read([Record.model_validate({"id": "a", "patient": {}, "text": text})])[0], kb).facts
    assert finding in facts.absent
    assert not facts.present


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        ("老人摔倒后没有意识", "impaired_consciousness"),
        ("从昨晚到现在没有尿", "anuria"),
        ("孕36周，没有胎动一天", "decreased_fetal_movement"),
        ("走几步就没有力气", "fatigue"),
        ("近期手术后发热", "recent_surgery"),
        ("患者有糖尿病好多年", "diabetes_history"),
        ("不恶心呕吐3天", "vomiting"),
        ("不发热，头痛", "headache"),
        ("宝宝不吃呕吐", "vomiting"),
    ],
)
def test_a_lack_that_is_itself_the_finding(rule_reader: Reader, kb: KnowledgeBase, text: str, finding: str) -> None:
    assert finding in facts_of(rule_reader.read([Record.model_validate({"id": "a", "patient": {}, "text": text})])[0], kb).facts.present


@pytest.mark.parametrize(
    ("text", "finding"),
    [("血钾 待回报，乏力", "hyperkalaemia"), ("胸痛2小时，TnI 1.4", "elevated_troponin"), ("没劲，Hb 13", "anaemia")],
)
def test_a_measurement_without_a_usable_number_denies_nothing(rule_reader: Reader, kb: KnowledgeBase, text: str, finding: str) -> None:
    facts = facts_of(rule_reader.read([Record.model_validate({"id": "a", "patient": {}, "text": text})])[0], kb).facts
    assert finding not in facts.absent


def test_a_measurement_with_a_normal_number_denies_its_finding(rule_reader: Reader, kb: KnowledgeBase) -> None:
    record = Record.model_validate({"id": "a", "patient": {}, "text": "乏力，血钾 4.2mmol/L"})
    assert {"hyperkalaemia", "hypokalaemia"} <= facts_of(rule_reader.read([record])[0], kb).facts.absent


@pytest.mark.parametrize(
    ("text", "present"),
    [
        ("体检发现血糖8.9，没得啥不舒服，爸爸有糖尿病", True),
        ("查血糖7.5mmol/L", True),
        ("体检空腹血糖8.9mmol/L", False),
        ("餐后2小时血糖8.9", False),
        ("血糖5.6mmol/L", False),
        ("随机血糖13.2", False),
    ],
)
def test_a_glucose_of_untold_time_counts_as_what_it_is(rule_reader: Reader, kb: KnowledgeBase, text: str, present: bool) -> None:
    facts = facts_of(rule_reader.read([Record(id="a", text=text)])[0], kb).facts
    assert ("raised_glucose_of_untold_time" in facts.present) is present
