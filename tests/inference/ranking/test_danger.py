"""The flag of the reading of danger: only where no rule fires, only above its threshold, naming what it fears."""

from __future__ import annotations

from dataclasses import replace

import pytest

from data_contracts.record import Record
from data_contracts.review import Review
from inference.engine import Engine
from inference.ranking.danger import RULE
from inference.ranking.ranker import Ranked
from inference.reading.types import Reading

SILENT = "女，34岁，腰酸，蹲下起来眼前黑了一下"


def reading_of(engine: Engine, text: str, **more: object) -> Reading:
    return engine.reader.read([Record.model_validate({"id": "a", "text": text, **more})])[0]


def with_danger(engine: Engine, monkeypatch: pytest.MonkeyPatch, danger: float) -> None:
    """Let the taught part say so, whatever the record."""
    rank = engine.ranker.rank

    def ranked(*given: object) -> Ranked:
        found = rank(*given)  # type: ignore[arg-type]
        return replace(found, scores=replace(found.scores, danger=danger))

    monkeypatch.setattr(engine.ranker, "rank", ranked)


def test_a_dangerous_record_without_a_rule_is_flagged_for_today(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = reading_of(engine, SILENT)
    with_danger(engine, monkeypatch, 0.999)
    answer = engine.ranker.diagnose(reading, top_k=5, candidates=None, explain=False, versions=engine.versions("ranker"))
    (flag,) = answer.red_flags
    assert (flag.rule, flag.urgency) == (RULE, "today")
    assert flag.diseases and all(engine.kb.diseases[disease].must_not_miss for disease in flag.diseases)
    assert all(engine.kb.diseases[disease].name in flag.message for disease in flag.diseases)
    places = [(item.span.section, item.span.start, item.span.end) for item in flag.evidence if item.span]
    assert places and len(set(places)) == len(places)


def test_below_the_threshold_nothing_is_said(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = reading_of(engine, SILENT)
    with_danger(engine, monkeypatch, engine.ranker.fusion.danger_from - 0.01)
    assert engine.ranker.diagnose(reading, top_k=5, candidates=None, explain=False, versions=engine.versions("ranker")).red_flags == ()


def test_beside_a_rule_it_is_silent(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    reading = reading_of(engine, "男，60岁，突发胸骨后压榨样痛2小时，大汗，心电图ST段抬高")
    with_danger(engine, monkeypatch, 0.999)
    answer = engine.ranker.diagnose(reading, top_k=5, candidates=None, explain=False, versions=engine.versions("ranker"))
    assert answer.red_flags and RULE not in {flag.rule for flag in answer.red_flags}


def test_the_review_says_it_until_a_diagnosis_is_entered(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    with_danger(engine, monkeypatch, 0.999)

    def reviewed(**more: object) -> Review:
        return engine.reviewer.review(reading_of(engine, SILENT, **more), engine.versions("ranker"))

    assert [alert.source for alert in reviewed().alerts if alert.kind == "red_flag"] == ["model:ranker"]
    assert [alert for alert in reviewed(diagnoses=[{"name": "肋软骨炎"}]).alerts if alert.kind == "red_flag"] == []
