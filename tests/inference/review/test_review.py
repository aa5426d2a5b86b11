"""Behaviour of the review: each row of `tests/behaviour/review.jsonl` is a record, the doctor's list, and what must (not) be said."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from data_contracts.review import Alert, Review
from inference.engine import Engine
from inference.review.reviewer import BUDGET

ROWS = [json.loads(line) for line in (Path(__file__).parents[2] / "behaviour" / "review.jsonl").read_text(encoding="utf-8").splitlines()]


def review(engine: Engine, row: dict[str, Any], overridden: list[dict[str, str]] | None = None) -> Review:
    record = {
        "id": row["id"],
        "text": row["text"],
        "patient": row.get("patient", {}),
        "diagnoses": [{"name": name} for name in row["diagnoses"]],
        "overridden": overridden or [],
    }
    answer = engine.review([record])[0]
    assert isinstance(answer, Review), answer
    return answer


def rules_of(alerts: tuple[Alert, ...]) -> set[str]:
    return {alert.source.removeprefix("rule:") for alert in alerts}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_row(engine: Engine, row: dict[str, Any]) -> None:
    if row.get("needs_scorer") and engine.reviewer.omissions is None:
        pytest.skip("the released ranker carries no review.json: its thresholds alone speak here")
    alerts = review(engine, row).alerts
    said = {(a.kind, a.disease.id if a.disease else None) for a in alerts}
    kinds = {a.kind for a in alerts}
    assert {tuple(pair) for pair in row.get("expect", ())} <= said
    assert not {tuple(pair) for pair in row.get("never", ())} & said
    assert set(row.get("expect_rule", ())) <= rules_of(alerts)
    assert not set(row.get("never_rule", ())) & rules_of(alerts)
    assert set(row.get("expect_kind", ())) <= kinds
    assert not set(row.get("never_kind", ())) & kinds
    if "severity" in row:
        assert row["severity"] in {a.severity for a in alerts}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_alerts_stay_within_the_budget_and_cite_the_record(engine: Engine, row: dict[str, Any]) -> None:
    alerts = review(engine, row).alerts
    assert sum(a.severity != "critical" for a in alerts) <= BUDGET
    assert len({a.id for a in alerts}) == len(alerts)
    spans = [e.span for a in alerts for e in a.evidence if e.span is not None]
    assert all(row["text"][s.start : s.end] == s.text for s in spans)


def test_what_was_overridden_with_a_reason_is_not_said_again(engine: Engine) -> None:
    row = next(row for row in ROWS if row["id"] == "pressure")
    alert = next(a for a in review(engine, row).alerts if a.disease and a.disease.id == "hypertension")
    again = review(engine, row, [{"id": alert.id, "reason": "家庭自测正常，白大衣高血压"}]).alerts
    assert alert.id not in {a.id for a in again}
    unreasoned = review(engine, row, [{"id": alert.id, "reason": " "}]).alerts
    assert alert.id in {a.id for a in unreasoned}
