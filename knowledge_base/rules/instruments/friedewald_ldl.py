"""LDL-C worked out by Friedewald (clinical_rules section 6)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import HDL, TC, TG, Bools, Column, Inputs, Instrument, real, truth


def compute(x: Inputs) -> Mapping[str, Column]:
    """TC - HDL-C - TG/2.2, and non-HDL-C (mmol/L)."""
    tc, hdl, tg = x.n("tc"), x.n("hdl"), x.n("tg")
    return {"ldl": real(tc - hdl - tg / 2.2, 2), "non_hdl": real(tc - hdl, 2), "very_high": truth(tc - hdl - tg / 2.2 >= 4.9)}


def outside(x: Inputs) -> Bools:
    """Not above TG 4.5, and not where HDL-C reaches TC."""
    return (x.n("tg") > 4.5) | (x.n("hdl") >= x.n("tc"))


INSTRUMENT = Instrument(
    name="friedewald_ldl",
    title="LDL-C估算（Friedewald）",
    edition="Friedewald 1972",
    source="Friedewald WT et al. Clin Chem 1972;18:499",
    confidence="M",
    validity="甘油三酯不超过4.5 mmol/L；有直接法LDL-C时以其为准",
    inputs=(TC, HDL, TG),
    compute=compute,
    outside=outside,
    outside_says="甘油三酯超过4.5，不能用公式估算LDL-C，请直接测定。",
    grade="very_high",
    value="ldl",
    unit="mmol/L",
    says={True: "估算LDL-C {ldl:.2f}（≥4.9）：很高，排查家族性高胆固醇血症。", False: "估算LDL-C {ldl:.2f}，非HDL-C {non_hdl:.2f}。"},
)
