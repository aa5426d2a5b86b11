"""Urate and gout goals (clinical_rules section 34)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import UA, Column, Inputs, Instrument, flag, truth


def compute(x: Inputs) -> Mapping[str, Column]:
    """Hyperuricaemia above 420; goal in gout below 360, below 300 with tophi or frequent attacks; too low below 180."""
    ua = x.n("ua")
    goal = np.where(x.yes("tophi_or_frequent"), 300.0, 360.0)
    return {"hyperuricaemia": truth(ua > 420), "at_goal": truth(ua < goal, null=~x.yes("gout")), "too_low": truth(ua < 180)}


INSTRUMENT = Instrument(
    name="urate",
    title="血尿酸与痛风目标",
    edition="CN hyperuricaemia/gout 2019",
    source="中国高尿酸血症与痛风诊疗指南（2019）",
    confidence="M",
    validity="非同日两次空腹血尿酸",
    inputs=(UA, flag("gout", "痛风"), flag("tophi_or_frequent", "痛风石或每年发作≥2次")),
    compute=compute,
    grade="hyperuricaemia",
    value="ua",
    unit="umol/L",
    keys=("ua",),
    says={True: "血尿酸>420：高尿酸水平，另日复查，限酒限高嘌呤、多饮水。", False: "血尿酸未超过420。"},
)
