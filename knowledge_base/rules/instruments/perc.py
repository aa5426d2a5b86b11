"""PERC rule (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, HR, SPO2, Column, Inputs, Instrument, flag, points, truth, whole

FLAGS = (
    ("unilateral_leg_swelling", "单侧下肢肿胀"),
    ("haemoptysis", "咯血"),
    ("surgery_trauma_4w", "4周内手术或外伤"),
    ("previous_dvt_pe", "既往血栓或肺栓塞"),
    ("oestrogen", "使用雌激素"),
)


def compute(x: Inputs) -> Mapping[str, Column]:
    """All eight absent rules out, only where the doctor judged the risk low before."""
    n = points((1, x.n("age_y") >= 50), (1, x.n("hr") >= 100), (1, x.n("spo2") < 95), *((1, x.yes(name)) for name, _ in FLAGS))
    return {"n_positive": whole(n), "rule_out": truth(n == 0)}


INSTRUMENT = Instrument(
    name="perc",
    title="肺栓塞排除规则（PERC）",
    edition="Kline 2004",
    source="Kline JA et al. J Thromb Haemost 2004;2:1247",
    confidence="H",
    validity="只用于医生判断肺栓塞可能性低者",
    inputs=(AGE, HR, SPO2, *(flag(name, label) for name, label in FLAGS)),
    compute=compute,
    grade="rule_out",
    value="n_positive",
    unit="项",
    family="triage",
    says={True: "8项全无：可能性低者可排除肺栓塞。", False: "有{n_positive}项：不能用本规则排除，按Wells评分走流程。"},
)
