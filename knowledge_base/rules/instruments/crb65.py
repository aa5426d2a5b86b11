"""CRB-65 (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, DBP, RR, SBP, Column, Inputs, Instrument, bands, whole
from knowledge_base.rules.pneumonia import CONFUSION, crb65_points


def compute(x: Inputs) -> Mapping[str, Column]:
    """CURB-65 without urea: for places without a laboratory."""
    score = crb65_points(x)
    return {"score": whole(score), "band": bands(score, (1, 3), ("low", "intermediate", "high"))}


INSTRUMENT = Instrument(
    name="crb65",
    title="肺炎严重程度 CRB-65",
    edition="Lim 2003",
    source="Lim WS et al. Thorax 2003;58:377",
    confidence="M",
    validity="成人社区获得性肺炎，无化验条件时",
    inputs=(AGE, RR, SBP, DBP, CONFUSION),
    compute=compute,
    grade="band",
    value="score",
    unit="分",
    family="triage",
    says={"low": "{score}分：低危，可在家治疗。", "intermediate": "{score}分：中危，考虑转诊评估。", "high": "{score}分：重症，紧急转院。"},
)
