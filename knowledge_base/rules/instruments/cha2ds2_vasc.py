"""CHA2DS2-VASc (clinical_rules section 12)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.atrial_fibrillation import FLAGS, SAYS, VALIDITY, anticoagulation, comorbidity
from knowledge_base.rules.instrument import AGE, SEX, Column, Inputs, Instrument, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Only one of the two age points counts; sex alone never leads to treatment."""
    score = comorbidity(x) + table(x.n("age_y"), (65, 75), (0, 1, 2)) + points((1, x.female))
    return {"score": whole(score), "oac": anticoagulation(score, x.female)}


INSTRUMENT = Instrument(
    name="cha2ds2_vasc",
    title="房颤卒中风险 CHA₂DS₂-VASc",
    edition="ESC 2020",
    source="ESC 2020 心房颤动指南",
    confidence="H",
    validity=VALIDITY,
    inputs=(AGE, SEX, *FLAGS),
    compute=compute,
    grade="oac",
    value="score",
    unit="分",
    keys=("age_y", "sex", "atrial_fibrillation"),
    says=SAYS,
)
