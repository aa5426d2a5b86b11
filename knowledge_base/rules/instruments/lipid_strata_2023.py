"""Lipid risk strata and LDL-C goals (clinical_rules section 6)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import (
    AGE,
    BMI,
    DBP,
    HDL,
    LDL,
    SBP,
    SEX,
    TC,
    Column,
    Inputs,
    Instrument,
    count,
    flag,
    pick,
    points,
    real,
    truth,
)

LABELS = ("low", "medium", "high", "very_high", "ultra_high")
LOW, MEDIUM, HIGH = 0, 1, 2
NO_HYPERTENSION = np.array([[LOW, LOW, LOW], [LOW, LOW, LOW], [LOW, LOW, MEDIUM], [LOW, MEDIUM, MEDIUM]])
HYPERTENSION = np.array([[LOW, LOW, LOW], [LOW, MEDIUM, MEDIUM], [MEDIUM, HIGH, HIGH], [HIGH, HIGH, HIGH]])
"""Rows: 0-3 factors of smoking, low HDL-C, age; columns: the higher of TC and LDL-C. Below the first column the table is
silent [L]; the first column is read."""


def compute(x: Inputs) -> Mapping[str, Column]:
    """Stratum, LDL-C goal (mmol/L), and whether LDL-C should also fall by half."""
    age, tc, ldl, hdl = x.n("age_y"), x.n("tc"), x.n("ldl"), x.n("hdl")
    diabetes, ascvd = x.yes("diabetes"), x.yes("ascvd")
    factors = points((1, x.yes("smoker")), (1, hdl < 1.0), (1, np.where(x.male, age >= 45, age >= 55)))
    column = np.maximum(np.searchsorted([4.1, 5.2], tc, side="right"), np.searchsorted([2.6, 3.4], ldl, side="right"))
    cell = np.where(x.yes("hypertension"), HYPERTENSION[factors, column], NO_HYPERTENSION[factors, column])
    lifetime = (
        points(
            (1, (x.n("sbp") >= 160) | (x.n("dbp") >= 100)),
            (1, tc - hdl >= 5.2),
            (1, hdl < 1.0),
            (1, x.n("bmi") >= 28),
            (1, x.yes("smoker")),
        )
        >= 2
    )
    at_once = (ldl >= 4.9) | (tc >= 7.2) | (diabetes & (age >= 40)) | x.yes("ckd3_4")
    severe = x.n("n_severe_events")
    ultra = (severe >= 2) | ((severe >= 1) & (x.n("n_high_risk_features") >= 2))
    raised = (cell == MEDIUM) & (age < 55) & lifetime
    stratum = pick(
        LABELS,
        (ascvd & ultra, "ultra_high"),
        (ascvd, "very_high"),
        (at_once | (cell == HIGH) | raised, "high"),
        (cell == MEDIUM, "medium"),
        default="low",
    )
    code = stratum.data
    goal = np.select(
        [code == 4, (code == 3) & diabetes, code == 3, (code == 2) & diabetes, code >= 1, diabetes],
        [1.4, 1.4, 1.8, 1.8, 2.6, 2.6],
        default=3.4,
    )
    non_hdl = np.select([goal == 1.4, goal == 1.8, goal == 2.6], [2.2, 2.6, 3.4], default=4.2)
    return {
        "stratum": stratum,
        "ldl_goal": real(goal, 1),
        "reduce_50pct": truth(ascvd),
        "non_hdl_goal": real(non_hdl, 1),
        "at_goal": truth(ldl < goal),
        "lifetime_high": truth((cell == MEDIUM) & ~at_once & ~ascvd & (age < 55) & lifetime),
    }


INSTRUMENT = Instrument(
    name="lipid_strata_2023",
    title="血脂危险分层与目标",
    edition="CN lipid guideline 2023",
    source="中国血脂管理指南（2023年）；基层版（2024年）",
    confidence="H",
    inputs=(
        AGE,
        SEX,
        TC,
        LDL,
        HDL,
        SBP,
        DBP,
        BMI,
        flag("smoker", "现在吸烟"),
        flag("hypertension", "高血压"),
        flag("diabetes", "糖尿病"),
        flag("ckd3_4", "慢性肾脏病3–4期"),
        flag("ascvd", "动脉粥样硬化性心血管病（心梗、缺血性卒中、外周动脉病等）"),
        count("n_severe_events", "严重ASCVD事件次数"),
        count("n_high_risk_features", "高危险因素个数（仅ASCVD患者计）"),
    ),
    compute=compute,
    grade="stratum",
    value="ldl_goal",
    unit="mmol/L",
    keys=("age_y", "sex", "tc", "ldl"),
    says={
        "low": "血脂管理低危：LDL-C目标<{ldl_goal:.1f} mmol/L。",
        "medium": "血脂管理中危：LDL-C目标<{ldl_goal:.1f} mmol/L。",
        "high": "血脂管理高危：LDL-C目标<{ldl_goal:.1f} mmol/L，生活方式之外通常需要他汀。",
        "very_high": "血脂管理极高危：LDL-C目标<{ldl_goal:.1f} mmol/L且较基线降低50%以上。",
        "ultra_high": "血脂管理超高危：LDL-C目标<{ldl_goal:.1f} mmol/L且较基线降低50%以上，常需联合用药。",
    },
)
