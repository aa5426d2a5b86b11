"""Type 2 diabetes follow-up class (clinical_rules section 31)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.follow_up import EDITION, FLAGS, SAYS, SOURCE, classify
from knowledge_base.rules.instrument import DBP, FPG, HR, SBP, TEMP, Column, Inputs, Instrument

ABOVE_NORMAL = 7.0
"""Glucose above normal in pregnancy or lactation refers (mmol/L, fasting; the standard prints no number)."""


def compute(x: Inputs) -> Mapping[str, Column]:
    """Controlled below 7.0 mmol/L fasting; only fasting glucose classifies."""
    fpg = x.n("fpg")
    danger = (fpg >= 16.7) | (fpg <= 3.9) | (x.n("sbp") >= 180) | (x.n("dbp") >= 110) | (x.n("hr") > 100) | (x.n("temp") > 39)
    danger = danger | (x.yes("pregnant_or_lactating") & (fpg >= ABOVE_NORMAL))
    return classify(x, danger, fpg >= 7.0)


INSTRUMENT = Instrument(
    name="t2dm_followup",
    title="2型糖尿病患者随访分类",
    edition=EDITION,
    source=SOURCE,
    confidence="M",
    validity="35岁及以上2型糖尿病患者，每年4次空腹血糖、4次面对面随访",
    inputs=(FPG, HR, TEMP, SBP, DBP, *FLAGS),
    compute=compute,
    grade="class",
    value="followup_days",
    unit="day",
    keys=("fpg", "diabetes", "previous_class"),
    family="follow_up",
    says=SAYS,
)
