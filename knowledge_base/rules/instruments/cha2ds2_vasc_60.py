"""CHA2DS2-VASc-60 of the Chinese guideline (clinical_rules section 12, uncertain)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.atrial_fibrillation import FLAGS, SAYS, VALIDITY, anticoagulation, comorbidity
from knowledge_base.rules.instrument import AGE, SEX, Column, Inputs, Instrument, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Age 60-64 counts one, from 65 two."""
    score = comorbidity(x) + table(x.n("age_y"), (60, 65), (0, 1, 2)) + points((1, x.female))
    return {"score": whole(score), "oac": anticoagulation(score, x.female)}


INSTRUMENT = Instrument(
    name="cha2ds2_vasc_60",
    title="房颤卒中风险 CHA₂DS₂-VASc-60",
    edition="CN AF guideline 2023",
    source="心房颤动诊断和治疗中国指南（2023）",
    confidence="L",
    validity=VALIDITY,
    inputs=(AGE, SEX, *FLAGS),
    compute=compute,
    grade="oac",
    value="score",
    unit="分",
    keys=("age_y", "sex", "atrial_fibrillation"),
    says=SAYS,
)
