"""IMCI fast breathing (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE_MONTHS, RR, Bools, Column, Inputs, Instrument, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Count for 60 seconds in a calm child; at the limit is fast."""
    limit = np.select([x.n("age_m") < 2, x.n("age_m") < 12], [60.0, 50.0], default=40.0)
    return {"fast": truth(x.n("rr") >= limit), "limit": whole(limit)}


def outside(x: Inputs) -> Bools:
    """Under five years."""
    return x.n("age_m") >= 60


INSTRUMENT = Instrument(
    name="imci_fast_breathing",
    title="儿童呼吸增快（IMCI）",
    edition="WHO IMCI 2014",
    source="WHO IMCI 2014",
    confidence="H",
    validity="5岁以下，安静时数满60秒",
    inputs=(AGE_MONTHS, RR),
    compute=compute,
    outside=outside,
    grade="fast",
    value="limit",
    unit="/min",
    family="child",
    says={True: "呼吸增快（≥{limit}次/分）：按肺炎处理，有胸凹陷或危险体征立即转诊。", False: "呼吸不快（界值{limit}次/分）。"},
)
