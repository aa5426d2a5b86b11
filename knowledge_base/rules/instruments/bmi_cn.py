"""Adult BMI by Chinese cut-offs (clinical_rules section 20)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, HEIGHT, WEIGHT, Bools, Column, Inputs, Instrument, bands, half_up, real


def compute(x: Inputs) -> Mapping[str, Column]:
    """BMI is rounded to one decimal before it is classed, as the standard says; obesity degrees of 2024 are recalled."""
    height = x.n("height") / 100
    bmi = half_up(x.n("weight") / (height * height), 1)
    return {
        "bmi": real(bmi, 1),
        "class": bands(bmi, (18.5, 24, 28), ("underweight", "normal", "overweight", "obese")),
        "degree_2024": bands(bmi, (28, 32.5, 37.5, 50), ("none", "mild", "moderate", "severe", "extreme")),
    }


def outside(x: Inputs) -> Bools:
    """Adults only."""
    return x.n("age_y") < 18


def doubts(x: Inputs, out: Mapping[str, Column]) -> Bools:
    """The degrees of obesity are recalled only."""
    return out["bmi"].data >= 28


INSTRUMENT = Instrument(
    name="bmi_cn",
    title="体质指数（中国成人）",
    edition="WS/T 428-2013",
    source="WS/T 428—2013 成人体重判定",
    confidence="H",
    doubts=doubts,
    validity="18岁及以上、非妊娠；65岁以上适宜范围约20.0–26.9",
    inputs=(AGE, HEIGHT, WEIGHT),
    compute=compute,
    outside=outside,
    outside_says="未满18岁用学龄儿童标准（WS/T 586—2018）。",
    grade="class",
    value="bmi",
    unit="kg/m2",
    says={
        "underweight": "BMI {bmi:.1f}：体重过低，查找原因，加强营养。",
        "normal": "BMI {bmi:.1f}：体重正常。",
        "overweight": "BMI {bmi:.1f}：超重，建议减重5%以上。",
        "obese": "BMI {bmi:.1f}：肥胖，建议减重5%–10%并筛查并发症。",
    },
)
