"""Anaemia by age, sex and edition (clinical_rules section 35)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import AGE_MONTHS, HB, SEX, Bools, Column, Inputs, Instrument, choice, count, flag, pick, truth, whole


def _pregnant(x: Inputs) -> Bools:
    return x.yes("pregnant")


def compute(x: Inputs) -> Mapping[str, Column]:
    """The limit (g/L) of the group; severity by the Chinese adult grades in that edition only."""
    age, hb = x.n("age_m"), x.n("hb")
    new, textbook = x.is_("edition", "who2024"), x.is_("edition", "cn_textbook")
    pregnant = _pregnant(x)
    second = new & (x.n("trimester") == 2)
    limit = np.select(
        [
            pregnant & textbook,
            pregnant & second,
            pregnant,
            (age < 24) & new,
            age < 60,
            age < 144,
            age < 180,
            textbook & x.male,
            textbook,
            x.male,
        ],
        [100, 105, 110, 105, 110, 115, 120, 120, 110, 130],
        default=120,
    ).astype(np.float64)
    low = hb < limit
    severity = pick(
        ("mild", "moderate", "severe", "extreme"),
        (~low | ~textbook, None),
        (hb < 30, "extreme"),
        (hb < 60, "severe"),
        (hb <= 90, "moderate"),
        default="mild",
    )
    return {"anaemia": truth(low), "limit": whole(limit), "severity": severity}


def outside(x: Inputs) -> Bools:
    """From six months; the textbook's children rows are not used."""
    return (x.n("age_m") < 6) | (x.is_("edition", "cn_textbook") & (x.n("age_m") < 180))


def contradicts(x: Inputs) -> Mapping[str, Bools]:
    """A pregnant man."""
    where = _pregnant(x) & x.male
    return {"pregnant": where, "sex": where}


def doubts(x: Inputs, out: Mapping[str, Column]) -> Bools:
    """Only the WHO 2024 column was met twice."""
    return ~x.is_("edition", "who2024")


INSTRUMENT = Instrument(
    name="anaemia",
    title="贫血判定",
    edition="WHO 2011 / WHO 2024 / CN textbook",
    source="WHO 2011、WHO 2024；国内教科书标准",
    confidence="M",
    doubts=doubts,
    validity="静脉血、海平面；高海拔与吸烟者界值上调",
    inputs=(
        AGE_MONTHS,
        SEX,
        flag("pregnant", "妊娠"),
        count("trimester", "孕期（1早 2中 3晚）", 3, low=1, needed=_pregnant),
        HB,
        choice("edition", "标准版本", "who2011", "who2024", "cn_textbook", own=True),
    ),
    compute=compute,
    outside=outside,
    contradicts=contradicts,
    grade="anaemia",
    value="hb",
    unit="g/L",
    keys=("hb", "sex"),
    says={True: "血红蛋白低于界值{limit} g/L：贫血，查血常规指标与原因。", False: "血红蛋白不低于界值{limit} g/L。"},
)
