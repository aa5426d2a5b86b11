"""Metabolic syndrome, CDS 2020 (clinical_rules section 19)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import GLU2H, Column, Inputs, Instrument, optional, points, truth, whole
from knowledge_base.rules.metabolic import BP_TREATED, DM_TREATED, MEASURED, REST, SAYS


def compute(x: Inputs) -> Mapping[str, Column]:
    """Three of five; HDL-C below 1.04 for both sexes."""
    n = points(
        (1, np.where(x.male, x.n("waist") >= 90, x.n("waist") >= 85)),
        (1, (x.n("fpg") >= 6.1) | (x.n("glu2h") >= 7.8) | x.yes("dm_treated")),
        (1, (x.n("sbp") >= 130) | (x.n("dbp") >= 85) | x.yes("bp_treated")),
        (1, x.n("tg") >= 1.70),
        (1, x.n("hdl") < 1.04),
    )
    return {"n": whole(n), "mets": truth(n >= 3)}


INSTRUMENT = Instrument(
    name="mets_cds2020",
    title="代谢综合征（中国）",
    edition="CDS 2020",
    source="中国2型糖尿病防治指南（2020年版）",
    confidence="H",
    inputs=(*MEASURED, optional(GLU2H), *REST, DM_TREATED, BP_TREATED),
    compute=compute,
    grade="mets",
    value="n",
    unit="项",
    keys=("sex", "waist", "tg"),
    says=SAYS,
)
