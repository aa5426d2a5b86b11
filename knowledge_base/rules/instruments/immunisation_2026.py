"""National immunisation programme: when a dose is due (clinical_rules section 70)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import SEX, Bools, Column, Inputs, Instrument, choice, count, number, pick

Row = tuple[int | None, int | None]
SCHEDULE_2026: dict[str, tuple[Row, ...]] = {
    "HepB": ((0, None), (1, None), (6, 12)),
    "BCG": ((0, 3),),
    "IPV": ((2, None), (3, None)),
    "bOPV": ((None, None), (None, None), (4, 12), (48, 60)),
    "DTaP": ((2, None), (4, None), (6, 12), (18, 24), (72, 84)),
    "DT": ((None, None),),
    "MMR": ((8, 12), (18, 24)),
    "JE-L": ((8, 12), (24, 36)),
    "JE-I": ((8, None), (8, None), (24, 36), (72, 84)),
    "MPSV-A": ((6, 12), (9, 24)),
    "MPSV-AC": ((36, 48), (72, 84)),
    "HepA-L": ((18, 24),),
    "HepA-I": ((18, 24), (24, 36)),
    "HPV2": ((156, 168), (162, None)),
}
"""Vaccine -> per dose (earliest age, complete before), completed months; a first field of None is no routine dose. bOPV
counts its doses after the two of IPV."""
CHANGED_2021: dict[str, tuple[Row, ...]] = {
    "DTaP": ((3, None), (4, None), (5, 12), (18, 24)),
    "DT": ((72, 84),),
    "MPSV-A": ((6, 12), (9, 18)),
    "HPV2": ((None, None), (None, None)),
}
VACCINES = tuple(SCHEDULE_2026)
OLD = "CN NIP 2021"


def _rows(
    x: Inputs,
) -> tuple[
    np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    np.ndarray[tuple[int, ...], np.dtype[np.bool_]],
]:
    schedule = {**SCHEDULE_2026, **CHANGED_2021} if x.edition == OLD else SCHEDULE_2026
    width = 6
    earliest, before = np.full((len(VACCINES), width), np.nan), np.full((len(VACCINES), width), np.nan)
    exists = np.zeros((len(VACCINES), width), dtype=bool)
    for index, name in enumerate(VACCINES):
        for nth, (start, end) in enumerate(schedule[name], start=1):
            exists[index, nth] = True
            earliest[index, nth] = np.nan if start is None else start
            before[index, nth] = np.nan if end is None else end
    vaccine = np.maximum(x.code("vaccine"), 0)
    dose = np.clip(np.nan_to_num(x.n("dose")), 0, width - 1).astype(np.int64)
    return earliest[vaccine, dose], before[vaccine, dose], exists[vaccine, dose]


def compute(x: Inputs) -> Mapping[str, Column]:
    """State of a dose not yet given, earlier ones done."""
    earliest, before, exists = _rows(x)
    age = np.floor(x.n("age_months"))
    boy_hpv = x.is_("vaccine", "HPV2") & x.male
    none = np.isnan(earliest) | boy_hpv | ~exists
    state = pick(
        ("too_early", "due", "overdue", "not_routine"),
        (none, "not_routine"),
        (age < earliest, "too_early"),
        (age >= before, "overdue"),
        default="due",
    )
    return {
        "state": state,
        "min_age_months": Column("integer", np.where(none, np.nan, earliest)),
        "complete_before_months": Column("integer", np.where(none, np.nan, before)),
    }


def contradicts(x: Inputs) -> Mapping[str, Bools]:
    """A dose that the vaccine does not have."""
    _, _, exists = _rows(x)
    return {"dose": ~exists & x.known("vaccine") & x.known("dose")}


INSTRUMENT = Instrument(
    name="immunisation_2026",
    title="免疫规划疫苗应种状态",
    edition="CN NIP 2026",
    editions=(OLD,),
    source="国家免疫规划疫苗儿童免疫程序及说明（2026年版）；2021年版供旧记录使用",
    confidence="H",
    validity="按满月龄；前面各剂已按间隔完成；减毒与灭活产品只种一种",
    inputs=(
        choice("vaccine", "疫苗", *VACCINES, own=True),
        count("dose", "第几剂", 5, low=1, own=True),
        number("age_months", "月龄", "months", low=0, high=1500),
        SEX,
    ),
    compute=compute,
    contradicts=contradicts,
    grade="state",
    value="min_age_months",
    unit="month",
    family="child",
    says={
        "too_early": "未到接种月龄（满{min_age_months}月龄起）。",
        "due": "现在可以接种。",
        "overdue": "已超过应完成月龄，尽快补种，不必重新开始。",
        "not_routine": "不属于常规接种。",
    },
)
