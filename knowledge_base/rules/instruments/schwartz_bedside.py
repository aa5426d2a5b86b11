"""Bedside Schwartz eGFR of children (clinical_rules section 14)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, CREA, HEIGHT, Bools, Column, Inputs, Instrument, real
from knowledge_base.rules.kidney import G_SAYS, category


def compute(x: Inputs) -> Mapping[str, Column]:
    """36.5 x height (cm) / creatinine (umol/L)."""
    egfr = 36.5 * x.n("height") / x.n("crea")
    return {"egfr": real(egfr, 1), "G": category(egfr)}


def outside(x: Inputs) -> Bools:
    """1 to 17 years."""
    return (x.n("age_y") < 1) | (x.n("age_y") >= 18)


INSTRUMENT = Instrument(
    name="schwartz_bedside",
    title="儿童估算肾小球滤过率（床旁Schwartz）",
    edition="Schwartz 2009",
    source="Schwartz GJ et al. J Am Soc Nephrol 2009;20:629",
    confidence="M",
    validity="1–17岁、酶法肌酐",
    inputs=(AGE, HEIGHT, CREA),
    compute=compute,
    outside=outside,
    outside_says="成人用CKD-EPI。",
    grade="G",
    value="egfr",
    unit="mL/min/1.73m2",
    family="child",
    says={token: "估算值{egfr:.0f}。" + text for token, text in G_SAYS.items()},
)
