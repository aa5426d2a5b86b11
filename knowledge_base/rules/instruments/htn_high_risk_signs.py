"""Six signs of a high risk of hypertension (clinical_rules section 30)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE, BMI, DBP, SBP, SEX, WAIST, Column, Inputs, Instrument, flag, number, points, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Any sign: pressure every six months."""
    sbp, dbp = x.n("sbp"), x.n("dbp")
    wide = (x.n("bmi") >= 24) | np.where(x.male, x.n("waist") >= 90, x.n("waist") >= 85)
    high_normal = (((sbp >= 130) & (sbp < 140)) | ((dbp >= 85) & (dbp < 90))) & (sbp < 140) & (dbp < 90)
    n = points(
        (1, high_normal),
        (1, wide),
        (1, x.yes("fh_htn")),
        (1, x.n("spirit_ml_per_day") >= 100),
        (1, x.n("age_y") >= 55),
        (1, x.yes("salty_diet")),
    )
    return {"n": whole(n), "high_risk": truth(n >= 1), "interval_months": whole(np.where(n >= 1, 6, 12))}


INSTRUMENT = Instrument(
    name="htn_high_risk_signs",
    title="高血压高危人群筛查",
    edition="National basic PH service standard 3rd ed. 2017",
    source="国家基本公共卫生服务规范（第三版，2017）",
    confidence="M",
    validity="35岁及以上、未诊断高血压者",
    inputs=(
        AGE,
        SEX,
        SBP,
        DBP,
        BMI,
        WAIST,
        flag("fh_htn", "一、二级亲属高血压"),
        number("spirit_ml_per_day", "每天白酒量（毫升）", "volume", low=0, high=3000),
        flag("salty_diet", "口味咸"),
    ),
    compute=compute,
    grade="high_risk",
    value="n",
    unit="项",
    says={True: "有{n}项高危因素：至少每半年测一次血压，接受生活方式指导。", False: "没有高危因素：每年至少测一次血压。"},
)
