"""Which goals of diabetes care are met (clinical_rules section 8)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import (
    BMI,
    DBP,
    FPG,
    HBA1C,
    HDL,
    LDL,
    SBP,
    SEX,
    TC,
    TG,
    Column,
    Inputs,
    Instrument,
    flag,
    points,
    truth,
    whole,
)


def compute(x: Inputs) -> Mapping[str, Column]:
    """One truth a goal, general adult; equality at the upper limit of FPG is still within."""
    fpg = x.n("fpg")
    met = {
        "fpg": (fpg >= 4.4) & (fpg <= 7.0),
        "hba1c": x.n("hba1c") < 7.0,
        "bp": (x.n("sbp") < 130) & (x.n("dbp") < 80),
        "tc": x.n("tc") < 4.5,
        "hdl": np.where(x.male, x.n("hdl") > 1.0, x.n("hdl") > 1.3),
        "tg": x.n("tg") < 1.7,
        "ldl": np.where(x.yes("ascvd"), x.n("ldl") < 1.8, x.n("ldl") < 2.6),
        "bmi": x.n("bmi") < 24,
    }
    return {name: truth(where) for name, where in met.items()} | {"n_met": whole(points(*((1, where) for where in met.values())))}


INSTRUMENT = Instrument(
    name="dm_control_targets",
    title="糖尿病综合控制目标",
    edition="CDS 2020 general adult",
    source="中国2型糖尿病防治指南（2020年版）",
    confidence="M",
    validity="一般成年2型糖尿病患者；年老体弱、易低血糖者糖化血红蛋白可放宽到8%以下",
    inputs=(SEX, FPG, HBA1C, SBP, DBP, TC, HDL, TG, LDL, BMI, flag("ascvd", "动脉粥样硬化性心血管病")),
    compute=compute,
    grade="n_met",
    value="n_met",
    unit="项",
    keys=("diabetes", "fpg"),
    says={"*": "8项控制目标中达标{n_met}项。"},
)
