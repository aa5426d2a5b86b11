"""What follows from a retinopathy grade: re-screening interval or referral, by guideline edition.

Sources: Chinese guidance (中国糖尿病视网膜病变临床诊疗指南; intervals 1-2 years, 6-12, 3-6, under 3 and under 1 month for
grades 0-4) and ICO Guidelines for Diabetic Eye Care 2017, low and middle resource settings. Where a source gives a range,
re-screening takes the shorter end that a clinic can keep. Referral from grade 2 is this project's rule and a setting.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Edition = Literal["CN", "ICO 2017"]
Urgency = Literal["routine", "soon", "urgent"]


@dataclass(frozen=True)
class Step:
    """Months until the retina must be looked at again (or the eye doctor seen), and the range of the source."""

    months: int
    range_text: str


FOLLOW_UP: dict[Edition, tuple[Step, Step, Step, Step, Step]] = {
    "CN": (Step(12, "1～2 年"), Step(12, "6～12 个月"), Step(3, "3～6 个月"), Step(3, "3 个月内"), Step(1, "1 个月内")),
    "ICO 2017": (Step(12, "1～2 年"), Step(12, "1～2 年"), Step(6, "6～12 个月"), Step(3, "3 个月内"), Step(1, "1 个月内")),
}
EDITIONS: tuple[Edition, ...] = ("CN", "ICO 2017")
REFER_FROM_GRADE = 2
GRADE_NAMES = ("无明显糖网", "轻度非增殖期", "中度非增殖期", "重度非增殖期", "增殖期")


def urgency_of(grade: int) -> Urgency:
    """How fast an eye doctor must see a referable eye of this grade."""
    if grade >= 4:
        return "urgent"
    return "soon" if grade == 3 else "routine"
