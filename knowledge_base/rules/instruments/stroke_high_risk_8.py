"""Stroke high-risk screening, eight factors (clinical_rules section 11)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import BMI, Column, Inputs, Instrument, flag, pick, points, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """One point a factor; a previous stroke or TIA decides by itself and is no ninth point."""
    names = ("hypertension", "dyslipidaemia", "diabetes", "af_or_valve", "smoker", "inactive", "fh_stroke")
    n = points((1, x.n("bmi") >= 26), *((1, x.yes(name)) for name in names))
    risk = pick(
        ("low", "medium", "high"),
        ((n >= 3) | x.yes("prior_stroke") | x.yes("prior_tia"), "high"),
        (x.yes("hypertension") | x.yes("diabetes") | x.yes("af_or_valve"), "medium"),
        default="low",
    )
    return {"n_factors": whole(n), "risk": risk}


INSTRUMENT = Instrument(
    name="stroke_high_risk_8",
    title="脑卒中高危筛查（8因素）",
    edition="CN stroke screening programme",
    source="国家脑卒中高危人群筛查和干预项目",
    confidence="H",
    validity="40岁及以上常住居民；血脂不详者请先查血脂，不按异常计",
    inputs=(
        flag("hypertension", "高血压（≥140/90或服药）"),
        flag("dyslipidaemia", "血脂异常"),
        flag("diabetes", "糖尿病"),
        flag("af_or_valve", "房颤或瓣膜病"),
        flag("smoker", "现在吸烟"),
        BMI,
        flag("inactive", "缺乏运动"),
        flag("fh_stroke", "家族脑卒中史"),
        flag("prior_stroke", "既往脑卒中"),
        flag("prior_tia", "既往短暂性脑缺血发作"),
    ),
    compute=compute,
    grade="risk",
    value="n_factors",
    unit="项",
    keys=("hypertension", "bmi"),
    says={
        "low": "脑卒中低危（危险因素{n_factors}项）。",
        "medium": "脑卒中中危（危险因素{n_factors}项，有高血压、糖尿病或房颤/瓣膜病）：规范管理原发病。",
        "high": "脑卒中高危（危险因素{n_factors}项）：建议颈动脉超声并强化干预。",
    },
)
