"""NEWS2 (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import (
    HR,
    RR,
    SBP,
    SPO2,
    TEMP,
    Column,
    Inputs,
    Instrument,
    choice,
    flag,
    half_up,
    pick,
    table,
    truth,
    whole,
)


def compute(x: Inputs) -> Mapping[str, Column]:
    """Seven items; scale 2 (target 88-92 %) gives no points for a high saturation on room air."""
    spo2, oxygen = x.n("spo2"), x.yes("oxygen")
    scale1 = table(spo2, (92, 94, 96), (3, 2, 1, 0))
    low2 = table(spo2, (84, 86, 88), (3, 2, 1, 0))
    scale2 = np.where(oxygen, low2 + table(spo2, (93, 95, 97), (0, 1, 2, 3)), low2)
    temp = half_up(x.n("temp"), 1)
    items = (
        table(x.n("rr"), (9, 12, 21, 25), (3, 1, 0, 2, 3)),
        np.where(x.yes("scale2"), scale2, scale1),
        2 * oxygen.astype(np.int64),
        table(np.ceil(x.n("sbp")), (91, 101, 111, 220), (3, 2, 1, 0, 3)),
        table(np.ceil(x.n("hr")), (41, 51, 91, 111, 131), (3, 1, 0, 1, 2, 3)),
        3 * (~x.is_("acvpu", "A")).astype(np.int64),
        table(temp, (35.05, 36.05, 38.05, 39.05), (3, 1, 0, 1, 2)),
    )
    score = items[0] + items[1] + items[2] + items[3] + items[4] + items[5] + items[6]
    any_three = (items[0] == 3) | (items[1] == 3) | (items[3] == 3) | (items[4] == 3) | (items[5] == 3) | (items[6] == 3)
    risk = pick(
        ("low", "low_medium", "medium", "high"), (score >= 7, "high"), (score >= 5, "medium"), (any_three, "low_medium"), default="low"
    )
    return {"score": whole(score), "any_three": truth(any_three), "risk": risk}


INSTRUMENT = Instrument(
    name="news2",
    title="国家早期预警评分（NEWS2）",
    edition="RCP 2017",
    source="Royal College of Physicians 2017",
    confidence="H",
    validity="16岁及以上、非妊娠",
    inputs=(
        RR,
        SPO2,
        flag("scale2", "用量表2（目标血氧88–92%）"),
        flag("oxygen", "正在吸氧"),
        SBP,
        HR,
        choice("acvpu", "意识（A清醒 C新发意识模糊 V对声音 P对疼痛 U无反应）", "A", "C", "V", "P", "U"),
        TEMP,
    ),
    compute=compute,
    grade="risk",
    value="score",
    unit="分",
    family="triage",
    says={
        "low": "{score}分：低危，常规观察。",
        "low_medium": "{score}分，有单项3分：中低危，医生尽快评估。",
        "medium": "{score}分：中危，1小时内评估，准备转诊。",
        "high": "{score}分：高危，紧急处理并转诊。",
    },
)
