"""China Diabetes Risk Score (clinical_rules section 9)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE, BMI, SBP, SEX, WAIST, Bools, Column, Inputs, Instrument, flag, points, table, truth, whole

AGE_CUTS, AGE_POINTS = (25, 35, 40, 45, 50, 55, 60, 65), (0, 4, 8, 11, 12, 13, 15, 16, 18)
SBP_CUTS, SBP_POINTS = (110, 120, 130, 140, 150, 160), (0, 1, 3, 6, 7, 8, 10)
WAIST_POINTS = (0, 3, 5, 7, 8, 10)
MEN_WAIST, WOMEN_WAIST = (75, 80, 85, 90, 95), (70, 75, 80, 85, 90)
BMI_CUTS, BMI_POINTS = (22, 24, 30), (0, 1, 3, 5)
CUT = 25


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 51; 25 or more advises a glucose tolerance test."""
    waist = np.where(x.male, table(x.n("waist"), MEN_WAIST, WAIST_POINTS), table(x.n("waist"), WOMEN_WAIST, WAIST_POINTS))
    score = table(x.n("age_y"), AGE_CUTS, AGE_POINTS) + table(x.n("sbp"), SBP_CUTS, SBP_POINTS) + waist
    score = score + table(x.n("bmi"), BMI_CUTS, BMI_POINTS) + points((6, x.yes("fh_dm")), (2, x.male))
    return {"score": whole(score), "ogtt_advised": truth(score >= CUT)}


def outside(x: Inputs) -> Bools:
    """20 to 74 years."""
    return (x.n("age_y") < 20) | (x.n("age_y") >= 75)


INSTRUMENT = Instrument(
    name="cds_risk_score",
    title="中国糖尿病风险评分",
    edition="CDS 2013/2020 appendix",
    source="Zhou XH et al. Diabetes Care 2013;36:3944；中国2型糖尿病防治指南（2020年版）附录",
    confidence="H",
    validity="20–74岁、未诊断糖尿病者",
    inputs=(AGE, SEX, BMI, WAIST, SBP, flag("fh_dm", "父母、兄弟姐妹或子女有糖尿病")),
    compute=compute,
    outside=outside,
    grade="ogtt_advised",
    value="score",
    unit="分",
    keys=("age_y", "sex", "sbp", "bmi", "no_diabetes"),
    says={True: "{score}分（≥25）：糖尿病高风险，建议做口服葡萄糖耐量试验。", False: "{score}分（<25）：目前糖尿病风险不高，每年复评。"},
)
