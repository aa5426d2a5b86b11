"""Self-care of the elderly (clinical_rules section 22)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, bands, count, whole

ITEMS = ("meal", "wash", "dress", "toilet", "move")


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of the five items; higher is worse (the Barthel index is the reverse)."""
    score = x.n("meal") + x.n("wash") + x.n("dress") + x.n("toilet") + x.n("move")
    return {"score": whole(score), "class": bands(score, (4, 9, 19), ("independent", "mild", "moderate", "dependent"))}


INSTRUMENT = Instrument(
    name="selfcare_elderly",
    title="老年人生活自理能力评估",
    edition="National basic PH service standard 3rd ed. 2017",
    source="国家基本公共卫生服务规范（第三版，2017）",
    confidence="H",
    validity="65岁及以上，每年一次；分越高越差",
    inputs=(
        count("meal", "进餐", 5, legal=(0, 3, 5)),
        count("wash", "梳洗", 7, legal=(0, 1, 3, 7)),
        count("dress", "穿衣", 5, legal=(0, 3, 5)),
        count("toilet", "如厕", 10, legal=(0, 1, 5, 10)),
        count("move", "活动", 10, legal=(0, 1, 5, 10)),
    ),
    compute=compute,
    grade="class",
    value="score",
    unit="分",
    family="elderly",
    says={
        "independent": "{score}分：可自理。",
        "mild": "{score}分：轻度依赖。",
        "moderate": "{score}分：中度依赖，需家人协助并评估跌倒风险。",
        "dependent": "{score}分：不能自理，建议失能照护与上门服务。",
    },
)
