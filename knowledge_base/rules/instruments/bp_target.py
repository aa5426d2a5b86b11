"""Blood-pressure goals by age and edition (clinical_rules section 3)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, Bools, Column, Inputs, Instrument, choice, pick

GOALS = ("150/90", "140/90", "130/80")


def compute(x: Inputs) -> Mapping[str, Column]:
    """First goal, and the goal if tolerated."""
    age, old = x.n("age_y"), x.is_("edition", "2018")
    first = pick(GOALS, (age >= 80, "150/90"), ((age >= 65) & old, "150/90"), default="140/90")
    tolerated = pick(GOALS, ((age >= 80) & old, "150/90"), (age >= 80, "140/90"), ((age >= 65) & old, "140/90"), default="130/80")
    return {"first": first, "tolerated": tolerated}


def outside(x: Inputs) -> Bools:
    """Adults only."""
    return x.n("age_y") < 18


INSTRUMENT = Instrument(
    name="bp_target",
    title="降压目标",
    edition="CN-HTN 2018 vs 2024",
    source="中国高血压防治指南（2018年修订版、2024年修订版）",
    confidence="M",
    validity="18岁及以上的高血压患者；合并糖尿病、蛋白尿肾病、冠心病、心衰、稳定期卒中者低于130/80（2024年版）",
    inputs=(AGE, choice("edition", "指南版本", "2018", "2024", own=True)),
    compute=compute,
    outside=outside,
    grade="first",
    value="tolerated",
    unit="mmHg",
    keys=("age_y", "hypertension"),
    says={"*": "血压先降到{first}以下，能耐受再降到{tolerated}以下。"},
)
