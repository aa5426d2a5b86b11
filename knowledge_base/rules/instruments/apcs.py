"""Asia-Pacific colorectal screening score (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.colorectal import EVER_SMOKER, FH_CRC
from knowledge_base.rules.instrument import AGE, SEX, Column, Inputs, Instrument, bands, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 7."""
    score = table(x.n("age_y"), (50, 70), (0, 2, 3)) + points((1, x.male), (2, x.yes("fh_crc")), (1, x.yes("ever_smoker")))
    return {"score": whole(score), "tier": bands(score, (2, 4), ("average", "moderate", "high"))}


INSTRUMENT = Instrument(
    name="apcs",
    title="亚太结直肠癌筛查评分",
    edition="Yeoh 2011",
    source="Yeoh KG et al. Gut 2011;60:1236",
    confidence="H",
    inputs=(AGE, SEX, FH_CRC, EVER_SMOKER),
    compute=compute,
    grade="tier",
    value="score",
    unit="分",
    family="cancer",
    says={
        "average": "{score}分：一般风险。",
        "moderate": "{score}分：中等风险，建议粪便隐血筛查。",
        "high": "{score}分：高风险，建议结肠镜。",
    },
)
