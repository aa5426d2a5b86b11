"""Metabolic syndrome, IDF 2005 with Chinese waist (clinical_rules section 19)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Column, Inputs, Instrument, points, truth, whole
from knowledge_base.rules.metabolic import BP_TREATED, DM_TREATED, LIPID_TREATED, MEASURED, REST, SAYS


def compute(x: Inputs) -> Mapping[str, Column]:
    """Waist is required, with two of the other four; a lipid drug counts for both lipid items."""
    central = np.where(x.male, x.n("waist") >= 90, x.n("waist") >= 80)
    lipid = x.yes("lipid_treated")
    n = points(
        (1, (x.n("fpg") >= 5.6) | x.yes("dm_treated")),
        (1, (x.n("sbp") >= 130) | (x.n("dbp") >= 85) | x.yes("bp_treated")),
        (1, (x.n("tg") >= 1.7) | lipid),
        (1, np.where(x.male, x.n("hdl") < 1.03, x.n("hdl") < 1.29) | lipid),
    )
    return {"central": truth(central), "n_other": whole(n), "mets": truth(central & (n >= 2))}


INSTRUMENT = Instrument(
    name="mets_idf2005",
    title="代谢综合征（IDF 2005）",
    edition="IDF 2005, CN waist 90/80",
    source="IDF 2005 全球共识定义",
    confidence="M",
    inputs=(*MEASURED, *REST, DM_TREATED, BP_TREATED, LIPID_TREATED),
    compute=compute,
    grade="mets",
    value="n_other",
    unit="项",
    says=SAYS,
)
