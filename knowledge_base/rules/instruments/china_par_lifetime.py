"""China-PAR lifetime risk to age 85: an approximation (clinical_rules section 5).

The official Fine-Gray model is unpublished. A subdistribution hazard model is linear on the complementary log-log scale,
so that scale was fitted, each sex alone, to recorded answers of the official site (91 runs, with their ideal risks): a
quartic in ln age and one coefficient a factor. Leave-one-out mean error 0.07 points, largest 0.39 (docs/log/risk.md).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.china_par_equation import Person, ideal
from knowledge_base.rules.instrument import Bools, Column, Floats, Inputs, Instrument, pick, whole
from knowledge_base.rules.instruments.china_par_10y import INPUTS, person

MEN = (
    -1.64518,
    -0.14003,
    -0.64096,
    -1.19343,
    -0.75621,
    0.34007,
    3.21148,
    3.13253,
    0.60695,
    -0.64895,
    -0.38059,
    0.19191,
    0.25176,
    0.52973,
    -0.16237,
    0.21824,
)
WOMEN = (
    -1.78582,
    -0.08745,
    -0.45878,
    -0.94498,
    -0.65616,
    0.24534,
    2.57563,
    2.53312,
    0.07200,
    -0.20073,
    1.57838,
    0.48827,
    0.50954,
    0.56887,
    0.0,
    0.0,
)
"""Constant, ln(age/40) to the fourth power, treated, ln(SBP/130) treated and untreated, ln(TC/200), ln(HDL/45) in mg/dL,
ln(waist/88), smoker, diabetes, north, urban, family history."""
HIGH = 32.8
UNSURE = 4.0
"""No class within this many points of the cut: the formula is an approximation."""


def _percent(p: Person) -> Floats:
    age, sbp = np.log(p.age / 40), np.log(p.sbp / 130)
    terms = (
        np.ones(len(age)), age, age * age, age * age * age, age * age * age * age, p.treated, sbp * p.treated, sbp * ~p.treated,
        np.log(p.tc / 200), np.log(p.hdl / 45), np.log(p.waist / 88), p.smoker, p.diabetes, p.north, p.urban, p.family,
    )  # fmt: skip
    total = np.zeros(len(age))
    for men, women, term in zip(MEN, WOMEN, terms, strict=True):
        total = total + np.where(p.male, men, women) * term
    value: Floats = -100 * np.expm1(-np.exp(total))
    return value


def compute(x: Inputs) -> Mapping[str, Column]:
    """Whole per cent; the class is left open near the cut."""
    who = person(x)
    percent = _percent(who)
    group = pick(("not_high", "high"), (abs(percent - HIGH) <= UNSURE, None), (percent > HIGH, "high"), default="not_high")
    return {"lifetime_pct": whole(np.round(percent)), "ideal_lifetime_pct": whole(np.round(_percent(ideal(who)))), "lifetime_class": group}


def outside(x: Inputs) -> Bools:
    """Shown at 20 to 59 years."""
    return (x.n("age_y") < 20) | (x.n("age_y") >= 60)


INSTRUMENT = Instrument(
    name="china_par_lifetime",
    title="China-PAR 终生心脑血管病风险（近似）",
    edition="official site output, recorded by a third party 2026",
    source="中国心血管病风险评估和管理指南（2019）；公式未发表，本结果为近似",
    confidence="M",
    validity="20–59岁；近似值，不给小数",
    inputs=INPUTS,
    compute=compute,
    outside=outside,
    outside_says="终生风险只在20–59岁时给出。",
    grade="lifetime_class",
    value="lifetime_pct",
    unit="%",
    says={
        "high": "到85岁发生心梗或脑卒中的风险约{lifetime_pct}%（近似，偏高）；各项理想时约{ideal_lifetime_pct}%。",
        "not_high": "到85岁发生心梗或脑卒中的风险约{lifetime_pct}%（近似）；各项理想时约{ideal_lifetime_pct}%。",
        None: "到85岁发生心梗或脑卒中的风险约{lifetime_pct}%（近似，接近高危界值，不作分类）；各项理想时约{ideal_lifetime_pct}%。",
    },
)
