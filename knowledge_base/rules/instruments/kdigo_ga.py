"""KDIGO heat map (clinical_rules section 15)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import ACR, EGFR, Column, Inputs, Instrument
from knowledge_base.rules.kidney import category

A_LABELS = ("A1", "A2", "A3")
RISKS = ("low", "moderate", "high", "very_high")
HEAT = np.array([[3, 3, 3], [3, 3, 3], [2, 3, 3], [1, 2, 3], [0, 1, 2], [0, 1, 2]], dtype=np.int8)
"""Rows G5, G4, G3b, G3a, G2, G1; columns A1, A2, A3."""


def compute(x: Inputs) -> Mapping[str, Column]:
    """30 and 300 mg/g both belong to A2."""
    acr = x.n("acr")
    g = category(x.n("egfr"))
    a = np.select([acr > 300, acr >= 30], [2, 1], default=0).astype(np.int8)
    return {"G": g, "A": Column("label", a, A_LABELS), "risk": Column("label", HEAT[np.minimum(g.data, 5), a], RISKS)}


INSTRUMENT = Instrument(
    name="kdigo_ga",
    title="慢性肾脏病分期与风险（KDIGO）",
    edition="KDIGO 2012/2024",
    source="KDIGO 2012、2024 慢性肾脏病指南",
    confidence="H",
    validity="异常持续3个月以上才诊断慢性肾脏病；尿白蛋白3–6个月内3次中2次异常",
    inputs=(EGFR, ACR),
    compute=compute,
    grade="risk",
    value="G",
    keys=("egfr", "acr"),
    says={
        "low": "{G}{A}：风险低，无其他肾损害证据时不算肾病，每年复查。",
        "moderate": "{G}{A}：风险中度升高，每年复查，控制血压血糖。",
        "high": "{G}{A}：风险高，每年至少查2次，评估是否用普利/沙坦与列净类药物。",
        "very_high": "{G}{A}：风险很高，每年至少查3次，建议肾内科就诊。",
    },
)
