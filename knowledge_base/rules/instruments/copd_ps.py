"""COPD-PS (clinical_rules section 18)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, Bools, Column, Inputs, Instrument, choice, points, table, truth, whole

CUT = 5


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 10; five or more: spirometry."""
    score = table(x.n("age_y"), (50, 60), (0, 1, 2)) + points(
        (1, x.is_("short_of_breath", "some")),
        (2, x.is_("short_of_breath", "most", "all")),
        (1, x.is_("phlegm", "monthly", "weekly")),
        (2, x.is_("phlegm", "daily")),
        (1, x.is_("do_less", "agree")),
        (2, x.is_("do_less", "strongly_agree")),
        (2, x.is_("smoked_100", "yes")),
    )
    return {"score": whole(score), "positive": truth(score >= CUT)}


def outside(x: Inputs) -> Bools:
    """From 35 years."""
    return x.n("age_y") < 35


INSTRUMENT = Instrument(
    name="copd_ps",
    title="慢阻肺人群筛查问卷（COPD-PS）",
    edition="Martinez 2008",
    source="Martinez FJ et al. COPD 2008;5:85",
    confidence="H",
    validity="35岁及以上",
    inputs=(
        AGE,
        choice("short_of_breath", "近4周气短", "never", "little", "some", "most", "all"),
        choice("phlegm", "咳痰", "never", "colds_only", "monthly", "weekly", "daily"),
        choice("do_less", "因呼吸问题活动减少", "strongly_disagree", "disagree", "unsure", "agree", "strongly_agree"),
        choice("smoked_100", "一生吸烟满100支", "no", "unknown", "yes"),
    ),
    compute=compute,
    outside=outside,
    grade="positive",
    value="score",
    unit="分",
    family="respiratory",
    keys=("age_y", "short_of_breath"),
    says={True: "{score}分（≥5）：可能有慢阻肺，建议做肺功能。", False: "{score}分（<5）：慢阻肺可能性小。"},
)
