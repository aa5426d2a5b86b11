"""OSTA osteoporosis index (clinical_rules section 36)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, WEIGHT, Column, Inputs, Instrument, half_up, pick, real


def compute(x: Inputs) -> Mapping[str, Column]:
    """The index is rounded to one decimal before it is classed: -1 is medium, -4 still medium."""
    index = half_up((x.n("weight") - x.n("age_y")) * 0.2, 1)
    return {"index": real(index, 1), "risk": pick(("low", "medium", "high"), (index > -1, "low"), (index >= -4, "medium"), default="high")}


INSTRUMENT = Instrument(
    name="osta",
    title="骨质疏松风险（OSTA）",
    edition="Koh 2001",
    source="Koh LK et al. Osteoporos Int 2001;12:699",
    confidence="H",
    validity="绝经后亚洲女性",
    inputs=(AGE, WEIGHT),
    compute=compute,
    grade="risk",
    value="index",
    family="elderly",
    keys=("age_y", "weight", "postmenopausal"),
    says={"low": "骨质疏松风险低。", "medium": "骨质疏松中等风险：建议测骨密度。", "high": "骨质疏松高风险：建议测骨密度并防跌倒。"},
)
