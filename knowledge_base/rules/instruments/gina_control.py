"""Asthma control by GINA (clinical_rules section 33)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, flag, points, whole

ITEMS = ("day_symptoms_gt2wk", "night_waking", "reliever_gt2wk", "activity_limited")


def compute(x: Inputs) -> Mapping[str, Column]:
    """None: well controlled; one or two: partly; more: uncontrolled."""
    n = points(*((1, x.yes(name)) for name in ITEMS))
    return {"n": whole(n), "control": bands(n, (1, 3), ("well", "partly", "uncontrolled"))}


INSTRUMENT = Instrument(
    name="gina_control",
    title="哮喘控制水平（GINA）",
    edition="GINA 2019+",
    source="GINA 2019及以后版本",
    confidence="M",
    validity="6岁及以上，近4周",
    inputs=(
        flag("day_symptoms_gt2wk", "日间症状每周超过2次"),
        flag("night_waking", "因哮喘夜醒"),
        flag("reliever_gt2wk", "每周用缓解药超过2次"),
        flag("activity_limited", "活动受限"),
    ),
    compute=compute,
    grade="control",
    value="n",
    unit="项",
    family="respiratory",
    says={
        "well": "哮喘控制良好，维持或降级治疗。",
        "partly": "哮喘部分控制：查吸入方法与依从性，考虑升级。",
        "uncontrolled": "哮喘未控制：升级治疗，评估转诊。",
    },
)
