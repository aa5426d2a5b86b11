"""HEART score (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE, Column, Inputs, Instrument, bands, choice, count, flag, number, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Five items of 0 to 2; known atherosclerosis counts as three risk factors."""
    factors, troponin = x.n("n_risk_factors"), x.n("troponin_xuln")
    risk = np.select([(factors >= 3) | x.yes("known_atherosclerosis"), factors >= 1], [2, 1], default=0)
    score = x.code("history") + x.code("ecg") + table(x.n("age_y"), (45, 65), (0, 1, 2)) + risk
    score = score + points((1, troponin > 1), (1, troponin > 3))
    return {"score": whole(score), "band": bands(score, (4, 7), ("low", "moderate", "high"))}


INSTRUMENT = Instrument(
    name="heart_score",
    title="胸痛HEART评分",
    edition="Six 2008",
    source="Six AJ et al. Neth Heart J 2008;16:191",
    confidence="H",
    validity="急性胸痛，需肌钙蛋白，村级不适用",
    inputs=(
        choice("history", "病史可疑程度", "slight", "moderate", "high", own=True),
        choice("ecg", "心电图", "normal", "nonspecific", "st_deviation", own=True),
        AGE,
        count("n_risk_factors", "冠心病危险因素个数", own=True),
        flag("known_atherosclerosis", "已知动脉粥样硬化性疾病"),
        number("troponin_xuln", "肌钙蛋白（正常上限的倍数）", "multiple", low=0, high=100000),
    ),
    compute=compute,
    grade="band",
    value="score",
    unit="分",
    family="triage",
    says={
        "low": "{score}分：低危，复查肌钙蛋白后可离院随访。",
        "moderate": "{score}分：中危，留观并转心内科评估。",
        "high": "{score}分：高危，立即转胸痛中心。",
    },
)
