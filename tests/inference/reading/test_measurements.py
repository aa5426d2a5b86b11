"""The measurement grammar: the behaviour table, round trips over every unit, offsets on any text."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.reading.measurements import FoundMeasurement
from inference.reading.normalise import compact
from inference.reading.rule_reader import RuleReader

TABLE = Path(__file__).parents[2] / "behaviour" / "measurement.jsonl"
ROWS = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]


def read(rules: RuleReader, text: str) -> list[FoundMeasurement]:
    compacted = compact(text)
    folded = rules.normalise(compacted.text)
    found = rules.measurements(folded, rules.assertion.subjects(folded))
    places = [compacted.back(item.start, item.end) for item in found]
    return [replace(item, start=start, end=end) for item, (start, end) in zip(found, places, strict=True)]


def close(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, list):
        return isinstance(found, tuple) and all(abs(a - b) <= 0.005 * max(abs(b), 1e-9) for a, b in zip(found, wanted, strict=True))
    return isinstance(found, float) and abs(found - wanted) <= 0.005 * max(abs(wanted), 1e-9)


def test_the_table_is_large_enough() -> None:
    assert len(ROWS) >= 300
    assert sum(not row["expected"] for row in ROWS) >= 60


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_behaviour(rules: RuleReader, row: dict[str, Any]) -> None:
    found = read(rules, row["text"])
    assert [item.name for item in found] == [wanted["name"] for wanted in row["expected"]]
    for item, wanted in zip(found, row["expected"], strict=True):
        assert row["text"][item.start : item.end] == wanted["text"]
        if wanted["canonical_value"] is not None:
            assert close(item.canonical_value, wanted["canonical_value"])
        for key in ("context", "flag", "comparator"):
            if key in wanted:
                assert getattr(item, key) == wanted[key]


def test_every_analyte_is_read_back_in_every_unit(rules: RuleReader) -> None:
    """Render name, number and unit of each row of the table, and read the same canonical value."""
    generator = random.Random(7)
    grammar = rules.measurements
    spellings: dict[str, str] = {}
    for spelling, unit in grammar._unit_of.items():
        if not spelling.startswith("u") or not spelling[1:].isdigit():
            spellings.setdefault(unit, spelling)
    spellings |= {"10^9/L": "×10^9/L", "10^12/L": "×10^12/L", "10^6/L": "×10^6/L", "10^3/μL": "×10^3/uL", "10^6/μL": "×10^6/uL"}
    checked = 0
    for ident, row in grammar.analytes.items():
        name = next((n for n in row["names"] if len(n) > 1 and "一" <= n[0] <= "鿿"), None)
        if name is None or row.get("specimen") == "urine":
            continue
        for unit, factor in row["units"].items():
            if isinstance(factor, (str, list)) or unit not in spellings or unit in ("次", "分", "mL", "mm", "g", "FEU", "寸", "尺"):
                continue
            low, high = row["soft"]
            for _ in range(8):
                number = float(f"{generator.uniform(low, high) / factor:.4g}")
                if number < 0.01 or number > 99_999 or "e" in f"{number:g}":
                    continue
                text = f"{name} {number:g}{spellings[unit]}，余可"
                found = read(rules, text)
                assert found and found[0].name in (ident, ident.replace("_percent", "_count"), ident.replace("_count", "_percent")), text
                assert isinstance(found[0].canonical_value, float)
                if found[0].name == ident and not row.get("nitrogen"):
                    assert abs(found[0].canonical_value - number * factor) <= 0.005 * abs(number * factor) + 1e-9, text
                checked += 1
    assert checked > 500


@settings(max_examples=60)
@given(
    st.integers(60, 250),
    st.integers(30, 140),
    st.sampled_from(["血压{}/{}mmHg", "BP:{}/{}", "BP {} / {} mmHg", "血压（{}/{}mmHg）", "测血压{}／{}毫米汞柱"]),
)
def test_pressure_pairs_survive_their_spellings(rules: RuleReader, top: int, low: int, template: str) -> None:
    text = f"神清，{template.format(top, low)}，心肺(-)"
    found = read(rules, text)
    assert [(item.name, item.canonical_value) for item in found] == [("systolic_bp", float(top)), ("diastolic_bp", float(low))]


@given(st.text(alphabet="0123456789./-~×^+()（）：，。 血压糖体温TPRBPWmgLl%/年月日岁次分级", max_size=60))
def test_any_soup_of_numbers_keeps_its_offsets(rules: RuleReader, text: str) -> None:
    for item in read(rules, text):
        assert 0 <= item.start < item.end <= len(text)


def test_given_measurements_are_brought_to_canonical_units(rules: RuleReader) -> None:
    name, _, _, canonical, unit, _, context = rules.measurements.given("fasting_glucose", 126.0, "mg/dL")
    assert (name, unit, context) == ("glucose", "mmol/L", "fasting")
    assert canonical == pytest.approx(6.99, abs=0.02)
    assert rules.measurements.given("收缩压", 18.7, "kPa")[3] == pytest.approx(140.26, abs=0.1)
    assert rules.measurements.given("creatinine", 1.0, None)[5] == "unit_missing"


def test_twenty_thousand_characters_are_read_in_linear_time(rules: RuleReader) -> None:
    found = read(rules, "T36.5℃，P80次/分，BP120/80mmHg，无发热。" * 600)
    assert len(found) == 600 * 4
