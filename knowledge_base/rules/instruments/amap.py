"""aMAP liver cancer score (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE, ALB, PLT, SEX, TBIL, Column, Inputs, Instrument, pick, real


def compute(x: Inputs) -> Mapping[str, Column]:
    """Score about 0 to 100 from age, sex, bilirubin (umol/L), albumin (g/L), platelets (10^9/L)."""
    albi = 0.66 * np.log10(x.n("tbil")) - 0.085 * x.n("alb")
    score = (0.06 * x.n("age_y") + 0.89 * x.male + 0.48 * albi - 0.01 * x.n("plt") + 7.4) / 14.77 * 100
    return {"amap": real(score, 1), "risk": pick(("low", "medium", "high"), (score > 60, "high"), (score >= 50, "medium"), default="low")}


INSTRUMENT = Instrument(
    name="amap",
    title="肝癌风险评分（aMAP）",
    edition="Fan 2020",
    source="Fan R et al. J Hepatol 2020;73:1368",
    confidence="M",
    validity="慢性肝病患者",
    inputs=(AGE, SEX, TBIL, ALB, PLT),
    compute=compute,
    grade="risk",
    value="amap",
    unit="分",
    family="cancer",
    keys=("chronic_liver_disease", "plt", "alb"),
    says={
        "low": "{amap:.0f}分（<50）：肝癌低风险。",
        "medium": "{amap:.0f}分（50–60）：肝癌中风险，每6个月超声和甲胎蛋白。",
        "high": "{amap:.0f}分（>60）：肝癌高风险，每3–6个月超声和甲胎蛋白。",
    },
)
