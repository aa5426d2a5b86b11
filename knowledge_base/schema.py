"""The schema of the content files, as clinicians write them. A bare number is an estimate; `{p, source}` is sourced."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Level = Literal["village", "township", "county"]
Urgency = Literal["immediate", "today", "soon"]
Identifier = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=80)]
Icd10 = Annotated[str, Field(pattern=r"^[A-Z]\d{2}(\.[0-9xX]+)?([+*].*)?$")]

DEPARTMENTS: dict[str, str] = {
    "respiratory": "呼吸内科",
    "cardiology": "心血管内科",
    "gastroenterology": "消化内科",
    "general_surgery": "普外科",
    "endocrinology": "内分泌科",
    "nephrology": "肾内科",
    "urology": "泌尿外科",
    "neurology": "神经内科",
    "neurosurgery": "神经外科",
    "orthopaedics": "骨科",
    "rheumatology": "风湿免疫科",
    "dermatology": "皮肤科",
    "ent": "耳鼻喉科",
    "ophthalmology": "眼科",
    "dentistry": "口腔科",
    "gynaecology": "妇科",
    "obstetrics": "产科",
    "paediatrics": "儿科",
    "neonatology": "新生儿科",
    "infectious": "感染科",
    "psychiatry": "精神心理科",
    "haematology": "血液科",
    "oncology": "肿瘤科",
    "emergency": "急诊科",
    "geriatrics": "老年科",
    "thoracic_surgery": "胸外科",
}


class Content(BaseModel):
    """Strict base of content models."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def _estimate(value: Any) -> Any:
    return {"p": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


def _figure(value: Any) -> Any:
    return {"value": value} if isinstance(value, (int, float)) and not isinstance(value, bool) else value


class Probability(Content):
    """A probability; without a source it is an estimate."""

    p: float = Field(gt=0, le=1)
    source: str | None = None
    note: str | None = None
    estimate: bool | None = None


class Figure(Content):
    """A likelihood or odds ratio; without a source it is an estimate."""

    value: float = Field(gt=0)
    source: str | None = None
    note: str | None = None
    estimate: bool | None = None


class Population(Content):
    """Who can have it."""

    sex: Literal["any", "male", "female"] = "any"
    age_years: tuple[float, float] = (0, 120)
    pregnancy: Literal["any", "only", "never"] = "any"


class Prior(Content):
    """Visits per 100,000 in primary care, with multipliers by age band, month range, exposure (finding id)."""

    base: float = Field(gt=0)
    by_age: dict[str, float] = Field(default_factory=dict)
    by_season: dict[str, float] = Field(default_factory=dict)
    by_exposure: dict[str, float] = Field(default_factory=dict)
    source: str | None = None

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("base"), dict):
            return {**data, "base": data["base"]["value"]}
        return data


class Onset(Content):
    """How long it has usually lasted at the first visit, and its course."""

    days: tuple[float, float] | None = None
    hours: tuple[float, float] | None = None
    course: Literal["acute", "subacute", "chronic", "recurrent", "congenital"] = "acute"


class Notifiable(Content):
    """Class and time limit of a notifiable disease."""

    class_: Literal["甲", "乙", "丙", "other"] = Field(alias="class")
    hours: float


class RedFlagRule(Content):
    """A rule that needs action: condition, message, urgency, examples, source."""

    id: Identifier
    when: str
    urgency: Urgency
    message: str
    fires: tuple[str, ...] = Field(min_length=1)
    must_not_fire: tuple[str, ...] = Field(min_length=1)
    source: str
    enabled: bool = True


class Test(Content):
    """A test, the level where it is available, and why it is done."""

    test: str
    level: Level
    why: str


class Referral(Content):
    """When, how fast and where to refer."""

    when: str
    urgency: Literal["immediate", "today", "soon", "routine"]
    to: str


class Source(Content):
    """A source that can be found again."""

    id: Identifier
    title: str
    year: int | None = None
    section: str | None = None


class ReviewState(Content):
    """Whether a second reader has checked the entry, and against what."""

    state: Literal["drafted", "reviewed", "disputed"] = "drafted"
    against: str | None = None


class DiseaseEntry(Content):
    """A complete disease entry."""

    id: Identifier
    name: str
    aliases: tuple[str, ...] = ()
    icd10: tuple[Icd10, ...] = Field(min_length=1)
    covers: tuple[Annotated[str, Field(pattern=r"^[A-Z]\d{2}$")], ...] = ()
    department: str
    lowest_level: Level
    must_not_miss: bool
    notifiable: Notifiable | None = None
    population: Population
    prior: Prior
    onset: Onset
    findings: dict[str, Annotated[Probability, BeforeValidator(_estimate)]] = Field(min_length=2)
    against: dict[str, Annotated[Figure, BeforeValidator(_figure)]] = Field(default_factory=dict)
    risk_factors: dict[str, Annotated[Figure, BeforeValidator(_figure)]] = Field(default_factory=dict)
    red_flags: tuple[RedFlagRule, ...] = ()
    atypical: tuple[str, ...] = ()
    differential: dict[str, str]
    tests: tuple[Test, ...]
    management: dict[Level, str]
    referral: tuple[Referral, ...]
    follow_up: str
    advice: str
    sources: tuple[Source, ...]
    review: ReviewState = ReviewState()

    @model_validator(mode="before")
    @classmethod
    def _nothing_is_empty(cls, data: Any) -> Any:
        if isinstance(data, dict):
            return {key: value for key, value in data.items() if value is not None}
        return data


class Limit(Content):
    """A row of limits: the finding is present where the value lies above or below it.

    `context` is when it was taken (fasting, postprandial_2h, …), `untold` where the record must not say; none where that does not matter.
    """

    above: float | None = None
    below: float | None = None
    sex: Literal["male", "female"] | None = None
    age_years: tuple[float, float] | None = None
    pregnant: bool | None = None
    context: str | None = None


class MeasuredBy(Content):
    """The measurement that decides a finding."""

    name: str
    limits: tuple[Limit, ...] = Field(min_length=1)


class FindingEntry(Content):
    """A symptom, sign, test result, history or exposure."""

    id: Identifier
    name: str
    aliases: tuple[str, ...] = ()
    kind: Literal["symptom", "sign", "laboratory", "imaging", "history", "exposure"]
    question: str | None = None
    parents: tuple[Identifier, ...] = ()
    opposites: tuple[Identifier, ...] = ()
    background: float = Field(gt=0, lt=1)
    measurement: MeasuredBy | None = None
    together: tuple[tuple[tuple[str, ...], ...], ...] = ()
    """Patterns: one word of every group within one sentence tells the finding (`[[[胸骨后, 胸口], [压榨, 紧缩]]]`)."""

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, data: Any) -> Any:
        if isinstance(data, dict):
            kept = {key: value for key, value in data.items() if value is not None}
            if isinstance(kept.get("background"), dict):
                kept["background"] = kept["background"]["value"]
            return kept
        return data
