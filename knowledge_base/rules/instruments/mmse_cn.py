"""MMSE by Chinese education cuts (clinical_rules section 23)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Column, Inputs, Instrument, choice, count, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Positive at or below 17 (illiterate), 20 (primary), 24 (secondary and above)."""
    cut = np.select([x.is_("education", "illiterate"), x.is_("education", "primary")], [17.0, 20.0], default=24.0)
    return {"positive": truth(x.n("mmse") <= cut), "cut": whole(cut)}


INSTRUMENT = Instrument(
    name="mmse_cn",
    title="简易精神状态检查（MMSE）",
    edition="China education cuts",
    source="国内常用文化程度界值",
    confidence="M",
    inputs=(count("mmse", "MMSE得分", 30), choice("education", "文化程度", "illiterate", "primary", "secondary")),
    compute=compute,
    grade="positive",
    value="mmse",
    unit="分",
    family="elderly",
    says={True: "不高于界值{cut}分：提示认知障碍，建议进一步评估。", False: "高于界值{cut}分：未提示认知障碍。"},
)
