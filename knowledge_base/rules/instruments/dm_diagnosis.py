"""Diabetes diagnosis and glucose classes (clinical_rules section 7)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import (
    FPG,
    GLU2H,
    HBA1C,
    RANDOM_GLU,
    Bools,
    Column,
    Inputs,
    Instrument,
    flag,
    members,
    optional,
    pick,
    points,
)

LABELS = ("normal", "IFG", "IGT", "IFG+IGT", "diabetes", "diabetes_to_confirm", "incomplete")


def compute(x: Inputs) -> Mapping[str, Column]:
    """With typical symptoms one criterion is enough; without, two of them or another day's confirmation. Random glucose
    counts only with symptoms; HbA1c only where valid."""
    fpg, two_hours = x.n("fpg"), x.n("glu2h")
    symptoms = x.yes("symptoms")
    by_fpg, by_2h = fpg >= 7.0, two_hours >= 11.1
    by_hba1c = (x.n("hba1c") >= 6.5) & x.yes("hba1c_valid")
    by_random = (x.n("random_glu") >= 11.1) & symptoms
    n = points((1, by_fpg), (1, by_2h), (1, by_hba1c))
    diabetes = by_random | ((n >= 1) & (symptoms | x.yes("confirmed_other_day"))) | (n >= 2)
    ifg, igt = fpg >= 6.1, two_hours >= 7.8
    known_fpg, known_2h = x.known("fpg"), x.known("glu2h")
    group = pick(
        LABELS,
        (diabetes, "diabetes"),
        (n == 1, "diabetes_to_confirm"),
        (ifg & igt, "IFG+IGT"),
        (igt, "IGT"),
        (ifg, "IFG"),
        (known_fpg, "normal"),
        default="incomplete",
    )
    return {
        "class": group,
        "by": members(fpg=by_fpg, glu2h=by_2h, hba1c=by_hba1c, random=by_random),
        "ogtt_advised": _ogtt(ifg, known_2h, diabetes),
    }


def _ogtt(ifg: Bools, known_2h: Bools, diabetes: Bools) -> Column:
    return Column("flag", (ifg & ~known_2h & ~diabetes).astype(np.int8))


def doubts(x: Inputs, out: Mapping[str, Column]) -> Bools:
    """The clause on HbA1c is recalled."""
    return x.n("hba1c") >= 6.5


INSTRUMENT = Instrument(
    name="dm_diagnosis",
    title="糖代谢状态判定",
    edition="WHO 1999 / CDS 2020",
    source="WHO 1999；中国2型糖尿病防治指南（2020年版）",
    confidence="H",
    doubts=doubts,
    validity="静脉血浆血糖；末梢血糖只作筛查，不作诊断；妊娠期另有标准",
    inputs=(
        optional(FPG),
        optional(GLU2H),
        optional(HBA1C),
        optional(RANDOM_GLU),
        flag("hba1c_valid", "糖化血红蛋白测定可靠（标准化方法，无贫血等干扰）"),
        flag("symptoms", "典型症状（多饮、多尿、多食、体重下降）"),
        flag("confirmed_other_day", "另一天复查仍异常"),
    ),
    compute=compute,
    grade="class",
    keys=("fpg",),
    says={
        "normal": "血糖正常。",
        "IFG": "空腹血糖受损（6.1–6.9）：属糖尿病前期，建议做葡萄糖耐量试验。",
        "IGT": "糖耐量减低（负荷后2小时7.8–11.0）：属糖尿病前期，减重、运动、每年复查。",
        "IFG+IGT": "空腹血糖受损合并糖耐量减低：糖尿病前期，进展风险高，强化生活方式干预。",
        "diabetes": "达到糖尿病诊断标准，纳入管理。",
        "diabetes_to_confirm": "有一项达到糖尿病标准但无症状：需另日复查确认。",
        "incomplete": "缺空腹血糖，尚不能判定。",
    },
)
