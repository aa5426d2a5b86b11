"""CKD-EPI 2021 creatinine equation (clinical_rules section 14)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, CREA, SEX, Bools, Column, Inputs, Instrument, real
from knowledge_base.rules.kidney import EPI_2021, G_SAYS, category, gfr


def compute(x: Inputs) -> Mapping[str, Column]:
    """eGFR and its category."""
    egfr = gfr(EPI_2021, x.n("crea"), x.n("age_y"), x.female)
    return {"egfr": real(egfr, 1), "G": category(egfr)}


def outside(x: Inputs) -> Bools:
    """Adults only."""
    return x.n("age_y") < 18


INSTRUMENT = Instrument(
    name="ckd_epi_2021",
    title="估算肾小球滤过率（CKD-EPI 2021）",
    edition="Inker NEJM 2021",
    source="Inker LA et al. N Engl J Med 2021;385:1737",
    confidence="H",
    validity="18岁及以上、标准化肌酐、病情稳定；与2009年公式相比，多数成人读数高3–6",
    inputs=(AGE, SEX, CREA),
    compute=compute,
    outside=outside,
    outside_says="儿童用床旁Schwartz公式，不用CKD-EPI。",
    grade="G",
    value="egfr",
    unit="mL/min/1.73m2",
    keys=(
        "age_y",
        "sex",
        "crea",
    ),
    says={token: "估算值{egfr:.0f}。" + text for token, text in G_SAYS.items()},
)
