"""BMI of school children (clinical_rules section 21)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE_MONTHS, BMI, SEX, Bools, Column, Inputs, Instrument, half_up, pick, real

BOYS = (
    (16.4, 17.7), (16.7, 18.1), (17.0, 18.7), (17.4, 19.2), (17.8, 19.7), (18.1, 20.3), (18.5, 20.8), (18.9, 21.4), (19.2, 21.9), (19.6, 22.5), (19.9, 23.0), (20.3, 23.6), (20.7, 24.1),
    (21.0, 24.7), (21.4, 25.2), (21.9, 25.7), (22.3, 26.1), (22.6, 26.4), (22.9, 26.6), (23.1, 26.9), (23.3, 27.1), (23.5, 27.4), (23.7, 27.6), (23.8, 27.8), (24.0, 28.0),
)  # fmt: skip
GIRLS = (
    (16.2, 17.5), (16.5, 18.0), (16.8, 18.5), (17.2, 19.0), (17.6, 19.4), (18.1, 19.9), (18.5, 20.4), (19.0, 21.0), (19.5, 21.5), (20.0, 22.1), (20.5, 22.7), (21.1, 23.3), (21.5, 23.9),
    (21.9, 24.5), (22.2, 25.0), (22.6, 25.6), (22.8, 25.9), (23.0, 26.3), (23.2, 26.6), (23.4, 26.9), (23.6, 27.1), (23.7, 27.4), (23.8, 27.6), (23.9, 27.8), (24.0, 28.0),
)  # fmt: skip
CUTS = np.array([BOYS, GIRLS])
"""Overweight and obesity cuts by half-year from 6.0 to 18.0; boys, girls."""
RECALLED_ROW = 14
"""Girls at 13.0 years: recalled only."""


def _row(x: Inputs) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    months = np.nan_to_num(x.n("age_m"), nan=72.0)
    return np.clip(np.floor((months - 72) / 6), 0, 24).astype(np.int64)


def compute(x: Inputs) -> Mapping[str, Column]:
    """The completed half-year decides; BMI is rounded to one decimal first."""
    cuts = CUTS[x.female.astype(np.int64), _row(x)]
    bmi = half_up(x.n("bmi"), 1)
    overweight, obese = cuts[:, 0], cuts[:, 1]
    group = pick(
        ("not_overweight", "overweight", "obese"), (bmi >= obese, "obese"), (bmi >= overweight, "overweight"), default="not_overweight"
    )
    return {"class": group, "cut_overweight": real(overweight, 1), "cut_obese": real(obese, 1)}


def outside(x: Inputs) -> Bools:
    """6 to 18 completed years."""
    return (x.n("age_m") < 72) | (x.n("age_m") >= 228)


def doubts(x: Inputs, out: Mapping[str, Column]) -> Bools:
    """One cell of the table is recalled only."""
    return x.female & (_row(x) == RECALLED_ROW)


INSTRUMENT = Instrument(
    name="bmi_child",
    title="学龄儿童青少年超重与肥胖",
    edition="WS/T 586-2018",
    source="WS/T 586—2018 学龄儿童青少年超重与肥胖筛查",
    confidence="H",
    doubts=doubts,
    validity="6–18岁，按满半岁查表",
    inputs=(AGE_MONTHS, SEX, BMI),
    compute=compute,
    outside=outside,
    outside_says="6岁以下用WS/T 423—2022，18岁以上用成人标准。",
    grade="class",
    value="cut_overweight",
    unit="kg/m2",
    family="child",
    says={
        "not_overweight": "未达超重（本年龄超重界值{cut_overweight:.1f}）。",
        "overweight": "超重（超重界值{cut_overweight:.1f}，肥胖界值{cut_obese:.1f}）。",
        "obese": "肥胖（肥胖界值{cut_obese:.1f}）。",
    },
)
