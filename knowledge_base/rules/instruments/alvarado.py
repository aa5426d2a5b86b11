"""Alvarado score (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import TEMP, WBC, Column, Inputs, Instrument, bands, flag, points, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 10."""
    score = points(
        (1, x.yes("migration")),
        (1, x.yes("anorexia")),
        (1, x.yes("nausea_vomiting")),
        (2, x.yes("rif_tenderness")),
        (1, x.yes("rebound")),
        (1, x.n("temp") >= 37.3),
        (2, x.n("wbc") > 10),
        (1, x.yes("left_shift")),
    )
    return {"score": whole(score), "band": bands(score, (5, 7), ("unlikely", "possible", "probable"))}


INSTRUMENT = Instrument(
    name="alvarado",
    title="阑尾炎Alvarado评分",
    edition="Alvarado 1986",
    source="Alvarado A. Ann Emerg Med 1986;15:557",
    confidence="M",
    inputs=(
        flag("migration", "转移性右下腹痛"),
        flag("anorexia", "厌食"),
        flag("nausea_vomiting", "恶心呕吐"),
        flag("rif_tenderness", "右下腹压痛"),
        flag("rebound", "反跳痛"),
        TEMP,
        WBC,
        flag("left_shift", "中性粒细胞核左移"),
    ),
    compute=compute,
    grade="band",
    value="score",
    unit="分",
    family="triage",
    says={
        "unlikely": "{score}分：阑尾炎可能性小，观察复诊。",
        "possible": "{score}分：可能，转院做超声或CT。",
        "probable": "{score}分：很可能，立即转外科。",
    },
)
