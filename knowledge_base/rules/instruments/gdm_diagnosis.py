"""Gestational diabetes by the 75 g test (clinical_rules section 7)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import FPG, GLU2H, Column, Inputs, Instrument, members, number, truth


def compute(x: Inputs) -> Mapping[str, Column]:
    """Any value at or above its limit."""
    fasting, one, two = x.n("fpg") >= 5.1, x.n("glu1h") >= 10.0, x.n("glu2h") >= 8.5
    return {"gdm": truth(fasting | one | two), "by": members(fpg=fasting, glu1h=one, glu2h=two)}


INSTRUMENT = Instrument(
    name="gdm_diagnosis",
    title="妊娠期糖尿病诊断",
    edition="IADPSG / CN 75 g",
    source="中国2型糖尿病防治指南（2020年版）妊娠期糖尿病",
    confidence="M",
    validity="妊娠24–28周，75克葡萄糖耐量试验，静脉血浆",
    inputs=(FPG, number("glu1h", "服糖后1小时血糖", "glucose", low=0.5, high=80, own=True), GLU2H),
    compute=compute,
    grade="gdm",
    family="pregnancy",
    says={True: "达到妊娠期糖尿病标准：饮食运动指导，监测血糖，转产科管理。", False: "未达到妊娠期糖尿病标准。"},
)
