"""Follow-up class of severe mental illness (clinical_rules section 32)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Column, Inputs, Instrument, count, flag, pick, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Danger level 3 to 5 or an acute state: unstable; 1 to 2 or symptoms: partly stable."""
    level = x.n("danger_level")
    unstable = (level >= 3) | x.yes("acute")
    partly = (level >= 1) | x.yes("symptoms")
    group = pick(("stable", "partly_stable", "unstable"), (unstable, "unstable"), (partly, "partly_stable"), default="stable")
    return {"class": group, "followup_days": whole(np.select([unstable, partly], [14, 14], default=90))}


INSTRUMENT = Instrument(
    name="severe_mental_followup",
    title="严重精神障碍患者随访分类",
    edition="National basic PH service standard 3rd ed. 2017",
    source="国家基本公共卫生服务规范（第三版，2017）",
    confidence="M",
    validity="危险性：0无 1口头威胁 2在家打砸 3任何场合打砸、劝不住 4伤人 5持械或纵火等",
    inputs=(
        count("danger_level", "危险性评估", 5),
        flag("acute", "急性药物反应或严重躯体病"),
        flag("symptoms", "精神症状、自知力或社会功能较差"),
    ),
    compute=compute,
    grade="class",
    value="followup_days",
    unit="day",
    family="follow_up",
    says={
        "stable": "病情稳定：3个月随访。",
        "partly_stable": "病情基本稳定：调整后2周随访，好转后每月一次。",
        "unstable": "病情不稳定：对症处理，立即转诊，2周内随访。",
    },
)
