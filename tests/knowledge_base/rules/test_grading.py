"""Units, statuses and their precedence, and that one row and many give the same bits."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from knowledge_base.rules import Sheet, grade_one, grade_sheet, grade_table, instruments
from knowledge_base.rules.derived import derive
from knowledge_base.rules.grading import Categories, objects
from knowledge_base.rules.units import QUANTITIES, normal


def pressure(sbp: Any, dbp: Any, unit: str | None = "mmHg") -> dict[str, Any]:
    """Inputs of bp_grade."""
    return {"sbp": {"value": sbp, "unit": unit}, "dbp": {"value": dbp, "unit": unit}}


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("µmol/L", "umol/L"),
        ("μmol/L", "umol/L"),
        ("℃", "degC"),
        ("°C", "degC"),
        ("10^9/L", "1e9/L"),
        ("10⁹/L", "1e9/L"),
        ("kg/m²", "kg/m2"),
        ("尺", "chi"),
        ("斤", "jin"),
        ("次/分", "/min"),
        ("MMHG", "mmHg"),
    ],
)
def test_spellings_of_units(written: str, same: str) -> None:
    assert normal(written) == normal(same)


def test_every_slip_is_a_known_unit() -> None:
    for quantity in QUANTITIES.values():
        assert set(quantity.slips) <= set(quantity.others)


@pytest.mark.parametrize(
    ("sbp", "dbp", "status", "fields"),
    [
        (None, 500, "implausible", ["dbp"]),
        (None, 80, "missing", ["sbp"]),
        ("abc", 80, "implausible", ["sbp"]),
        (float("nan"), 80, "missing", ["sbp"]),
        (float("inf"), 80, "implausible", ["sbp"]),
        (True, 80, "implausible", ["sbp"]),
        ("158", "104", "ok", None),
        (90, 90, "implausible", ["dbp", "sbp"]),
    ],
)
def test_statuses(sbp: Any, dbp: Any, status: str, fields: list[str] | None) -> None:
    output = grade_one("bp_grade", None, pressure(sbp, dbp))
    assert output["status"] == status
    assert output.get("fields") == fields


def test_alarming_but_real_values_are_computed_and_named() -> None:
    output = grade_one("bp_grade", None, pressure(230, 100))
    assert output["status"] == "ok"
    assert output["category"] == "grade3"
    assert output["warnings"] == ["sbp"]


def test_missing_comes_before_outside_the_range() -> None:
    output = grade_one("bmi_cn", None, {"age_y": {"value": 10, "unit": "year"}, "height": {"value": 140, "unit": "cm"}})
    assert output == {"status": "missing", "fields": ["weight"]}


def test_unknown_edition_input_is_missing_and_the_request_edition_fills_it() -> None:
    given = {"age_y": {"value": 70, "unit": "year"}}
    assert grade_one("bp_target", None, given) == {"status": "missing", "fields": ["edition"]}
    assert grade_one("bp_target", "2018", given)["first"] == "150/90"


def ordinary_table(rows: int) -> dict[str, np.ndarray[Any, Any]]:
    """Random columns for every non-text input."""
    rng = np.random.default_rng(3)
    columns: dict[str, np.ndarray[Any, Any]] = {}
    for instrument in instruments().values():
        for spec in instrument.inputs:
            name = f"{instrument.name}.{spec.name}" if spec.own else spec.name
            if name in columns or spec.kind == "text" or instrument.name in ("unit_conversion", "notifiable"):
                continue
            if spec.kind == "flag":
                columns[name] = objects(
                    [bool(v) if u > 0.05 else None for v, u in zip(rng.random(rows) < 0.3, rng.random(rows), strict=True)]
                )
            elif spec.kind == "choice":
                columns[name] = objects([spec.options[i] for i in rng.integers(0, len(spec.options), rows)])
            elif spec.kind == "count":
                columns[name] = rng.integers(int(spec.low or 0), int(spec.low or 0) + 4, rows).astype(float)
            else:
                values = rng.lognormal(3, 1.0, rows).round(2)
                values[rng.random(rows) < 0.05] = np.nan
                columns[name] = values
    return columns


def test_a_row_alone_gives_the_same_bits_as_in_a_table() -> None:
    size = 257
    columns = ordinary_table(size)
    whole = Sheet(columns, size=size, shared=True)
    derive(whole)
    rows = range(0, size, 16)
    singles = {}
    for row in rows:
        sheet = Sheet({name: values[row : row + 1] for name, values in columns.items()}, size=1, shared=True)
        derive(sheet)
        singles[row] = sheet
    for name, instrument in instruments().items():
        many = grade_sheet(instrument, whole)
        for row in rows:
            assert json.dumps(many.row(row)) == json.dumps(grade_sheet(instrument, singles[row]).row(0)), (name, row)


def test_table_and_vector_form_agree() -> None:
    path = Path(__file__).parents[2] / "behaviour" / "instruments.jsonl"
    vectors = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    by_instrument: dict[str, list[dict[str, Any]]] = {}
    for vector in vectors:
        by_instrument.setdefault(vector["instrument"], []).append(vector)
    for name, group in by_instrument.items():
        if name == "unit_conversion":
            continue
        inputs = [spec.name for spec in instruments()[name].inputs]
        columns = {key: objects([v["inputs"].get(key, {}).get("value") for v in group]) for key in inputs}
        units = {key: objects([v["inputs"].get(key, {}).get("unit") for v in group]) for key in inputs}
        graded = grade_sheet(instruments()[name], Sheet(columns, units, size=len(group), canonical=False))
        for row, vector in enumerate(group):
            assert graded.row(row) == grade_one(name, None, vector["inputs"]), vector["id"]


def test_categories_keep_kinds_apart() -> None:
    made = Categories.of(objects([True, 1, "1", None, 1.0]))
    assert len(made.values) == 4
    assert made.objects().tolist() == [True, 1, "1", None, 1.0]


def test_derived_values_never_replace_given_ones() -> None:
    sheet = Sheet({"height": np.array([170.0, 170.0]), "weight": np.array([70.0, 70.0]), "bmi": np.array([30.0, np.nan])}, size=2)
    derive(sheet)
    graded = grade_table(
        "apcs_modified",
        {
            "age_y": np.array([60.0, 60.0]),
            "sex": objects(["M", "M"]),
            "fh_crc": objects([False, False]),
            "ever_smoker": objects([False, False]),
            "bmi": sheet.raw["bmi"],
        },
    )
    assert graded.row(0)["score"] == 4
    assert sheet.derived["bmi"].tolist() == [False, True]


def test_an_impossible_height_gives_no_bmi() -> None:
    sheet = Sheet({"height": np.array([1.7]), "weight": np.array([70.0])}, size=1)
    derive(sheet)
    assert "bmi" not in sheet


def test_phq_total_is_not_gad_total() -> None:
    sheet = Sheet({"phq9.total": objects([12]), "phq9.item9": objects([0])}, size=1, shared=True)
    assert grade_sheet(instruments()["phq9"], sheet).row(0)["severity"] == "moderate"
    assert grade_sheet(instruments()["gad7"], sheet).row(0)["status"] == "missing"
