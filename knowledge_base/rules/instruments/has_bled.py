"""HAS-BLED (clinical_rules section 13)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, SBP, Column, Inputs, Instrument, flag, number, points, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """One point each; age above 65 and SBP above 160, not at them."""
    names = ("renal", "liver", "stroke", "bleeding", "labile_inr", "antiplatelet_nsaid")
    score = points((1, x.n("age_y") > 65), (1, x.n("sbp") > 160), (1, x.n("drinks_per_week") >= 8), *((1, x.yes(name)) for name in names))
    return {"score": whole(score), "high": truth(score >= 3)}


INSTRUMENT = Instrument(
    name="has_bled",
    title="抗凝出血风险 HAS-BLED",
    edition="Pisters 2010",
    source="Pisters R et al. Chest 2010;138:1093",
    confidence="H",
    validity="房颤抗凝患者",
    inputs=(
        AGE,
        SBP,
        flag("renal", "肾功能异常（透析、移植、肌酐>200）"),
        flag("liver", "肝功能异常（肝硬化、胆红素>2倍或转氨酶>3倍上限）"),
        flag("stroke", "脑卒中史"),
        flag("bleeding", "出血史或出血倾向"),
        flag("labile_inr", "INR不稳定（TTR<60%）"),
        flag("antiplatelet_nsaid", "抗血小板药或非甾体抗炎药"),
        number("drinks_per_week", "每周饮酒份数", "drinks", low=0, high=500),
    ),
    compute=compute,
    grade="high",
    value="score",
    unit="分",
    keys=("age_y", "sbp", "atrial_fibrillation"),
    says={True: "{score}分（≥3）：出血风险高，纠正可逆因素并勤随访，不等于停用抗凝药。", False: "{score}分：出血风险不高。"},
)
