"""GOLD groups A, B, E (clinical_rules section 16)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.copd import CAT, MMRC
from knowledge_base.rules.instrument import Column, Inputs, Instrument, count, pick


def compute(x: Inputs) -> Mapping[str, Column]:
    """Exacerbations decide first: two moderate or one in hospital in twelve months."""
    exacerbating = (x.n("moderate_exacerbations") >= 2) | (x.n("hospital_exacerbations") >= 1)
    return {"group": pick(("A", "B", "E"), (exacerbating, "E"), ((x.n("mmrc") >= 2) | (x.n("cat") >= 10), "B"), default="A")}


INSTRUMENT = Instrument(
    name="gold_abe",
    title="慢阻肺综合评估（ABE）",
    edition="GOLD 2023+",
    source="GOLD 2023及以后版本",
    confidence="H",
    inputs=(
        count("moderate_exacerbations", "近12个月中度急性加重次数"),
        count("hospital_exacerbations", "近12个月因急性加重住院次数"),
        MMRC,
        CAT,
    ),
    compute=compute,
    grade="group",
    family="respiratory",
    says={
        "A": "A组：症状少、加重少，用一种支气管扩张剂。",
        "B": "B组：症状多、加重少，优先双支气管扩张剂。",
        "E": "E组：急性加重多，双支气管扩张剂；嗜酸粒细胞≥300可加吸入激素。",
    },
)
