"""From a photograph's or a patient's result to what the clinic does next."""

from __future__ import annotations

from data_contracts.screen import ScreenAdvice
from knowledge_base.rules.retinopathy_follow_up import FOLLOW_UP, GRADE_NAMES, REFER_FROM_GRADE, Edition, Urgency, urgency_of


def _referral(urgency: Urgency, within_months: int | None, why: str, edition: str) -> dict[str, object]:
    return {"needed": True, "to": "眼科", "urgency": urgency, "within_months": within_months, "why": why, "edition": edition}


def advise(grade: int, referable: bool, *, edition: Edition = "CN", refer_from: int = REFER_FROM_GRADE) -> ScreenAdvice:
    """Advice for a gradable photograph.

    Args:
        grade: most likely ICDR grade, 0..4.
        referable: the decision at the sealed threshold; it may refer an eye whose most likely grade is lower.
        edition: guideline edition of the intervals.
        refer_from: lowest grade that is referred whatever the threshold says.
    """
    step = FOLLOW_UP[edition][grade]
    if grade >= refer_from or referable:
        shown = max(grade, REFER_FROM_GRADE)
        step = FOLLOW_UP[edition][shown]
        if grade >= refer_from:
            text = f"提示{GRADE_NAMES[grade]}糖尿病视网膜病变，建议转眼科，{step.range_text}。"
        else:
            text = f"不能排除需转诊的视网膜病变（最可能的分级为{GRADE_NAMES[grade]}），建议转眼科复核，{step.range_text}。"
        if grade >= 4:
            text += "请尽快联系上级医院眼科。"
        referral = _referral(urgency_of(grade), step.months, "grade" if grade >= refer_from else "threshold", edition)
        return ScreenAdvice(referral=referral, rescreen_months=None, message=text + _ALWAYS)
    text = f"未见需转诊的糖尿病视网膜病变（{GRADE_NAMES[grade]}），建议 {step.months} 个月后复查眼底（指南范围 {step.range_text}）。"
    return ScreenAdvice(referral=None, rescreen_months=step.months, message=text + _ALWAYS)


_ALWAYS = "如有视力突然下降、眼前黑影或视物变形，不论结果如何，请立即转眼科。"


def advise_ungradable(reason: str, *, photograph: bool, edition: Edition = "CN") -> ScreenAdvice:
    """Advice for a photograph that cannot be graded: retake, and refer where retaking does not help.

    Args:
        reason: why, in plain Chinese, with how to retake.
        photograph: whether it is a fundus photograph at all; a stranger asks for the right picture only.
        edition: guideline edition, told with the referral.
    """
    if not photograph:
        return ScreenAdvice(referral=None, rescreen_months=None, message=f"{reason}请上传彩色眼底照片。")
    text = f"{reason}重拍仍无法判读时按“不可判读”转眼科散瞳检查。"
    return ScreenAdvice(referral=_referral("routine", None, "ungradable", edition), rescreen_months=None, message=text)
