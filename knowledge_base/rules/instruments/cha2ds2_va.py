"""CHA2DS2-VA (clinical_rules section 12)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.atrial_fibrillation import FLAGS, SAYS, VALIDITY, anticoagulation, comorbidity
from knowledge_base.rules.instrument import AGE, Column, Inputs, Instrument, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """As CHA2DS2-VASc without sex."""
    score = comorbidity(x) + table(x.n("age_y"), (65, 75), (0, 1, 2))
    return {"score": whole(score), "oac": anticoagulation(score, np.zeros(x.size, dtype=bool))}


INSTRUMENT = Instrument(
    name="cha2ds2_va",
    title="房颤卒中风险 CHA₂DS₂-VA",
    edition="ESC 2024",
    source="ESC 2024 心房颤动指南",
    confidence="H",
    validity=VALIDITY,
    inputs=(AGE, *FLAGS),
    compute=compute,
    grade="oac",
    value="score",
    unit="分",
    keys=("age_y", "atrial_fibrillation"),
    says=SAYS,
)
