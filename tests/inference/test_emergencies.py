"""Emergencies and calm records in varied words: how many are flagged by the rules alone, against floors.

`tests/behaviour/emergencies_fresh.jsonl` and `calm_fresh.jsonl` were written before the rules were read. The working half may be read to
mend the rules; of the sealed half only the rate is looked at, so a failure names no record of it. Rows with `"round": 3` are a second
reader's, those with `"round": 5` a third one's, who had seen no rule. `danger_sentences.jsonl` and `calm_sentences.jsonl` are plain
sentences that steered the rules: they hold what was mended.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from data_contracts.record import Record
from inference.facts import facts_of
from inference.flagging import red_flags
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase

BEHAVIOUR = Path(__file__).parents[1] / "behaviour"


def urgencies(name: str, half: str | None, reader: Reader, kb: KnowledgeBase) -> list[set[str]]:
    """The urgencies flagged in each record of one half (None: of a file without halves)."""
    rows = [json.loads(line) for line in (BEHAVIOUR / name).read_text(encoding="utf-8").splitlines()]
    texts = [Record(id=row["id"], text=row["text"]) for row in rows if half is None or row["half"] == half]
    return [{flag.urgency for flag in red_flags(facts_of(reading, kb), kb)} for reading in reader.read(texts)]


@pytest.mark.parametrize(("half", "floor"), [("working", 0.97), ("sealed", 0.87)])
def test_emergencies_are_flagged_for_today_or_at_once(half: str, floor: float, rule_reader: Reader, kb: KnowledgeBase) -> None:
    flagged = [bool(found & {"immediate", "today"}) for found in urgencies("emergencies_fresh.jsonl", half, rule_reader, kb)]
    assert sum(flagged) / len(flagged) >= floor


@pytest.mark.parametrize("half", ["working", "sealed"])
def test_calm_records_are_not_flagged_at_once(half: str, rule_reader: Reader, kb: KnowledgeBase) -> None:
    flagged = ["immediate" in found for found in urgencies("calm_fresh.jsonl", half, rule_reader, kb)]
    assert sum(flagged) / len(flagged) <= 0.03


def test_plain_sentences_of_danger_are_flagged_for_today_or_at_once(rule_reader: Reader, kb: KnowledgeBase) -> None:
    flagged = [bool(found & {"immediate", "today"}) for found in urgencies("danger_sentences.jsonl", None, rule_reader, kb)]
    assert sum(flagged) / len(flagged) >= 0.98


def test_plain_sentences_without_danger_are_not_flagged(rule_reader: Reader, kb: KnowledgeBase) -> None:
    flagged = urgencies("calm_sentences.jsonl", None, rule_reader, kb)
    assert not any("immediate" in found for found in flagged)
    assert sum(bool(found) for found in flagged) <= 3
