"""CURB-65 (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, DBP, RR, SBP, UREA, Column, Inputs, Instrument, bands, points, whole
from knowledge_base.rules.pneumonia import CONFUSION, crb65_points


def compute(x: Inputs) -> Mapping[str, Column]:
    """Urea above 7 mmol/L adds one."""
    score = crb65_points(x) + points((1, x.n("urea") > 7))
    return {"score": whole(score), "band": bands(score, (2, 3), ("low", "intermediate", "high"))}


INSTRUMENT = Instrument(
    name="curb65",
    title="肺炎严重程度 CURB-65",
    edition="Lim 2003",
    source="Lim WS et al. Thorax 2003;58:377",
    confidence="H",
    validity="成人社区获得性肺炎；尿素单位mmol/L",
    inputs=(AGE, UREA, RR, SBP, DBP, CONFUSION),
    compute=compute,
    grade="band",
    value="score",
    unit="分",
    family="triage",
    says={
        "low": "{score}分：低危，可门诊治疗。",
        "intermediate": "{score}分：中危，建议住院或严密观察。",
        "high": "{score}分：重症，立即住院，评估ICU。",
    },
)
