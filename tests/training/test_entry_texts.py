"""What training rows teach: entries, what stands beside them, and what long records tell beyond their rendering."""

from __future__ import annotations

from typing import Any

import pytest

from knowledge_base.compiled import KnowledgeBase
from training.datasets.entry_texts import entry_texts, second_looks
from training.stages.ranker_teach import targets_of


def row(source: str, labels: list[str], **more: Any) -> dict[str, Any]:
    return {
        "split": "train",
        "source": source,
        "text": "男 60岁 | 气促3天",
        "second": "",
        "findings": ["dyspnoea"],
        "urgency": None,
        "labels": labels,
        "differential": [],
        **more,
    }


def test_an_admission_teaches_its_main_diagnosis_and_the_differential_it_names(kb: KnowledgeBase) -> None:
    given = row("admission", ["heart_failure", "hypertension"], differential=["copd", "hypertension"])
    text = next(entry_texts([given], kb))
    assert text.entries == (("heart_failure", 1.0),)
    assert text.differential == ("copd",)


def test_a_case_teaches_all_its_diagnoses_and_its_entrys_differential(kb: KnowledgeBase) -> None:
    text = next(entry_texts([row("authored", ["heart_failure", "hypertension"])], kb))
    assert [entry for entry, _ in text.entries] == ["heart_failure", "hypertension"]
    assert "copd" in text.differential and "heart_failure" not in text.differential


def test_a_second_look_shows_all_diagnoses_alike(kb: KnowledgeBase) -> None:
    given = row("admission", ["heart_failure", "hypertension"], second="高血压病史10年，规律服药")
    assert [t.entries for t in second_looks([given, row("admission", ["heart_failure"])], kb)] == [
        (("heart_failure", 1.0), ("hypertension", 1.0))
    ]


def test_shares_of_a_target_add_up(kb: KnowledgeBase) -> None:
    text = next(entry_texts([row("authored", ["heart_failure", "hypertension"])], kb))
    shares = dict(targets_of(text, 0.1))
    assert sum(shares.values()) == pytest.approx(1.0)
    assert sum(shares[entry] for entry in text.differential) == pytest.approx(0.1)
    assert shares["heart_failure"] > shares["hypertension"] > shares[text.differential[0]]
