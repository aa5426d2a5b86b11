"""AD8 informant interview (clinical_rules section 23)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, count, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Two or more changes of eight are positive."""
    return {"score": whole(x.n("ad8")), "positive": truth(x.n("ad8") >= 2)}


INSTRUMENT = Instrument(
    name="ad8",
    title="早期痴呆筛查（AD8）",
    edition="Galvin 2005",
    source="Galvin JE et al. Neurology 2005;65:559",
    confidence="M",
    validity="由知情者回答",
    inputs=(count("ad8", "AD8得分", 8),),
    compute=compute,
    grade="positive",
    value="score",
    unit="分",
    family="elderly",
    says={True: "{score}分（≥2）：有认知改变，建议进一步认知评估。", False: "{score}分（<2）：未提示认知改变。"},
)
