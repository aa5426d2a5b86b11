"""Kidney function as the rules of medicines ask for it: an eGFR, measured, worked out from creatinine, or implied by dialysis."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from knowledge_base.conditions import Facts
from knowledge_base.rules.kidney import EPI_2021, gfr

_DIALYSIS = 8.0
"""eGFR (mL/min/1.73m²) that stands for a patient on dialysis or with uraemia, where none is written."""


def with_egfr(facts: Facts) -> Facts:
    """The facts with an eGFR where it can be told; a written one is kept as it is."""
    if facts.measurements.get("egfr"):
        return facts
    creatinine = facts.measurements.get("creatinine", ())
    years = None if facts.age_days is None else facts.age_days / 365.25
    if creatinine and years is not None and years >= 18 and facts.sex in ("male", "female") and not facts.pregnant:
        value = gfr(EPI_2021, np.array([max(creatinine)]), np.array([years]), np.array([facts.sex == "female"]))
        return replace(facts, measurements={**facts.measurements, "egfr": (float(value[0]),)})
    if "uraemia" in facts.entered or "dialysis_history" in facts.present:
        return replace(facts, measurements={**facts.measurements, "egfr": (_DIALYSIS,)})
    return facts
