"""FINDRISC (clinical_rules section 10)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE, BMI, SEX, WAIST, Column, Inputs, Instrument, bands, choice, flag, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 26. BMI 25 and 30, waist 94/80 and 102/88 belong to the middle row."""
    bmi, waist = x.n("bmi"), x.n("waist")
    low, high = np.where(x.male, 94, 80), np.where(x.male, 102, 88)
    score = table(x.n("age_y"), (45, 55, 65), (0, 2, 3, 4)) + points(
        (1, bmi >= 25),
        (2, bmi > 30),
        (3, waist >= low),
        (1, waist > high),
        (2, ~x.yes("active_30min")),
        (1, ~x.yes("daily_veg")),
        (2, x.yes("bp_drugs_ever")),
        (5, x.yes("high_glucose_ever")),
        (3, x.is_("family", "second_degree")),
        (5, x.is_("family", "first_degree")),
    )
    return {"score": whole(score), "band": bands(score, (7, 12, 15, 21), ("low", "slightly_elevated", "moderate", "high", "very_high"))}


INSTRUMENT = Instrument(
    name="findrisc",
    title="FINDRISC 糖尿病风险评分",
    edition="Lindstrom 2003, IDF bands",
    source="Lindström J, Tuomilehto J. Diabetes Care 2003;26:725",
    confidence="H",
    validity="未诊断糖尿病的成人；腰围、BMI切点为欧洲标准",
    inputs=(
        AGE,
        SEX,
        BMI,
        WAIST,
        flag("active_30min", "每天活动30分钟以上"),
        flag("daily_veg", "每天吃蔬菜水果"),
        flag("bp_drugs_ever", "曾用降压药"),
        flag("high_glucose_ever", "曾查出血糖高"),
        choice("family", "家族糖尿病", "none", "second_degree", "first_degree", own=True),
    ),
    compute=compute,
    grade="band",
    value="score",
    unit="分",
    keys=("age_y", "sex", "bmi", "waist", "family"),
    says={
        "low": "{score}分：10年内患糖尿病的可能约1%。",
        "slightly_elevated": "{score}分：10年内患糖尿病的可能约4%。",
        "moderate": "{score}分：10年内患糖尿病的可能约17%，建议查血糖。",
        "high": "{score}分：10年内患糖尿病的可能约33%，应查空腹血糖或糖耐量。",
        "very_high": "{score}分：10年内患糖尿病的可能约50%，应查空腹血糖或糖耐量。",
    },
)
