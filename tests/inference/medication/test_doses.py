"""Doses and frequencies as township doctors write them."""

from __future__ import annotations

import pytest

from inference.medication.doses import (
    PIECE,
    Amount,
    doubt_of,
    parse_dose,
    parse_pieces,
    route_of,
    row_for,
    times_a_day,
    usual_weight,
    ways_of,
)

ADULT = {
    "route": "po",
    "unit": "mg",
    "single": [250, 500],
    "daily": [750, 1500],
    "daily_max": 3000.0,
    "per_kg_daily": [20, 50],
    "child_daily_max": 2000.0,
}


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("0.5g", 500, "mg"),
        ("500mg", 500, "mg"),
        ("25 毫克", 25, "mg"),
        ("50ug", 0.05, "mg"),
        ("80万U", 800_000, "iu"),
        ("320万单位", 3_200_000, "iu"),
        ("12U", 12, "iu"),
        ("10ml", 10, "ml"),
        ("0.5g×2片", 1000, "mg"),
        ("0.5g*2", 1000, "mg"),
        ("0.25g×2粒", 500, "mg"),
        ("2片(0.25g/片)", 500, "mg"),
        ("20mg x 4粒", 80, "mg"),
        ("0.3克 1粒", 300, "mg"),
        ("０.５ｇ", 500, "mg"),
    ],
)
def test_amounts(text: str, value: float, unit: str) -> None:
    assert parse_dose(text) == Amount(pytest.approx(value), unit)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["1片", "适量", "2喷", "", None, "薄涂"])
def test_no_amount(text: str | None) -> None:
    assert parse_dose(text) is None


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("tid", 3),
        ("b.i.d.", 2),
        ("q8h", 3),
        ("Q6H", 4),
        ("q6h prn", 4),
        ("每日3次", 3),
        ("一天两次", 2),
        ("3次/日", 3),
        ("一日三次 饭后", 3),
        ("每晚一次", 1),
        ("睡前", 1),
        ("每6小时一次", 4),
        ("每十二小时1次", 2),
        ("qod", 0.5),
        ("隔日1次", 0.5),
        ("qw", 1 / 7),
        ("每周一次", 1 / 7),
        ("每周2次", 2 / 7),
        ("早晚各一次", 2),
        ("顿服", 1),
        ("tid ac", 3),
    ],
)
def test_frequencies(text: str, times: float) -> None:
    assert times_a_day(text) == pytest.approx(times)


@pytest.mark.parametrize("text", ["必要时", "prn", None, ""])
def test_frequency_that_cannot_be_told(text: str | None) -> None:
    assert times_a_day(text) is None


@pytest.mark.parametrize(
    ("dose", "frequency", "age", "weight", "severity"),
    [
        ("0.5g", "tid", 40, None, None),
        ("5g", "tid", 40, None, "serious"),
        ("1g", "q6h", 40, None, "caution"),
        ("50mg", "tid", 40, None, "note"),
        ("0.25g", "tid", 5, 18, None),
        ("1g", "tid", 5, 18, "serious"),
        ("0.4g", "tid", 5, 18, "caution"),
        ("50mg", "tid", 5, 18, "note"),
        ("1.5g", "tid", 5, None, "serious"),
        ("1片", "tid", 40, None, None),
    ],
)
def test_doubts(dose: str, frequency: str, age: float, weight: float | None, severity: str | None) -> None:
    doubt = doubt_of("阿莫西林", ADULT, dose, frequency, age_years=age, weight=weight)
    assert (doubt.severity if doubt else None) == severity


def test_a_weekly_medicine_given_daily_is_serious() -> None:
    weekly = {"route": "po", "unit": "mg", "single": [7.5, 20], "weekly_max": 25.0}
    doubt = doubt_of("甲氨蝶呤", weekly, "10mg", "qd", age_years=60, weight=None)
    assert doubt is not None and doubt.severity == "serious" and "每周" in doubt.message
    assert doubt_of("甲氨蝶呤", weekly, "10mg", "qw", age_years=60, weight=None) is None


def test_routes_of_injection_stand_for_each_other() -> None:
    row = {"route": "im", "unit": "mg"}
    assert row_for([row], route_of("静推")) is row
    assert row_for([row], route_of("口服")) is None
    assert route_of(None) == "po"


def test_usual_weight_grows_with_age() -> None:
    weights = [usual_weight(years) for years in (0, 0.5, 1, 3, 6, 8, 11)]
    assert weights == sorted(weights)
    assert 9 <= usual_weight(1) <= 11


@pytest.mark.parametrize(("text", "count"), [("1片", 1), ("2粒", 2), ("半袋", 0.5), ("两片", 2)])
def test_pieces(text: str, count: float) -> None:
    assert parse_pieces(text) == Amount(count, PIECE)


def test_a_combination_is_counted_in_pieces() -> None:
    row = {"route": "po", "unit": PIECE, "single": [1, 1], "daily": [1, 2], "daily_max": 2.0}
    assert doubt_of("复方氨酚烷胺", row, "1粒", "bid", age_years=30, weight=None) is None
    doubt = doubt_of("复方氨酚烷胺", row, "2粒", "tid", age_years=30, weight=None)
    assert doubt is not None and doubt.severity == "serious"


@pytest.mark.parametrize(
    ("text", "ways"),
    [("静推", {"iv", "push"}), ("ivgtt", {"iv", "drip"}), ("静脉滴注", {"iv", "drip"}), ("iv", {"iv"}), ("肌注", {"im"}), (None, {"po"})],
)
def test_ways(text: str | None, ways: set[str]) -> None:
    assert ways_of(text) == ways
