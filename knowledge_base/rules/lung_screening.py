"""The criteria shared by the two editions of lung cancer screening."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, PACK_YEARS, Bools, Column, Inputs, flag, number, pick, truth

INPUTS = (
    AGE,
    PACK_YEARS,
    flag("current_smoker", "现在吸烟"),
    number("years_since_quit", "戒烟年数", "span_years", low=0, high=125),
    number("passive_years", "被动吸烟年数", "span_years", low=0, high=125),
    flag("copd", "慢阻肺"),
    number("occupational_years", "职业致癌物接触年数", "span_years", low=0, high=125),
    flag("fh_lung_ca", "一级亲属肺癌"),
)
SAYS = {True: "符合肺癌高风险标准：建议每年低剂量螺旋CT筛查。", False: "不符合肺癌高风险标准，暂不筛查。"}


def screen(x: Inputs, pack_years: float, passive: Bools) -> Mapping[str, Column]:
    """50 to 74 years and any criterion; a former smoker counts if he stopped less than 15 years ago."""
    age = x.n("age_y")
    of_age = (age >= 50) & (age < 75)
    smoking = (x.n("pack_years") >= pack_years) & (x.yes("current_smoker") | (x.n("years_since_quit") < 15))
    any_of = smoking | passive | x.yes("copd") | (x.n("occupational_years") >= 1) | x.yes("fh_lung_ca")
    return {"high_risk": truth(of_age & any_of), "reason": pick(("criteria", "age"), (of_age, "criteria"), default="age")}
