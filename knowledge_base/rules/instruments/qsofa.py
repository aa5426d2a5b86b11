"""qSOFA (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import RR, SBP, Column, Inputs, Instrument, flag, points, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Two or more of three."""
    score = points((1, x.n("rr") >= 22), (1, x.n("sbp") <= 100), (1, x.yes("altered_mentation")))
    return {"score": whole(score), "positive": truth(score >= 2)}


INSTRUMENT = Instrument(
    name="qsofa",
    title="脓毒症快速评估（qSOFA）",
    edition="Sepsis-3 2016",
    source="Singer M et al. JAMA 2016;315:801",
    confidence="H",
    validity="疑似感染的成人；不单独用于排除脓毒症",
    inputs=(RR, SBP, flag("altered_mentation", "意识改变")),
    compute=compute,
    grade="positive",
    value="score",
    unit="分",
    family="triage",
    says={True: "{score}分（≥2）：疑脓毒症且预后不良风险高，立即处理并转诊。", False: "{score}分（<2）：不能单独排除脓毒症，继续观察。"},
)
