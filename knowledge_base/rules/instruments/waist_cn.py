"""Waist by Chinese cut-offs (clinical_rules section 20)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import SEX, WAIST, Column, Inputs, Instrument, pick


def compute(x: Inputs) -> Mapping[str, Column]:
    """Five centimetres below the cut of central obesity is pre-central."""
    cut = np.where(x.male, 90.0, 85.0)
    waist = x.n("waist")
    return {
        "class": pick(
            ("normal", "pre_central", "central_obesity"),
            (waist >= cut, "central_obesity"),
            (waist >= cut - 5, "pre_central"),
            default="normal",
        )
    }


INSTRUMENT = Instrument(
    name="waist_cn",
    title="腰围（中国成人）",
    edition="WS/T 428-2013",
    source="WS/T 428—2013 成人体重判定",
    confidence="H",
    validity="18岁及以上、非妊娠",
    inputs=(SEX, WAIST),
    compute=compute,
    grade="class",
    value="waist",
    unit="cm",
    says={"normal": "腰围正常。", "pre_central": "中心型肥胖前期：控制腰围。", "central_obesity": "中心型肥胖：减重、减腰围。"},
)
