"""The record: input of nearly everything."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from data_contracts.base import InputContract
from data_contracts.problems import CodedValueError

MAX_TEXT = 20_000
MAX_ITEMS = 200

SECTION_NAMES: tuple[str, ...] = (
    "chief_complaint",
    "present_illness",
    "past_history",
    "personal_history",
    "family_history",
    "allergy_history",
    "obstetric_history",
    "physical_exam",
    "auxiliary_exam",
    "treatment",
)

SECTION_KEYS: dict[str, str] = {
    **{name: name for name in SECTION_NAMES},
    "主诉": "chief_complaint",
    "现病史": "present_illness",
    "既往史": "past_history",
    "个人史": "personal_history",
    "家族史": "family_history",
    "过敏史": "allergy_history",
    "婚育史": "obstetric_history",
    "月经史": "obstetric_history",
    "体格检查": "physical_exam",
    "查体": "physical_exam",
    "专科检查": "physical_exam",
    "入院情况": "physical_exam",
    "辅助检查": "auxiliary_exam",
    "处理": "treatment",
}
DIAGNOSIS_KEYS: frozenset[str] = frozenset({"初步诊断", "诊断"})
AgeUnit = Literal["year", "month", "week", "day"]
_AGE_UNITS: dict[str, AgeUnit] = {"岁": "year", "月": "month", "周": "week", "天": "day", "日": "day"}
_AGE_DAYS: dict[str, float] = {"year": 365.25, "month": 30.4375, "week": 7.0, "day": 1.0}
_AGE_TEXT = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*岁\s*(?:零?\s*(\d+(?:\.\d+)?)\s*个?月)?\s*$")
_AGE_SINGLE = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(?:个)?\s*(岁|月|周|天|日)\s*(?:龄)?\s*$")


class Age(InputContract):
    """An age with its unit; fractions are allowed."""

    value: float = Field(ge=0, allow_inf_nan=False)
    unit: AgeUnit = "year"

    @property
    def days(self) -> float:
        """The age in days."""
        return self.value * _AGE_DAYS[self.unit]

    @property
    def years(self) -> float:
        """The age in years."""
        return self.value if self.unit == "year" else self.days / _AGE_DAYS["year"]

    @model_validator(mode="after")
    def _possible(self) -> Age:
        if self.years > 125:
            raise CodedValueError("implausible-value", "年龄超过 125 岁，请核对数值与单位。", "/patient/age")
        return self


def parse_age(text: str) -> Age | None:
    """Read `56岁`, `3岁2月`, `8个月`, `12天`, or a bare number of years; None where the text is no age."""
    match = _AGE_TEXT.match(text)
    if match:
        years = float(match[1])
        if match[2] is None:
            return Age(value=years, unit="year")
        return Age(value=years * 12 + float(match[2]), unit="month")
    match = _AGE_SINGLE.match(text)
    if match:
        return Age(value=float(match[1]), unit=_AGE_UNITS[match[2]])
    try:
        return Age(value=float(text), unit="year")
    except ValueError:
        return None


def _age_before(value: Any) -> Any:
    if isinstance(value, str):
        age = parse_age(value)
        if age is None:
            raise ValueError('年龄应写作 {"value": 56, "unit": "year"} 或 "3岁2月"')
        return age
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return {"value": value, "unit": "year"}
    return value


_SEXES = {
    "男": "male",
    "男性": "male",
    "M": "male",
    "m": "male",
    "女": "female",
    "女性": "female",
    "F": "female",
    "f": "female",
    "未知": "unknown",
    "": "unknown",
}


def _sex_before(value: Any) -> Any:
    return _SEXES.get(value, value) if isinstance(value, str) else value


class Patient(InputContract):
    """Who the record is about."""

    sex: Annotated[Literal["male", "female", "unknown"], BeforeValidator(_sex_before)] = "unknown"
    age: Annotated[Age | None, BeforeValidator(_age_before)] = None
    pregnancy_weeks: float | None = Field(default=None, ge=0, le=45, allow_inf_nan=False)
    pseudonym: str | None = Field(default=None, max_length=100)


class Encounter(InputContract):
    """Where and when the record was written."""

    date: dt.date | None = None
    facility: Literal["village", "township", "county"] | None = None
    department: str | None = Field(default=None, max_length=100)
    region: str | None = Field(default=None, max_length=100)
    site: str | None = Field(default=None, max_length=100)
    clinician: str | None = Field(default=None, max_length=100)


class GivenMeasurement(InputContract):
    """A measurement given as data beside the text."""

    name: str = Field(min_length=1, max_length=60)
    value: float = Field(allow_inf_nan=False)
    unit: str | None = Field(default=None, max_length=30)
    time: str | None = Field(default=None, max_length=60)


class GivenDiagnosis(InputContract):
    """A diagnosis that the doctor has entered."""

    name: str = Field(min_length=1, max_length=200)
    icd10: str | None = Field(default=None, max_length=30)


class GivenMedication(InputContract):
    """A medicine that the patient takes, or an order."""

    name: str = Field(min_length=1, max_length=100)
    dose: str | None = Field(default=None, max_length=60)
    frequency: str | None = Field(default=None, max_length=60)
    route: str | None = Field(default=None, max_length=60)


class Override(InputContract):
    """An answer's item that the doctor refused, with the reason."""

    id: str = Field(min_length=1, max_length=200)
    reason: str = Field(max_length=500)


class AnswerValue(InputContract):
    """A questionnaire item or instrument input: a value and its unit."""

    value: bool | float | str | None = None
    unit: str | None = Field(default=None, max_length=30)


class RecordBase(InputContract):
    """The parts of a record that do not depend on its text."""

    id: str = Field(min_length=1, max_length=200)
    patient: Patient = Patient()
    encounter: Encounter = Encounter()
    measurements: tuple[GivenMeasurement, ...] = Field(default=(), max_length=MAX_ITEMS)
    diagnoses: tuple[GivenDiagnosis, ...] = Field(default=(), max_length=MAX_ITEMS)
    medications: tuple[GivenMedication, ...] = Field(default=(), max_length=MAX_ITEMS)
    accepted: tuple[dict[str, Any], ...] = Field(default=(), max_length=MAX_ITEMS)
    overridden: tuple[Override, ...] = Field(default=(), max_length=MAX_ITEMS)

    @field_validator("id", mode="before")
    @classmethod
    def _id_text(cls, value: Any) -> Any:
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


class Record(RecordBase):
    """A record: exactly one of `text` and `sections`, all else but `id` optional."""

    text: str | None = None
    sections: dict[str, str] | None = None

    @model_validator(mode="before")
    @classmethod
    def _sections_by_name(cls, data: Any) -> Any:
        if not isinstance(data, dict) or not isinstance(data.get("sections"), dict):
            return data
        named: dict[str, Any] = {}
        diagnoses = list(data.get("diagnoses") or [])
        for key, value in data["sections"].items():
            if value is None or value == "":
                continue
            if key in DIAGNOSIS_KEYS:
                if not isinstance(value, str):
                    raise ValueError(f"sections/{key} 应为文字")
                diagnoses += [{"name": part} for part in split_diagnoses(value)]
                continue
            if key not in SECTION_KEYS:
                shown = str(key)[:30]
                raise CodedValueError(
                    "invalid-input",
                    f"sections：不认识的节名“{shown}”，可用：{'、'.join(k for k in SECTION_KEYS if k not in SECTION_NAMES)}。",
                    f"/sections/{shown}",
                )
            name = SECTION_KEYS[key]
            if name in named and isinstance(value, str) and isinstance(named[name], str):
                named[name] = named[name] + "\n" + value
            else:
                named[name] = value
        return {**data, "sections": named, "diagnoses": diagnoses}

    @model_validator(mode="after")
    def _one_text(self) -> Record:
        if self.text is not None and self.sections is not None:
            raise CodedValueError("invalid-input", "text 与 sections 只能给一个。", "/sections")
        if self.text is None and self.sections is None:
            raise CodedValueError("empty-record", "text 与 sections 都没有给，请填写其一。", "/text")
        size = len(self.text) if self.text is not None else sum(len(v) for v in (self.sections or {}).values())
        if size > MAX_TEXT:
            where = "/text" if self.text is not None else "/sections"
            raise CodedValueError("text-too-long", f"病历有 {size} 个字，最多 {MAX_TEXT} 个；请删去重复粘贴的内容，或分次提交。", where)
        content = self.text if self.text is not None else "".join((self.sections or {}).values())
        if any("\ud800" <= ch <= "\udfff" for ch in content):
            raise CodedValueError(
                "invalid-input", "病历含有不成对的代理码，请重新以 UTF-8 编码。", "/text" if self.text is not None else "/sections"
            )
        if not content.strip():
            raise CodedValueError("empty-record", "病历里没有文字，请填写主诉或现病史。", "/text" if self.text is not None else "/sections")
        return self


def split_diagnoses(text: str) -> list[str]:
    """Split the text of 初步诊断 into names: numbering, line ends, ；and 、 separate."""
    parts = re.split(r"[\n;；、]|(?:^|\s|(?<=\D))\d{1,2}[.．、)）](?!\d(?!型))", text)
    return [part.strip(" 。,，.:：？?") for part in parts if part and part.strip(" 。,，.:：？?")]
