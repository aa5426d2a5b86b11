"""Centor and McIsaac scores (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, TEMP, Column, Inputs, Instrument, bands, flag, points, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Temperature above 38, not at it; McIsaac adds one at 3 to 14 years and takes one from 45."""
    age = x.n("age_y")
    centor = points((1, x.n("temp") > 38), (1, x.yes("no_cough")), (1, x.yes("tender_ant_cervical")), (1, x.yes("tonsil_swelling_exudate")))
    mcisaac = centor + points((1, (age >= 3) & (age < 15)), (-1, age >= 45))
    return {"centor": whole(centor), "mcisaac": whole(mcisaac), "advice": bands(mcisaac, (2, 4), ("no_test", "test", "test_or_treat"))}


INSTRUMENT = Instrument(
    name="centor_mcisaac",
    title="链球菌咽炎评分（Centor/McIsaac）",
    edition="Centor 1981 / McIsaac 1998",
    source="Centor RM 1981；McIsaac WJ 1998",
    confidence="H",
    validity="3岁及以上咽痛患者",
    inputs=(
        AGE,
        TEMP,
        flag("no_cough", "没有咳嗽"),
        flag("tender_ant_cervical", "颈前淋巴结肿痛"),
        flag("tonsil_swelling_exudate", "扁桃体肿大或渗出"),
    ),
    compute=compute,
    grade="advice",
    value="mcisaac",
    unit="分",
    family="triage",
    says={
        "no_test": "McIsaac {mcisaac}分：不像链球菌，不查、不用抗菌药。",
        "test": "McIsaac {mcisaac}分：做快速抗原或培养，阳性再用抗菌药。",
        "test_or_treat": "McIsaac {mcisaac}分：链球菌可能大，检测或按经验治疗。",
    },
)
