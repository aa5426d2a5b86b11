"""Wells score for pulmonary embolism (clinical_rules section 50)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import HR, Column, Inputs, Instrument, flag, pick, points, real


def compute(x: Inputs) -> Mapping[str, Column]:
    """Half points; above 4 is likely, above 6 high."""
    doubled = points(
        (6, x.yes("dvt_signs")),
        (6, x.yes("pe_most_likely")),
        (3, x.n("hr") > 100),
        (3, x.yes("immobile3d_or_surgery4w")),
        (3, x.yes("previous_dvt_pe")),
        (2, x.yes("haemoptysis")),
        (2, x.yes("cancer")),
    )
    score = doubled / 2
    return {
        "score": real(score, 1),
        "two_level": pick(("unlikely", "likely"), (score > 4, "likely"), default="unlikely"),
        "three_level": pick(("low", "moderate", "high"), (score > 6, "high"), (score >= 2, "moderate"), default="low"),
    }


INSTRUMENT = Instrument(
    name="wells_pe",
    title="肺栓塞可能性（Wells）",
    edition="Wells 2000",
    source="Wells PS et al. Thromb Haemost 2000;83:416",
    confidence="H",
    inputs=(
        flag("dvt_signs", "深静脉血栓体征"),
        flag("pe_most_likely", "肺栓塞最可能"),
        HR,
        flag("immobile3d_or_surgery4w", "制动≥3天或4周内手术"),
        flag("previous_dvt_pe", "既往血栓或肺栓塞"),
        flag("haemoptysis", "咯血"),
        flag("cancer", "肿瘤"),
    ),
    compute=compute,
    grade="two_level",
    value="score",
    unit="分",
    family="triage",
    says={"likely": "{score}分（>4）：肺栓塞可能，转院做CT肺动脉造影。", "unlikely": "{score}分（≤4）：可能性小，可查D-二聚体排除。"},
)
