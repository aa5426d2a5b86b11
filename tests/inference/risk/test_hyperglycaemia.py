"""The learned score in a resident's answer."""

from __future__ import annotations

from typing import Any

import pytest

from data_contracts.grade import ResidentGrades
from inference.risk.grader import Grader
from models.bundle import RELEASED, Bundle

PANEL: dict[str, tuple[float, str]] = {
    "alt": (48, "U/L"), "ast": (30, "U/L"), "ggt": (70, "U/L"), "total_protein": (76, "g/L"), "albumin": (45, "g/L"), "triglycerides": (2.9, "mmol/L"), "total_cholesterol": (5.8, "mmol/L"),
    "hdl_cholesterol": (1.0, "mmol/L"), "ldl_cholesterol": (3.6, "mmol/L"), "urea": (5.5, "mmol/L"), "creatinine": (0.8, "mg/dL"), "urate": (300, "umol/L"), "wbc": (7.5, "10^9/L"), "haemoglobin": (158, "g/L"),
    "platelets": (210, "10^9/L"),
}  # fmt: skip


@pytest.fixture(scope="module")
def grader() -> Grader:
    """A grader with the released score."""
    return Grader(None, Bundle.open(RELEASED / "hyperglycaemia"))


def found(grader: Grader, **more: Any) -> Any:
    """The score's result for a man with a panel."""
    item = {
        "id": "a",
        "patient": {"sex": "male", "age": 55},
        "measurements": [{"name": name, "value": value, "unit": unit} for name, (value, unit) in PANEL.items()],
        **more,
    }
    answer = grader.grade([item])[0]
    assert isinstance(answer, ResidentGrades)
    return next((result for result in answer.results if result.instrument == "hyperglycaemia"), None)


def test_a_panel_gives_a_probability_with_what_is_missing(grader: Grader) -> None:
    result = found(grader)
    assert result.grade == "high" and 8 < result.value < 80
    assert result.unconfirmed and "alp" in result.missing and "creatinine" not in result.missing


def test_it_rises_with_age(grader: Grader) -> None:
    assert found(grader, patient={"sex": "male", "age": 30}).value < found(grader).value


def test_it_is_silent_where_it_does_not_apply(grader: Grader) -> None:
    assert found(grader, diagnoses=[{"name": "2型糖尿病"}]) is None
    assert found(grader, patient={"sex": "male", "age": 15}) is None
    assert found(grader, measurements=[{"name": "alt", "value": 20, "unit": "U/L"}]) is None
    with_fpg = [{"name": name, "value": value, "unit": unit} for name, (value, unit) in PANEL.items()] + [
        {"name": "fasting_glucose", "value": 5.0, "unit": "mmol/L"}
    ]
    assert found(grader, measurements=with_fpg) is None
