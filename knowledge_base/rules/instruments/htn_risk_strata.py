"""Cardiovascular risk strata in hypertension (clinical_rules section 2)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from knowledge_base.rules.instrument import DBP, SBP, Bools, Column, Inputs, Instrument, count, flag

TABLE_2018: tuple[tuple[str | None, ...], ...] = (
    (None, "low", "medium", "high"),
    ("low", "medium", "medium/high", "very_high"),
    ("medium/high", "high", "high", "very_high"),
    ("high/very_high", "very_high", "very_high", "very_high"),
)
"""Rows: no factor; 1-2; >=3, organ damage, CKD 3 or uncomplicated diabetes; clinical disease, CKD >=4 or complicated
diabetes. Columns: 130-139/85-89, grade 1, 2, 3. The first cell is empty in 2018 and "low" in 2024."""
LABELS = ("low", "medium", "medium/high", "high", "high/very_high", "very_high", "not_in_table")
NOT_IN_TABLE = LABELS.index("not_in_table")


def _codes(first: str | None) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    rows = [list(row) for row in TABLE_2018]
    rows[0][0] = first
    return np.array([[-1 if cell is None else LABELS.index(cell) for cell in row] for row in rows], dtype=np.int8)


def compute(x: Inputs) -> Mapping[str, Column]:
    """Cells that the guideline prints with two classes stay two classes."""
    sbp, dbp, factors = x.n("sbp"), x.n("dbp"), x.n("n_risk_factors")
    column = np.maximum(np.searchsorted([140.0, 160.0, 180.0], sbp, side="right"), np.searchsorted([90.0, 100.0, 110.0], dbp, side="right"))
    row = np.select(
        [
            x.yes("clinical_comorbidity") | x.yes("ckd4plus") | x.yes("dm_complicated"),
            (factors >= 3) | x.yes("target_organ_damage") | x.yes("ckd3") | x.yes("dm_uncomplicated"),
            factors >= 1,
        ],
        [3, 2, 1],
        default=0,
    )
    cells = _codes("low" if "2024" in x.edition and "2018" not in x.edition else None)
    in_table = (sbp >= 130) | (dbp >= 85)
    return {"stratum": Column("label", np.where(in_table, cells[row, column], np.int8(NOT_IN_TABLE)).astype(np.int8), LABELS)}


def doubts(x: Inputs, out: Mapping[str, Column]) -> Bools:
    """The 2024 cell of the first row is recalled only."""
    return np.full(x.size, "2024" in x.edition and "2018" not in x.edition) & (x.n("n_risk_factors") == 0)


INSTRUMENT = Instrument(
    name="htn_risk_strata",
    title="高血压心血管风险分层",
    edition="CN-HTN 2018 (2024 table read alike)",
    editions=("CN-HTN 2018", "CN-HTN 2024"),
    source="中国高血压防治指南2018年修订版，心血管风险水平分层表",
    confidence="H",
    doubts=doubts,
    validity="高血压患者，或血压130/85以上；取已知最高的未治疗血压",
    inputs=(
        SBP,
        DBP,
        count("n_risk_factors", "其他心血管危险因素个数", own=True),
        flag("target_organ_damage", "靶器官损害"),
        flag("ckd3", "慢性肾脏病3期"),
        flag("ckd4plus", "慢性肾脏病4期及以上"),
        flag("dm_uncomplicated", "无并发症的糖尿病"),
        flag("dm_complicated", "有并发症的糖尿病"),
        flag("clinical_comorbidity", "临床并发症（脑卒中、冠心病、心衰、房颤、外周动脉病等）"),
    ),
    compute=compute,
    grade="stratum",
    keys=("sbp", "dbp", "hypertension"),
    says={
        "low": "心血管风险低危：先改善生活方式4–12周，复测血压。",
        "medium": "心血管风险中危：改善生活方式数周后仍不达标即用药。",
        "medium/high": "心血管风险中危至高危（指南表中两级并列）：按高危对待更稳妥，尽早用药。",
        "high": "心血管风险高危：应立即开始药物治疗并管理其他危险因素。",
        "high/very_high": "心血管风险高危至很高危（指南表中两级并列）：应立即药物治疗。",
        "very_high": "心血管风险很高危：立即药物治疗，建议上级医院评估。",
        "not_in_table": "血压低于130/85，不在分层表内。",
        None: "血压130–139/85–89且无其他危险因素：2018年版指南不分级，改善生活方式即可。",
    },
)
