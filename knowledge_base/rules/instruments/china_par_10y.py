"""China-PAR 10-year risk of a first ASCVD event (clinical_rules section 4)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.china_par_equation import Person, ideal, risk
from knowledge_base.rules.instrument import AGE, DBP, SBP, SEX, WAIST, Bools, Column, Inputs, Instrument, bands, flag, number, real, truth

NEAR_A_CUT = 0.15
"""Percentage points: a result this close to 5 or 10 % is flagged, since the published facts leave that much open."""

INPUTS = (
    SEX,
    AGE,
    flag("north", "居住在长江以北"),
    flag("urban", "城镇居民"),
    WAIST,
    number("tc", "总胆固醇", "cholesterol", unit="mg/dL"),
    number("hdl", "高密度脂蛋白胆固醇", "cholesterol", unit="mg/dL"),
    SBP,
    DBP,
    flag("bp_treated", "近两周服降压药"),
    flag("diabetes", "糖尿病"),
    flag("smoker", "现在吸烟"),
    flag("fh_ascvd", "父母或兄弟姐妹有心梗或脑卒中"),
)


def person(x: Inputs) -> Person:
    """The equation's columns."""
    return Person(
        x.male,
        x.n("age_y"),
        x.n("sbp"),
        x.n("tc"),
        x.n("hdl"),
        x.n("waist"),
        x.yes("bp_treated"),
        x.yes("smoker"),
        x.yes("diabetes"),
        x.yes("north"),
        x.yes("urban"),
        x.yes("fh_ascvd"),
    )


def compute(x: Inputs) -> Mapping[str, Column]:
    """Risk and ideal risk in per cent; the stratum is of the unrounded risk."""
    who = person(x)
    percent = 100 * risk(who)
    near = (abs(percent - 5) <= NEAR_A_CUT) | (abs(percent - 10) <= NEAR_A_CUT)
    return {
        "risk_pct": real(percent, 2),
        "ideal_risk_pct": real(100 * risk(ideal(who)), 2),
        "stratum": bands(percent, (5, 10), ("low", "medium", "high")),
        "within_derivation_age": truth((who.age >= 35) & (who.age < 75)),
        "near_cut": truth(near),
    }


def outside(x: Inputs) -> Bools:
    """The official site answers at 20 to 85 years."""
    return (x.n("age_y") < 20) | (x.n("age_y") >= 86)


INSTRUMENT = Instrument(
    name="china_par_10y",
    title="China-PAR 10年心脑血管病风险",
    edition="Yang 2016 / CN CVD risk guideline 2019",
    editions=("official site output, recorded by a third party 2026",),
    source="Yang X et al. Circulation 2016;134:1430–1440；中国心血管病风险评估和管理指南（2019）",
    confidence="H",
    validity="20–85岁（方程由35–74岁人群建立）、没有心梗和脑卒中的中国成人",
    inputs=INPUTS,
    compute=compute,
    outside=outside,
    grade="stratum",
    value="risk_pct",
    unit="%",
    keys=("age_y", "sex", "sbp", "tc"),
    says={
        "low": "未来10年发生心梗或脑卒中的风险约{risk_pct:.1f}%（低危）；同龄人各项理想时约{ideal_risk_pct:.1f}%。保持健康生活方式。",
        "medium": "未来10年发生心梗或脑卒中的风险约{risk_pct:.1f}%（中危）；同龄人各项理想时约{ideal_risk_pct:.1f}%。应控制可改变的危险因素。",
        "high": "未来10年发生心梗或脑卒中的风险约{risk_pct:.1f}%（高危）；同龄人各项理想时约{ideal_risk_pct:.1f}%。应强化干预，评估降压、降脂用药。",
    },
)
