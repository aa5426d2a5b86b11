"""International clinical diabetic retinopathy scale and what to do (clinical_rules section 24)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import Column, Inputs, Instrument, choice, count, flag, pick


def compute(x: Inputs) -> Mapping[str, Column]:
    """Ungradable photographs and any macular oedema are referred; grade 2 and worse too (project rule)."""
    severe = (x.n("haem_quadrants_ge20") >= 4) | (x.n("beading_quadrants") >= 2) | (x.n("irma_quadrants") >= 1)
    some = x.yes("more_than_ma") | (x.n("haem_quadrants_ge20") >= 1) | (x.n("beading_quadrants") >= 1)
    proliferative = x.yes("neovascularisation") | x.yes("vitreous_or_preretinal_haemorrhage")
    ungradable = x.yes("ungradable")
    grade = np.select([ungradable, proliferative, severe, x.yes("more_than_ma"), x.yes("ma")], [np.nan, 4, 3, 2, 1], default=0)
    oedema = ~x.is_("dme", "none")
    action = pick(
        ("rescreen", "refer", "refer_urgent"),
        (ungradable, "refer"),
        (proliferative, "refer_urgent"),
        (severe | x.yes("more_than_ma") | oedema, "refer"),
        default="rescreen",
    )
    months = np.where(action.data == 0, 12.0, 0.0)
    unsure = some & (grade <= 1)
    return {
        "grade": Column("integer", grade),
        "action": action,
        "max_interval_months": Column("integer", months),
        "check_lesions": Column("flag", unsure.astype(np.int8)),
    }


INSTRUMENT = Instrument(
    name="dr_icdr",
    title="糖尿病视网膜病变分级",
    edition="ICDR 2003; referral rule simplified",
    source="ICDR 2003 国际临床分级；转诊规则为本项目设定",
    confidence="M",
    validity="糖尿病患者；2型确诊时即查，1型5年后开始，妊娠期每三个月",
    inputs=(
        flag("ma", "微动脉瘤"),
        flag("more_than_ma", "微动脉瘤以外的病变"),
        count("haem_quadrants_ge20", "出血≥20个的象限数"),
        count("beading_quadrants", "静脉串珠象限数"),
        count("irma_quadrants", "视网膜内微血管异常象限数"),
        flag("neovascularisation", "新生血管"),
        flag("vitreous_or_preretinal_haemorrhage", "玻璃体或视网膜前出血"),
        choice("dme", "黄斑水肿", "none", "non_centre", "centre"),
        flag("ungradable", "照片无法判读"),
    ),
    compute=compute,
    grade="action",
    value="grade",
    unit="级",
    family="eye",
    says={"rescreen": "暂不转诊，12个月内复查眼底。", "refer": "建议转眼科。", "refer_urgent": "疑增殖期病变，尽快转眼科。"},
)
