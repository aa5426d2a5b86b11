"""Asthma Control Test (clinical_rules section 33)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, count


def compute(x: Inputs) -> Mapping[str, Column]:
    """25 full, 20 to 24 well, 16 to 19 not well, 15 and below very poor."""
    return {"control": bands(x.n("act"), (16, 20, 25), ("very_poor", "not_well", "well", "full"))}


INSTRUMENT = Instrument(
    name="asthma_act",
    title="哮喘控制测试（ACT）",
    edition="ACT",
    source="支气管哮喘防治指南",
    confidence="M",
    validity="12岁及以上",
    inputs=(count("act", "ACT得分", 25, low=5),),
    compute=compute,
    grade="control",
    value="act",
    unit="分",
    family="respiratory",
    says={
        "full": "完全控制。",
        "well": "控制良好。",
        "not_well": "控制不佳：查吸入方法与依从性，考虑升级。",
        "very_poor": "控制很差：升级治疗，评估转诊。",
    },
)
