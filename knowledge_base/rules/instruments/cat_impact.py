"""CAT impact levels (clinical_rules section 16)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.copd import CAT
from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, truth


def compute(x: Inputs) -> Mapping[str, Column]:
    """Ten counts as low, as in the Chinese guideline (the English user guide says medium); the group cut is ten or more."""
    cat = x.n("cat")
    return {"impact": bands(cat, (11, 21, 31), ("low", "medium", "high", "very_high")), "more_symptoms": truth(cat >= 10)}


INSTRUMENT = Instrument(
    name="cat_impact",
    title="慢阻肺评估测试（CAT）",
    edition="CAT user guide",
    source="CAT user guide；慢性阻塞性肺疾病基层诊疗指南",
    confidence="M",
    inputs=(CAT,),
    compute=compute,
    grade="impact",
    value="cat",
    unit="分",
    family="respiratory",
    says={"low": "对生活影响轻。", "medium": "对生活影响中等。", "high": "对生活影响大。", "very_high": "对生活影响很大。"},
)
