"""ABCD2 (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, DBP, SBP, Column, Inputs, Instrument, bands, choice, flag, number, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 7; a low score does not remove the need for urgent assessment."""
    score = points(
        (1, x.n("age_y") >= 60),
        (1, (x.n("sbp") >= 140) | (x.n("dbp") >= 90)),
        (2, x.is_("clinical", "weakness")),
        (1, x.is_("clinical", "speech")),
        (1, x.yes("diabetes")),
    ) + table(x.n("duration_min"), (10, 60), (0, 1, 2))
    return {"score": whole(score), "band": bands(score, (4, 6), ("low", "moderate", "high"))}


INSTRUMENT = Instrument(
    name="abcd2",
    title="短暂性脑缺血发作ABCD²评分",
    edition="Johnston 2007",
    source="Johnston SC et al. Lancet 2007;369:283",
    confidence="H",
    validity="短暂性脑缺血发作；低分也应紧急评估",
    inputs=(
        AGE,
        SBP,
        DBP,
        choice("clinical", "临床表现", "weakness", "speech", "other", own=True),
        number("duration_min", "症状持续时间", "minutes", low=0, high=100000),
        flag("diabetes", "糖尿病"),
    ),
    compute=compute,
    grade="band",
    value="score",
    unit="分",
    family="triage",
    says={
        "low": "{score}分：低危，仍应尽快完成卒中评估。",
        "moderate": "{score}分：中危，当日转上级医院。",
        "high": "{score}分：高危，立即转卒中中心。",
    },
)
