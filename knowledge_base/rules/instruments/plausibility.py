"""Whether measured values are possible (clinical_rules section 60)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules import instrument as catalogue
from knowledge_base.rules.instrument import Bools, Column, Inputs, Instrument, number, optional
from knowledge_base.rules.plausibility import PULSE_PRESSURE

INPUTS = tuple(
    optional(spec)
    for spec in (
        catalogue.AGE, catalogue.AGE_MONTHS, catalogue.SBP, catalogue.DBP, catalogue.HR, catalogue.RR, catalogue.TEMP, catalogue.SPO2, catalogue.HEIGHT, catalogue.WEIGHT,
        catalogue.BMI, catalogue.WAIST, catalogue.FPG, catalogue.GLU2H, catalogue.RANDOM_GLU, number("glu", "血糖", "glucose"), catalogue.HBA1C, catalogue.TC, catalogue.TG,
        catalogue.HDL, catalogue.LDL, catalogue.CREA, catalogue.UREA, catalogue.UA, catalogue.TBIL, catalogue.ALB, catalogue.HB, catalogue.PLT, catalogue.WBC, catalogue.ACR,
        catalogue.EGFR, number("fev1_pct", "FEV1占预计值", "percent_predicted"), number("ratio", "FEV1/FVC", "ratio"), catalogue.PACK_YEARS,
    )
)  # fmt: skip


def compute(x: Inputs) -> Mapping[str, Column]:
    """Nothing but the status matters."""
    return {}


def contradicts(x: Inputs) -> Mapping[str, Bools]:
    """HDL-C cannot reach total cholesterol."""
    where = x.n("hdl") >= x.n("tc")
    return {"hdl": where, "tc": where}


def alarms(x: Inputs) -> Mapping[str, Bools]:
    """A very narrow or wide pulse pressure."""
    pulse = x.n("sbp") - x.n("dbp")
    where = (pulse < PULSE_PRESSURE[0]) | (pulse > PULSE_PRESSURE[1])
    return {"sbp": where, "dbp": where}


INSTRUMENT = Instrument(
    name="plausibility",
    title="数值合理性检查",
    edition="project table",
    source="项目设定的硬界与软界",
    confidence="M",
    inputs=INPUTS,
    compute=compute,
    contradicts=contradicts,
    alarms_when_soft=True,
    alarms=alarms,
    grade="status",
    family="tool",
    says={"*": "数值在合理范围内。"},
)
