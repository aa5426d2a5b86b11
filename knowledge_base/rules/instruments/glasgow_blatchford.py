"""Glasgow-Blatchford score (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import HB, HR, SBP, SEX, UREA, Column, Inputs, Instrument, flag, points, table, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 23; 0 or 1 is very low risk."""
    hb = x.n("hb")
    blood = np.where(x.male, table(hb, (100, 120, 130), (6, 3, 1, 0)), table(hb, (100, 120), (6, 1, 0)))
    score = table(x.n("urea"), (6.5, 8, 10, 25), (0, 2, 3, 4, 6)) + blood + table(x.n("sbp"), (90, 100, 110), (3, 2, 1, 0))
    score = score + points(
        (1, x.n("hr") >= 100), (1, x.yes("melaena")), (2, x.yes("syncope")), (2, x.yes("liver_disease")), (2, x.yes("heart_failure"))
    )
    return {"score": whole(score), "very_low_risk": truth(score <= 1)}


INSTRUMENT = Instrument(
    name="glasgow_blatchford",
    title="上消化道出血评分（Blatchford）",
    edition="Blatchford 2000",
    source="Blatchford O et al. Lancet 2000;356:1318",
    confidence="H",
    inputs=(
        SEX,
        UREA,
        HB,
        SBP,
        HR,
        flag("melaena", "黑便"),
        flag("syncope", "晕厥"),
        flag("liver_disease", "肝病"),
        flag("heart_failure", "心力衰竭"),
    ),
    compute=compute,
    grade="very_low_risk",
    value="score",
    unit="分",
    family="triage",
    says={True: "{score}分（≤1）：风险很低，可门诊处理。", False: "{score}分（>1）：需住院并尽早内镜。"},
)
