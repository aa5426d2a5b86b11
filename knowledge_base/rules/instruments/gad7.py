"""GAD-7 (clinical_rules section 23)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, count, truth


def compute(x: Inputs) -> Mapping[str, Column]:
    """Cuts 5, 10, 15; the screen is positive from 10."""
    total = x.n("total")
    return {"severity": bands(total, (5, 10, 15), ("minimal", "mild", "moderate", "severe")), "screen_positive": truth(total >= 10)}


INSTRUMENT = Instrument(
    name="gad7",
    title="焦虑筛查（GAD-7）",
    edition="Spitzer 2006",
    source="Spitzer RL et al. Arch Intern Med 2006;166:1092",
    confidence="H",
    inputs=(count("total", "GAD-7总分", 21, own=True),),
    compute=compute,
    grade="severity",
    value="total",
    unit="分",
    family="mood",
    says={
        "minimal": "基本没有焦虑症状。",
        "mild": "轻度焦虑症状：观察，2周后复评。",
        "moderate": "中度焦虑症状：建议进一步评估。",
        "severe": "重度焦虑症状：建议精神科就诊。",
    },
)
