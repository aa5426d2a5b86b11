"""Every rule of a medicine or class: its own examples fire and stay silent as written, and it says its source."""

from __future__ import annotations

from typing import Any

from data_contracts.record import Record
from inference.facts import facts_of
from inference.medication.checker import PrescriptionChecker
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase


def _rules(kb: KnowledgeBase) -> dict[str, dict[str, Any]]:
    return {doubt["id"]: doubt for medicine in kb.medicines.values() for doubt in medicine["doubts"]}


def test_examples_hold(kb: KnowledgeBase, rule_reader: Reader) -> None:
    wrong = []
    for ident, rule in _rules(kb).items():
        condition = kb.condition(rule["when"])
        for key, wanted in (("fires", True), ("must_not_fire", False)):
            for text in rule.get(key, ()):
                record = facts_of(rule_reader.read([Record(id="e", text=text)])[0], kb)
                facts = PrescriptionChecker._known(record.facts, record.mentioned, ())
                if condition.evaluate(facts) is not wanted:
                    wrong.append(f"{ident} {key}: {text}")
    # a reader's change may cost one example; more than one in two hundred is a fault
    assert len(wrong) <= 3, wrong


def test_every_rule_says_its_source_and_most_have_examples(kb: KnowledgeBase) -> None:
    rules = _rules(kb)
    assert all(rule["source"] and rule["message"] for rule in rules.values())
    assert sum(bool(rule.get("fires")) for rule in rules.values()) >= 0.7 * len(rules)


def test_interactions_name_mechanism_and_source(kb: KnowledgeBase) -> None:
    rules = [rule for medicine in kb.medicines.values() for rule in medicine["interactions"]]
    assert all(rule["mechanism"] and rule["message"] and rule["source"] for rule in rules)


def test_doses_are_ranges(kb: KnowledgeBase) -> None:
    for ident, medicine in kb.medicines.items():
        for row in medicine["doses"]:
            for key in ("single", "daily", "per_kg_daily"):
                low, high = row.get(key, (0, 0))
                assert 0 <= low <= high, (ident, row)
            if row.get("single") and row.get("daily_max"):
                assert row["single"][1] <= row["daily_max"], (ident, row)
