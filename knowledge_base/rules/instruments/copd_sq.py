"""COPD-SQ (clinical_rules section 17)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import (
    AGE,
    BMI,
    PACK_YEARS,
    Bools,
    Column,
    Inputs,
    Instrument,
    choice,
    flag,
    points,
    table,
    truth,
    whole,
)

CUT = 16


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 28; 16 or more: spirometry."""
    score = table(x.n("age_y"), (50, 60, 70), (0, 3, 7, 10)) + table(x.n("pack_years"), (15, 30), (0, 1, 2))
    score = score + table(x.n("bmi"), (18.5, 24, 28), (7, 4, 1, 0))
    score = score + points(
        (3, x.yes("cough")),
        (2, x.is_("dyspnoea", "hurry_or_slope")),
        (3, x.is_("dyspnoea", "level_walk")),
        (1, x.yes("biomass")),
        (2, x.yes("fh_resp")),
    )
    return {"score": whole(score), "high": truth(score >= CUT)}


def outside(x: Inputs) -> Bools:
    """From 40 years."""
    return x.n("age_y") < 40


INSTRUMENT = Instrument(
    name="copd_sq",
    title="慢阻肺筛查问卷（COPD-SQ）",
    edition="Zhou 2013 / CN primary-care guideline 2018",
    source="Zhou YM et al. 2013；慢性阻塞性肺疾病基层诊疗指南（2018年）",
    confidence="M",
    validity="40岁及以上",
    inputs=(
        AGE,
        PACK_YEARS,
        BMI,
        flag("cough", "没感冒也咳嗽"),
        choice("dyspnoea", "气短", "none", "hurry_or_slope", "level_walk"),
        flag("biomass", "用煤炭或柴草做饭取暖"),
        flag("fh_resp", "父母、兄弟姐妹、子女有哮喘、慢支、肺气肿或慢阻肺"),
    ),
    compute=compute,
    outside=outside,
    grade="high",
    value="score",
    unit="分",
    family="respiratory",
    keys=("age_y", "dyspnoea"),
    says={True: "{score}分（≥16）：慢阻肺可能性大，建议做肺功能。", False: "{score}分（<16）：目前不提示慢阻肺。"},
)
