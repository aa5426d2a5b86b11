"""The record: what is accepted, what is refused and how it is said."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from data_contracts.export import main as export
from data_contracts.problems import CATALOGUE, TYPE_PREFIX, problem, problem_from_validation
from data_contracts.record import Record, parse_age, split_diagnoses


def refused(data: object) -> tuple[str, str]:
    with pytest.raises(ValidationError) as caught:
        Record.model_validate(data)
    found = problem_from_validation(caught.value)
    return found.type.removeprefix(TYPE_PREFIX), found.detail


@pytest.mark.parametrize(
    ("text", "days"),
    [("56岁", 56 * 365.25), ("3岁2月", 38 * 30.4375), ("8个月", 8 * 30.4375), ("12天", 12.0), ("2周", 14.0), ("0.5", 0.5 * 365.25)],
)
def test_ages_as_written(text: str, days: float) -> None:
    age = parse_age(text)
    assert age is not None
    assert age.days == pytest.approx(days)


def test_chinese_sex_age_and_section_names() -> None:
    record = Record.model_validate(
        {"id": "a", "patient": {"sex": "女", "age": "3岁2月"}, "sections": {"主诉": "咳嗽", "查体": "T38", "初步诊断": "1.肺炎 2.贫血"}}
    )
    assert record.patient.sex == "female"
    assert record.sections == {"chief_complaint": "咳嗽", "physical_exam": "T38"}
    assert [d.name for d in record.diagnoses] == ["肺炎", "贫血"]


def test_null_equals_absent() -> None:
    record = Record.model_validate({"id": "a", "text": "咳嗽", "patient": None, "encounter": {"date": None}, "measurements": None})
    assert record.patient.sex == "unknown"


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [
        ({"id": "a"}, "empty-record", "text"),
        ({"id": "a", "text": "  \n"}, "empty-record", "没有文字"),
        ({"id": "a", "text": "x", "sections": {"主诉": "y"}}, "invalid-input", "只能给一个"),
        ({"id": "a", "text": 5}, "invalid-input", "应为文字"),
        ({"id": "a", "text": "咳" * 20_001}, "text-too-long", "20001"),
        ({"id": "a", "text": "x", "colour": 1}, "invalid-input", "不认识的字段"),
        ({"id": "a", "sections": {"脉象": "弦"}}, "invalid-input", "脉象"),
        ({"id": "a", "text": "x", "patient": {"age": {"value": 200, "unit": "year"}}}, "implausible-value", "125"),
        ({"id": "a", "text": "x", "patient": {"age": -1}}, "invalid-input", "不能小于 0"),
        ({"id": "a", "text": "x", "patient": {"sex": "abc"}}, "invalid-input", "之一"),
        ({"id": "a", "text": "\ud800"}, "invalid-input", "代理码"),
        ({"text": "x"}, "invalid-input", "缺少必填字段"),
    ],
)
def test_refusals_say_what_and_how(data: object, code: str, said: str) -> None:
    found, detail = refused(data)
    assert found == code
    assert said in detail


def test_refusals_never_repeat_the_record() -> None:
    _, detail = refused({"id": "a", "text": ["张三 13800000000"]})
    assert "张三" not in detail


def test_catalogue_codes_build_problems() -> None:
    for code, kind in CATALOGUE.items():
        assert problem(code).status == kind.status


def test_diagnoses_split() -> None:
    assert split_diagnoses("1.高血压病3级 很高危；2.2型糖尿病") == ["高血压病3级 很高危", "2型糖尿病"]


def test_exported_schemas_are_current() -> None:
    assert export(["--check"]) == 0
