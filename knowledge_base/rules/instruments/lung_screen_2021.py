"""Lung cancer screening, guideline 2021 (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument
from knowledge_base.rules.lung_screening import INPUTS, SAYS, screen


def compute(x: Inputs) -> Mapping[str, Column]:
    """30 pack-years; lived or worked with a smoker for more than 20 years."""
    return screen(x, 30, x.n("passive_years") > 20)


INSTRUMENT = Instrument(
    name="lung_screen_2021",
    title="肺癌筛查对象（2021指南）",
    edition="CN lung cancer screening guideline 2021",
    source="中国肺癌筛查与早诊早治指南（2021）",
    confidence="H",
    validity="50–74岁",
    inputs=INPUTS,
    compute=compute,
    grade="high_risk",
    family="cancer",
    says=SAYS,
)
