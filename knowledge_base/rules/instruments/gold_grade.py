"""Airflow obstruction and its grade (clinical_rules section 16)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, number, pick, truth

LABELS = ("1", "2", "3", "4")


def compute(x: Inputs) -> Mapping[str, Column]:
    """Post-bronchodilator values; no grade without obstruction. Grades 1 to 4 are whole numbers."""
    fev1 = x.n("fev1_pct")
    obstruction = x.n("ratio") < 0.70
    grade = pick(LABELS, (~obstruction, None), (fev1 >= 80, "1"), (fev1 >= 50, "2"), (fev1 >= 30, "3"), default="4")
    whole_grade = grade.data.astype(float) + 1
    whole_grade[grade.data < 0] = float("nan")
    return {"obstruction": truth(obstruction), "grade": Column("integer", whole_grade)}


INSTRUMENT = Instrument(
    name="gold_grade",
    title="慢阻肺气流受限分级（GOLD）",
    edition="GOLD 2023+",
    source="GOLD 2023及以后版本",
    confidence="H",
    validity="吸入支气管扩张剂后的肺功能；FEV1/FVC写作0.70而不是70",
    inputs=(number("ratio", "FEV1/FVC", "ratio"), number("fev1_pct", "FEV1占预计值", "percent_predicted")),
    compute=compute,
    grade="grade",
    value="grade",
    unit="级",
    family="respiratory",
    says={
        None: "FEV1/FVC≥0.70：没有持续气流受限，不支持慢阻肺。",
        1: "GOLD 1级（轻度）。",
        2: "GOLD 2级（中度）。",
        3: "GOLD 3级（重度）。",
        4: "GOLD 4级（极重度），建议上级医院管理。",
    },
)
