"""Blood pressure category (clinical_rules section 1)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import DBP, SBP, Column, Inputs, Instrument, pick, truth

LABELS = ("normal", "high_normal", "grade1", "grade2", "grade3")


def compute(x: Inputs) -> Mapping[str, Column]:
    """The higher of the two pressures decides; high-normal starts at 120 or 80."""
    sbp, dbp = x.n("sbp"), x.n("dbp")
    category = pick(
        LABELS,
        ((sbp >= 180) | (dbp >= 110), "grade3"),
        ((sbp >= 160) | (dbp >= 100), "grade2"),
        ((sbp >= 140) | (dbp >= 90), "grade1"),
        ((sbp >= 120) | (dbp >= 80), "high_normal"),
        default="normal",
    )
    return {
        "category": category,
        "isolated_systolic": truth((sbp >= 140) & (dbp < 90)),
        "isolated_diastolic": truth((sbp < 140) & (dbp >= 90)),
    }


INSTRUMENT = Instrument(
    name="bp_grade",
    title="血压分级",
    edition="CN-HTN 2018/2024",
    editions=("CN-HTN 2018", "CN-HTN 2024"),
    source="中国高血压防治指南（2018年修订版、2024年修订版）",
    confidence="H",
    validity="18岁及以上，诊室血压，多次读数的平均值",
    inputs=(SBP, DBP),
    compute=compute,
    grade="category",
    keys=("sbp", "dbp"),
    says={
        "normal": "血压正常（低于120/80）。每年至少测一次。",
        "high_normal": "正常高值（120–139/80–89）。限盐、减重、运动，半年内复测。",
        "grade1": "1级高血压水平（140–159/90–99）。未确诊者应在不同日再测两次以上。",
        "grade2": "2级高血压水平（160–179/100–109）。需要评估并启动或调整治疗。",
        "grade3": "3级高血压水平（≥180或≥110）。先查有无危急症状，处理后转诊，2周内随访。",
    },
)
