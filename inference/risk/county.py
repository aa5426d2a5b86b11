"""The county's summary: counts added up block by block, so that memory stays flat."""

from __future__ import annotations

import heapq
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from inference.risk.rows import inputs_by_name
from inference.risk.table import Layout
from knowledge_base.rules import Graded, Sheet
from knowledge_base.rules.grading import OK, STATUSES
from knowledge_base.rules.instrument import Bools, flag

HIGH_RISK_LIST = 500
WHOLE = "全县"


def _yes(sheet: Sheet, name: str) -> tuple[Bools, Bools]:
    if name not in sheet:
        return np.zeros(sheet.size, dtype=bool), np.zeros(sheet.size, dtype=bool)
    parsed = sheet.parse(name, flag(name, name))
    return parsed.values == 1, ~parsed.missing & ~parsed.bad


def _label(graded: Mapping[str, Graded], instrument: str, output: str, *labels: str) -> tuple[Bools, Bools] | None:
    result = graded.get(instrument)
    if result is None:
        return None
    column = result.outputs[output]
    known = (result.status == OK) & (column.data >= 0)
    wanted = [column.labels.index(label) for label in labels if label in column.labels]
    return known & np.isin(column.data, wanted), known


def block_summary(block: pa.RecordBatch, sheet: Sheet, graded: Mapping[str, Graded], layout: Layout, errors: pa.Array) -> dict[str, Any]:
    """Counts of one block, JSON-ready; blocks are added by `Summary.add`."""
    size = sheet.size
    indicators: dict[str, tuple[Bools, Bools]] = {}
    hypertension, known = _yes(sheet, "hypertension")
    raised = _label(graded, "bp_grade", "category", "grade1", "grade2", "grade3")
    if raised is not None:
        indicators["血压≥140/90"] = raised
    if "hypertension" in sheet:
        indicators["高血压"] = (hypertension, known)
        if raised is not None:
            # Control by the service standard: below 140/90, from 65 years below 150/90.
            by_name = inputs_by_name()
            age = sheet.parse("age_y", by_name["age_y"]).values if "age_y" in sheet else np.full(size, np.nan)
            sbp, dbp = sheet.parse("sbp", by_name["sbp"]).values, sheet.parse("dbp", by_name["dbp"]).values
            controlled = (sbp < np.where(age >= 65, 150, 140)) & (dbp < 90)
            indicators["高血压控制"] = (hypertension & controlled & raised[1], hypertension & raised[1])
    diabetes, diabetes_known = _yes(sheet, "diabetes")
    if "diabetes" in sheet:
        indicators["糖尿病"] = (diabetes, diabetes_known)
        if "fpg" in sheet:
            fpg = sheet.parse("fpg", inputs_by_name()["fpg"])
            usable = ~fpg.bad & ~fpg.missing & ~fpg.slip
            indicators["糖尿病空腹血糖达标"] = (diabetes & usable & (fpg.values < 7.0), diabetes & usable)
    for name, label in (
        ("肥胖", _label(graded, "bmi_cn", "class", "obese")),
        ("超重", _label(graded, "bmi_cn", "class", "overweight")),
        ("中心型肥胖", _label(graded, "waist_cn", "class", "central_obesity")),
        ("10年心血管高危", _label(graded, "china_par_10y", "stratum", "high")),
        ("肾小球滤过率<60", _label(graded, "ckd_epi_2021", "G", "G3a", "G3b", "G4", "G5")),
        ("脑卒中高危", _label(graded, "stroke_high_risk_8", "risk", "high")),
        ("高血压高危及以上", _label(graded, "htn_risk_strata", "stratum", "high", "high/very_high", "very_high")),
    ):
        if label is not None:
            indicators[name] = label
    towns = (
        block.column("township").cast(pa.string()).fill_null("（未填）") if "township" in block.schema.names else pa.array([WHOLE] * size)
    )
    encoded = towns.dictionary_encode()
    places, where = encoded.dictionary.to_pylist(), encoded.indices.to_numpy(zero_copy_only=False)
    townships: dict[str, dict[str, Any]] = {}
    for index, place in enumerate(places):
        rows = where == index
        townships[place] = {
            "n": int(rows.sum()),
            **{name: [int((positive & rows).sum()), int((base & rows).sum())] for name, (positive, base) in indicators.items()},
        }
    quality = {}
    known_inputs = inputs_by_name()
    for target, column_name in layout.columns.items():
        spec = known_inputs.get(target) or flag(target, target)
        parsed = sheet.parse(target, spec)
        derived = sheet.derived.get(target)
        missing = parsed.missing if derived is None else parsed.missing | derived
        quality[column_name] = [int(missing.sum()), int(parsed.bad.sum()), int(parsed.slip.sum()), int(parsed.soft.sum())]
    statuses = {name: np.bincount(result.status, minlength=len(STATUSES)).tolist() for name, result in graded.items()}
    return {
        "rows": size,
        "rows_with_errors": size - errors.null_count,
        "townships": townships,
        "quality": quality,
        "statuses": statuses,
        "high_risk": _high_risk(block, graded, towns),
    }


def _high_risk(block: pa.RecordBatch, graded: Mapping[str, Graded], towns: pa.Array) -> list[list[Any]]:
    result = graded.get("china_par_10y")
    if result is None or "id" not in block.schema.names:
        return []
    risk = np.where(result.status == OK, result.outputs["risk_pct"].data, -1.0)
    rows = np.flatnonzero(risk >= 10)
    if len(rows) > HIGH_RISK_LIST:
        rows = rows[np.argsort(-risk[rows], kind="stable")[:HIGH_RISK_LIST]]
    ids = block.column("id").cast(pa.string())
    return [[float(risk[row]), ids[row].as_py(), towns[row].as_py()] for row in rows.tolist()]


class Summary:
    """The sum of the blocks."""

    def __init__(self) -> None:
        self.rows = 0
        self.rows_with_errors = 0
        self.unreadable = 0
        self.townships: dict[str, Counter[str]] = defaultdict(Counter)
        self.bases: dict[str, Counter[str]] = defaultdict(Counter)
        self.sizes: Counter[str] = Counter()
        self.quality: dict[str, list[int]] = {}
        self.statuses: dict[str, list[int]] = {}
        self.high_risk: list[tuple[float, str, str]] = []

    def add(self, block: Mapping[str, Any]) -> None:
        """Add a block's counts."""
        self.rows += block["rows"]
        self.rows_with_errors += block["rows_with_errors"]
        for place, counts in block["townships"].items():
            self.sizes[place] += counts["n"]
            for name, pair in counts.items():
                if name != "n":
                    self.townships[place][name] += pair[0]
                    self.bases[place][name] += pair[1]
        for name, counts in block["quality"].items():
            self.quality[name] = [a + b for a, b in zip(self.quality.get(name, [0, 0, 0, 0]), counts, strict=True)]
        for name, counts in block["statuses"].items():
            self.statuses[name] = [a + b for a, b in zip(self.statuses.get(name, [0] * len(STATUSES)), counts, strict=True)]
        self.high_risk = heapq.nlargest(
            HIGH_RISK_LIST, [*self.high_risk, *((risk, ident, place) for risk, ident, place in block["high_risk"])]
        )

    def as_dict(self, lacking: Mapping[str, Any]) -> dict[str, Any]:
        """The summary as JSON: prevalence and control by township, high-risk list, data quality, what was not run."""

        def rates(place_counts: Counter[str], bases: Counter[str]) -> dict[str, Any]:
            return {
                name: {"n": place_counts[name], "of": base, "rate": round(place_counts[name] / base, 4) if base else None}
                for name, base in bases.items()
            }

        whole, whole_bases = Counter[str](), Counter[str]()
        for place in self.sizes:
            whole.update(self.townships[place])
            whole_bases.update(self.bases[place])
        return {
            "rows": self.rows,
            "rows_with_errors": self.rows_with_errors,
            "unreadable_lines": self.unreadable,
            "county": rates(whole, whole_bases),
            "townships": {
                place: {"residents": self.sizes[place], **rates(self.townships[place], self.bases[place])} for place in sorted(self.sizes)
            },
            "high_risk": [{"id": ident, "township": place, "risk_pct": risk} for risk, ident, place in self.high_risk],
            "data_quality": {
                name: {
                    "missing": missing,
                    "implausible": bad,
                    "unit_slip": slip,
                    "unusual": soft,
                    "missing_rate": round(missing / self.rows, 4) if self.rows else None,
                }
                for name, (missing, bad, slip, soft) in sorted(self.quality.items())
            },
            "instruments": {name: dict(zip(STATUSES, counts, strict=True)) for name, counts in sorted(self.statuses.items())},
            "not_run": {name: {"lacking": list(absent)} for name, absent in sorted(lacking.items())},
        }
