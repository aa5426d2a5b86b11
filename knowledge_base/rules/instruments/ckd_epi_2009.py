"""CKD-EPI 2009 creatinine equation (clinical_rules section 14)."""

from __future__ import annotations

from collections.abc import Mapping

from knowledge_base.rules.instrument import AGE, CREA, SEX, Bools, Column, Inputs, Instrument, real
from knowledge_base.rules.kidney import EPI_2009, G_SAYS, category, gfr


def compute(x: Inputs) -> Mapping[str, Column]:
    """eGFR and its category."""
    egfr = gfr(EPI_2009, x.n("crea"), x.n("age_y"), x.female)
    return {"egfr": real(egfr, 1), "G": category(egfr)}


def outside(x: Inputs) -> Bools:
    """Adults only."""
    return x.n("age_y") < 18


INSTRUMENT = Instrument(
    name="ckd_epi_2009",
    title="估算肾小球滤过率（CKD-EPI 2009）",
    edition="Levey 2009, no race term",
    source="Levey AS et al. Ann Intern Med 2009;150:604（不用种族项）",
    confidence="H",
    validity="18岁及以上、标准化肌酐、病情稳定；国内不少检验单仍用本公式",
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
