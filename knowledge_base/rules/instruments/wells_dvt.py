"""Wells score for deep vein thrombosis (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, flag, points, whole

ITEMS = (
    ("active_cancer", "6个月内活动性肿瘤"),
    ("paralysis_plaster", "下肢瘫痪或石膏固定"),
    ("bed3d_or_surgery12w", "卧床≥3天或12周内大手术"),
    ("tender_deep_vein", "深静脉走行压痛"),
    ("entire_leg_swollen", "全下肢肿胀"),
    ("calf_gt3cm", "小腿周径较健侧大3厘米以上"),
    ("pitting_oedema", "患侧凹陷性水肿"),
    ("collateral_veins", "浅静脉侧支"),
    ("previous_dvt", "既往深静脉血栓"),
)


def compute(x: Inputs) -> Mapping[str, Column]:
    """One point each; an alternative as likely takes two."""
    score = points(*((1, x.yes(name)) for name, _ in ITEMS), (-2, x.yes("alternative_as_likely")))
    return {
        "score": whole(score),
        "two_level": bands(score, (2,), ("unlikely", "likely")),
        "three_level": bands(score, (1, 3), ("low", "moderate", "high")),
    }


INSTRUMENT = Instrument(
    name="wells_dvt",
    title="深静脉血栓可能性（Wells）",
    edition="Wells 2003",
    source="Wells PS et al. N Engl J Med 2003;349:1227",
    confidence="H",
    inputs=(*(flag(name, label) for name, label in ITEMS), flag("alternative_as_likely", "其他诊断同样可能")),
    compute=compute,
    grade="two_level",
    value="score",
    unit="分",
    family="triage",
    says={"likely": "{score}分（≥2）：深静脉血栓可能，做下肢静脉超声。", "unlikely": "{score}分（<2）：可能性小，可先查D-二聚体。"},
)
