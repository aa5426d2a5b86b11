"""IMCI dehydration (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import Column, Inputs, Instrument, choice, flag, pick, points


def compute(x: Inputs) -> Mapping[str, Column]:
    """Two signs of a row make the class; severe first."""
    sunken = x.yes("sunken_eyes")
    severe = points(
        (1, x.yes("lethargic_unconscious")), (1, sunken), (1, x.is_("drinks", "unable_or_poorly")), (1, x.is_("skin_pinch", "very_slow"))
    )
    some = points((1, x.yes("restless_irritable")), (1, sunken), (1, x.is_("drinks", "eagerly_thirsty")), (1, x.is_("skin_pinch", "slow")))
    return {"class": pick(("none", "some", "severe"), (severe >= 2, "severe"), (some >= 2, "some"), default="none")}


INSTRUMENT = Instrument(
    name="imci_dehydration",
    title="儿童脱水程度（IMCI）",
    edition="WHO IMCI 2014",
    source="WHO IMCI 2014",
    confidence="M",
    validity="2个月–5岁腹泻患儿",
    inputs=(
        flag("lethargic_unconscious", "嗜睡或昏迷"),
        flag("restless_irritable", "烦躁"),
        flag("sunken_eyes", "眼窝凹陷"),
        choice("drinks", "饮水", "normal", "eagerly_thirsty", "unable_or_poorly"),
        choice("skin_pinch", "皮肤回缩", "normal", "slow", "very_slow"),
    ),
    compute=compute,
    grade="class",
    family="child",
    says={
        "none": "无明显脱水：继续喂养，口服补液预防。",
        "some": "有脱水：口服补液盐，4小时后复评。",
        "severe": "重度脱水：立即静脉补液并转诊。",
    },
)
