"""Hypertension follow-up class (clinical_rules section 30)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.follow_up import EDITION, FLAGS, SAYS, SOURCE, classify
from knowledge_base.rules.instrument import AGE, DBP, SBP, Column, Inputs, Instrument


def compute(x: Inputs) -> Mapping[str, Column]:
    """Controlled below 140/90, from 65 years below 150/90."""
    sbp, dbp = x.n("sbp"), x.n("dbp")
    above_normal = (sbp >= 140) | (dbp >= 90)
    danger = (sbp >= 180) | (dbp >= 110) | (x.yes("pregnant_or_lactating") & above_normal)
    uncontrolled = (sbp >= np.where(x.n("age_y") >= 65, 150.0, 140.0)) | (dbp >= 90)
    return classify(x, danger, uncontrolled)


INSTRUMENT = Instrument(
    name="htn_followup",
    title="高血压患者随访分类",
    edition=EDITION,
    source=SOURCE,
    confidence="M",
    validity="35岁及以上原发性高血压患者，每年至少4次面对面随访；上次随访超过约3个月不算“连续”",
    inputs=(AGE, SBP, DBP, *FLAGS),
    compute=compute,
    grade="class",
    value="followup_days",
    unit="day",
    keys=("sbp", "dbp", "hypertension", "previous_class"),
    family="follow_up",
    says=SAYS,
)
