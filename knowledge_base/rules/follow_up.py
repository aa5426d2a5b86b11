"""Follow-up classes of the national service standard, shared by hypertension and type 2 diabetes.

The form has one class. Order if several apply (project choice, not printed in the standard): emergency > complication >
adverse > unsatisfied > satisfied. Equality with a limit is not controlled.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Bools, Column, Inputs, choice, flag, pick

CLASSES = ("satisfied", "unsatisfied", "adverse", "complication", "emergency")
ACTIONS = ("routine", "adjust_drugs", "refer", "treat_and_refer_urgently")
SOURCE = "国家基本公共卫生服务规范（第三版，2017）"
EDITION = "National basic PH service standard 3rd ed. 2017"
FLAGS = (
    flag("danger_signs", "危急症状"),
    flag("pregnant_or_lactating", "妊娠或哺乳"),
    flag("other_unmanageable", "其他本机构不能处理的疾病"),
    flag("new_or_worse_complication", "新出现或加重的并发症"),
    flag("adverse_reaction", "药物不良反应"),
    flag("adverse_hard_to_control", "不良反应难以控制"),
    choice("previous_class", "上次随访分类", *CLASSES),
)
SAYS = {
    "satisfied": "控制满意：维持原方案，3个月内随访。",
    "unsatisfied": "控制不满意：核对服药，调整药物，2周内随访；连续两次不满意则转诊。",
    "adverse": "有药物不良反应：换药，2周内随访；难以控制或连续两次则转诊。",
    "complication": "出现新的或加重的并发症：转上级医院，2周内主动随访。",
    "emergency": "有危急情况：紧急处理后立即转诊，2周内主动随访。",
}


def classify(x: Inputs, danger: Bools, uncontrolled: Bools) -> Mapping[str, Column]:
    """Class, action and the latest next contact in days."""
    emergency = danger | x.yes("danger_signs") | x.yes("other_unmanageable")
    complication, adverse = x.yes("new_or_worse_complication"), x.yes("adverse_reaction")
    before_unsatisfied, before_adverse = x.is_("previous_class", "unsatisfied"), x.is_("previous_class", "adverse")
    group = pick(
        CLASSES,
        (emergency, "emergency"),
        (complication, "complication"),
        (adverse, "adverse"),
        (uncontrolled, "unsatisfied"),
        default="satisfied",
    )
    again = adverse & (x.yes("adverse_hard_to_control") | before_adverse | (uncontrolled & before_unsatisfied))
    action = pick(
        ACTIONS,
        (emergency, "treat_and_refer_urgently"),
        (complication | again, "refer"),
        (adverse, "adjust_drugs"),
        (uncontrolled & before_unsatisfied, "refer"),
        (uncontrolled, "adjust_drugs"),
        default="routine",
    )
    days = np.where(action.data == 0, 90.0, 14.0)
    return {"class": group, "action": action, "followup_days": Column("integer", days)}
