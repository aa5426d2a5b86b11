"""Ages of infants and months of pregnancies in everyday words: the behaviour table, and that they are no durations."""

from __future__ import annotations

import json
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest

from data_contracts.record import Record
from inference.reading.reader import Reader

TABLE = Path(__file__).parents[2] / "behaviour" / "lifetimes.jsonl"
ROWS = [json.loads(line) for line in TABLE.read_text(encoding="utf-8").splitlines()]
TOLERANCE = 0.02


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["id"])
def test_behaviour(reader: Reader, row: dict[str, Any]) -> None:
    reading = reader.read([Record.model_validate({"id": "a", "patient": {}, "text": row["text"]})])[0]
    if "age_days" in row:
        wanted = row["age_days"]
        assert reading.patient.age_days == (None if wanted is None else pytest.approx(wanted, rel=TOLERANCE))
    if "pregnant" in row:
        assert reading.patient.pregnant == row["pregnant"]
        assert reading.patient.pregnancy_weeks == (None if row["weeks"] is None else pytest.approx(row["weeks"], abs=0.15))
    if "durations" in row:
        assert len(reading.durations) == row["durations"]


def test_what_is_given_wins_over_everyday_words(reader: Reader) -> None:
    given = {"sex": "男", "age": "60岁"}
    facts = reader.read([Record.model_validate({"id": "a", "patient": given, "text": "大肚子八个月，脚肿"})])[0].patient
    assert (facts.pregnant, facts.age_years) == (False, pytest.approx(60))


@pytest.mark.parametrize(
    "text", ["怀孕了" * 3000, "生下来才" * 3000, "生下来" + "刚" * 3000, "怀了" + "有了" * 3000, "娃" + "现在" * 3000, "3" * 9000]
)
def test_a_long_page_is_read_in_linear_time(reader: Reader, text: str) -> None:
    lifetimes = reader.rules.lifetimes
    began = perf_counter()
    assert lifetimes.infant_ages(text) == lifetimes.pregnancy_months(text) == []
    assert not lifetimes.says_pregnant(text)
    assert perf_counter() - began < 2
