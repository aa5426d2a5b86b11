"""Metabolic syndrome, harmonised 2009 (clinical_rules section 19)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Column, Inputs, Instrument, points, truth, whole
from knowledge_base.rules.metabolic import BP_TREATED, DM_TREATED, LIPID_TREATED, MEASURED, REST, SAYS


def compute(x: Inputs) -> Mapping[str, Column]:
    """Three of five; waist 90/80."""
    lipid = x.yes("lipid_treated")
    n = points(
        (1, np.where(x.male, x.n("waist") >= 90, x.n("waist") >= 80)),
        (1, (x.n("fpg") >= 5.6) | x.yes("dm_treated")),
        (1, (x.n("sbp") >= 130) | (x.n("dbp") >= 85) | x.yes("bp_treated")),
        (1, (x.n("tg") >= 1.7) | lipid),
        (1, np.where(x.male, x.n("hdl") < 1.0, x.n("hdl") < 1.3) | lipid),
    )
    return {"n": whole(n), "mets": truth(n >= 3)}


INSTRUMENT = Instrument(
    name="mets_harmonised2009",
    title="代谢综合征（2009统一定义）",
    edition="Alberti 2009, waist 90/80",
    source="Alberti KG et al. Circulation 2009;120:1640",
    confidence="M",
    inputs=(*MEASURED, *REST, DM_TREATED, BP_TREATED, LIPID_TREATED),
    compute=compute,
    grade="mets",
    value="n",
    unit="项",
    says=SAYS,
)
