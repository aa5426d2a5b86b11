"""Lung cancer screening, national plan 2024 (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument
from knowledge_base.rules.lung_screening import INPUTS, SAYS, screen


def compute(x: Inputs) -> Mapping[str, Column]:
    """20 pack-years; passive smoking from 20 years."""
    return screen(x, 20, x.n("passive_years") >= 20)


INSTRUMENT = Instrument(
    name="lung_screen_2024",
    title="肺癌筛查对象（2024国家方案）",
    edition="CN national lung screening plan 2024",
    source="肺癌筛查与早诊早治方案（2024年版）",
    confidence="M",
    validity="50–74岁",
    inputs=INPUTS,
    compute=compute,
    grade="high_risk",
    family="cancer",
    says=SAYS,
)
