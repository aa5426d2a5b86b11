"""National colorectal screening questionnaire 2024 (clinical_rules section 40)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.colorectal import EVER_SMOKER
from knowledge_base.rules.instrument import AGE, BMI, SEX, Bools, Column, Inputs, Instrument, count, flag, points, table, truth, whole


def compute(x: Inputs) -> Mapping[str, Column]:
    """One first-degree relative counts 1; diagnosed before 60, or two relatives, 4."""
    relatives = x.n("n_fdr_crc")
    strong = (relatives >= 2) | ((relatives >= 1) & x.yes("fdr_crc_under60"))
    score = table(x.n("age_y"), (50, 60), (0, 1, 2)) + points(
        (1, x.male), (4, strong), (1, (relatives >= 1) & ~strong), (1, x.yes("ever_smoker")), (1, x.n("bmi") >= 23)
    )
    return {"score": whole(score), "high_risk": truth(score >= 4)}


def outside(x: Inputs) -> Bools:
    """40 to 74 years."""
    return (x.n("age_y") < 40) | (x.n("age_y") >= 75)


INSTRUMENT = Instrument(
    name="crc_screen_2024",
    title="结直肠癌高风险问卷（2024国家方案）",
    edition="CN national colorectal plan 2024",
    source="结直肠癌筛查与早诊早治方案（2024年版）",
    confidence="M",
    validity="40–74岁",
    inputs=(AGE, SEX, count("n_fdr_crc", "患结直肠癌的一级亲属人数", 30), flag("fdr_crc_under60", "亲属60岁前确诊"), EVER_SMOKER, BMI),
    compute=compute,
    outside=outside,
    grade="high_risk",
    value="score",
    unit="分",
    family="cancer",
    says={True: "{score}分（≥4）：高风险，建议结肠镜。", False: "{score}分（<4）：建议粪便隐血筛查。"},
)
