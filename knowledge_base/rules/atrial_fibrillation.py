"""What the three CHA2DS2 scores share: inputs and the sum without age and sex."""

from __future__ import annotations

from knowledge_base.rules.instrument import Bools, Column, Inputs, Ints, flag, pick, points

FLAGS = (
    flag("chf", "心力衰竭或左室射血分数≤40%"),
    flag("hypertension", "高血压"),
    flag("diabetes", "糖尿病"),
    flag("stroke_tia_te", "脑卒中、短暂性脑缺血发作或体循环栓塞"),
    flag("vascular", "血管疾病（心梗、外周动脉病、主动脉斑块）"),
)
VALIDITY = "非瓣膜性房颤；中重度二尖瓣狭窄或机械瓣无论得分都应抗凝"
SAYS = {
    "none": "{score}分：目前不需要抗凝，定期复评。",
    "consider": "{score}分：可考虑口服抗凝药，结合出血风险与意愿。",
    "recommend": "{score}分：建议口服抗凝药预防卒中。",
}


def comorbidity(x: Inputs) -> Ints:
    """Points of the diseases."""
    return points(
        (1, x.yes("chf")), (1, x.yes("hypertension")), (1, x.yes("diabetes")), (2, x.yes("stroke_tia_te")), (1, x.yes("vascular"))
    )


def anticoagulation(score: Ints, free_point: Bools) -> Column:
    """Anticoagulation by score; the point for being female alone never leads to treatment."""
    counted = score - free_point
    return pick(("none", "consider", "recommend"), (counted >= 2, "recommend"), (counted == 1, "consider"), default="none")
