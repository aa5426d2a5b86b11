"""PHQ-9 (clinical_rules section 23)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, count, truth


def compute(x: Inputs) -> Mapping[str, Column]:
    """Any answer but "not at all" to item 9 asks about suicide, whatever the total."""
    total = x.n("total")
    return {
        "severity": bands(total, (5, 10, 15, 20), ("minimal", "mild", "moderate", "moderately_severe", "severe")),
        "screen_positive": truth(total >= 10),
        "suicide_alert": truth(x.n("item9") >= 1),
    }


INSTRUMENT = Instrument(
    name="phq9",
    title="抑郁筛查（PHQ-9）",
    edition="Kroenke 2001",
    source="Kroenke K et al. J Gen Intern Med 2001;16:606",
    confidence="H",
    validity="缺2题以上不算总分；第9题≥1分必须询问自杀想法",
    inputs=(count("total", "PHQ-9总分", 27, own=True), count("item9", "第9题（自伤想法）得分", 3, own=True)),
    compute=compute,
    grade="severity",
    value="total",
    unit="分",
    family="mood",
    says={
        "minimal": "基本没有抑郁症状。",
        "mild": "轻度抑郁症状：观察，2周后复评。",
        "moderate": "中度抑郁症状：建议精神科或心理门诊评估。",
        "moderately_severe": "中重度抑郁症状：建议精神科就诊。",
        "severe": "重度抑郁症状：尽快精神科就诊，评估自杀风险。",
    },
)
