"""Gastric cancer risk by the Li score (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE, SEX, Bools, Column, Inputs, Instrument, bands, flag, number, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 23."""
    g17 = x.n("g17")
    gastrin = np.select([g17 > 5.70, g17 >= 1.50], [5, 3], default=0)
    score = table(x.n("age_y"), (50, 60, 70), (0, 5, 6, 10)) + points((4, x.male), (1, x.yes("hp_ab")), (3, x.n("pgr") < 3.89)) + gastrin
    return {"score": whole(score), "risk": bands(score, (12, 17), ("low", "medium", "high"))}


def outside(x: Inputs) -> Bools:
    """From 40 years."""
    return x.n("age_y") < 40


INSTRUMENT = Instrument(
    name="gastric_li_score",
    title="胃癌风险评分",
    edition="CN early gastric cancer consensus 2017",
    source="中国早期胃癌筛查流程专家共识意见（2017）",
    confidence="M",
    validity="40岁及以上筛查目标人群",
    inputs=(
        AGE,
        SEX,
        flag("hp_ab", "幽门螺杆菌抗体阳性"),
        number("pgr", "胃蛋白酶原比值", "pepsinogen_ratio", low=0, high=200),
        number("g17", "胃泌素-17", "gastrin", low=0, high=1000),
    ),
    compute=compute,
    outside=outside,
    grade="risk",
    value="score",
    unit="分",
    family="cancer",
    says={
        "low": "{score}分：胃癌低风险，每3年胃镜一次。",
        "medium": "{score}分：胃癌中风险，每2年胃镜一次。",
        "high": "{score}分：胃癌高风险，每年胃镜一次。",
    },
)
