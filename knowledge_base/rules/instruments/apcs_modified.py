"""Modified Asia-Pacific colorectal screening score (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.colorectal import EVER_SMOKER, FH_CRC
from knowledge_base.rules.instrument import AGE, BMI, SEX, Column, Inputs, Instrument, bands, points, table, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """Sum of points, 0 to 6; three or more is high."""
    score = table(x.n("age_y"), (50, 60), (0, 1, 2)) + points(
        (1, x.male), (1, x.yes("fh_crc")), (1, x.yes("ever_smoker")), (1, x.n("bmi") >= 23)
    )
    return {"score": whole(score), "tier": bands(score, (3,), ("average", "high"))}


INSTRUMENT = Instrument(
    name="apcs_modified",
    title="改良亚太结直肠癌筛查评分",
    edition="Sung 2018",
    source="Sung JJY et al. 2018",
    confidence="M",
    inputs=(AGE, SEX, FH_CRC, EVER_SMOKER, BMI),
    compute=compute,
    grade="tier",
    value="score",
    unit="分",
    family="cancer",
    says={"average": "{score}分：一般风险。", "high": "{score}分：高风险，建议结肠镜。"},
)
