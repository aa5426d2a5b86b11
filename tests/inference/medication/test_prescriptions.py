"""The table of records with orders: what must be warned of, and what must not."""

from __future__ import annotations

import pytest

from inference.engine import Engine
from training.stages.medication_evaluate import evaluate, prescriptions


@pytest.fixture(scope="module")
def report(engine: Engine) -> dict[str, object]:
    """The stage's report over the whole table."""
    return evaluate(engine, prescriptions())


def test_table_is_large_enough_and_a_third_is_faultless(report: dict[str, object]) -> None:
    assert report["records"] >= 200  # type: ignore[operator]
    assert report["faultless"] * 3 >= report["records"] - 30  # type: ignore[operator]


def test_expected_warnings_are_given(report: dict[str, object]) -> None:
    assert report["given"] >= 0.95, report["misses"]  # type: ignore[operator]


def test_faultless_records_are_left_in_peace(report: dict[str, object]) -> None:
    assert report["faultless_warned_above_note"] <= 0.10, report["alarms"]  # type: ignore[operator]
