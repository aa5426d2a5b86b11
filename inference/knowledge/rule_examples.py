"""Every rule's own example sentences, read and judged: those that must fire and those that must not.

python -m inference.knowledge.rule_examples [TEXT ...]     prints the failing ones (TEXT: rule ids containing it)
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from data_contracts.record import Record
from inference.facts import facts_of
from inference.reading.reader import Reader
from knowledge_base.compiled import KnowledgeBase, load
from knowledge_base.conditions import Condition


@dataclass(frozen=True, slots=True)
class RuleExample:
    """One example sentence of a rule."""

    rule: str
    text: str
    must_fire: bool
    condition: Condition
    sex: str


def examples(kb: KnowledgeBase) -> Iterator[RuleExample]:
    """The examples of red flags and of review rules; a rule of one sex is read as of that sex."""
    for rule in kb.red_flags:
        sex = kb.diseases[rule.disease].entry["population"]["sex"]
        for text in rule.fires:
            yield RuleExample(rule.id, text, True, rule.condition, sex)
        for text in rule.must_not_fire:
            yield RuleExample(rule.id, text, False, rule.condition, sex)
    for row in kb.tables.get("rules/review", ()):
        condition = kb.condition(row["when"])
        for text in row["fires"]:
            yield RuleExample(row["id"], text, True, condition, "any")
        for text in row["must_not_fire"]:
            yield RuleExample(row["id"], text, False, condition, "any")


def medicine_examples(kb: KnowledgeBase) -> Iterator[RuleExample]:
    """The examples of the medicines' doubts, each rule once."""
    seen: set[str] = set()
    for medicine in kb.medicines.values():
        for doubt in medicine.get("doubts", ()):
            if doubt["id"] in seen:
                continue
            seen.add(doubt["id"])
            condition = kb.condition(doubt["when"])
            for text in doubt.get("fires", ()):
                yield RuleExample(doubt["id"], text, True, condition, "any")
            for text in doubt.get("must_not_fire", ()):
                yield RuleExample(doubt["id"], text, False, condition, "any")


def holds(example: RuleExample, reader: Reader, kb: KnowledgeBase) -> bool:
    """Whether the example behaves as written."""
    patient = {"sex": example.sex} if example.sex != "any" else {}
    reading = reader.read([Record.model_validate({"id": example.rule, "text": example.text, "patient": patient})])[0]
    record = facts_of(reading, kb)
    # diseases that the example states count as entered, as they do when orders are checked
    record.facts.entered |= {ident for ident, assertion in record.mentioned.items() if assertion in ("present", "historical")}
    return example.condition.evaluate(record.facts) == example.must_fire


def main(arguments: list[str]) -> int:
    """Print failing examples with what was read; 1 where there are any."""
    kb = load()
    reader = Reader(kb)
    failed = total = 0
    for example in (*examples(kb), *medicine_examples(kb)):
        if arguments and not any(argument in example.rule for argument in arguments):
            continue
        total += 1
        if holds(example, reader, kb):
            continue
        failed += 1
        reading = reader.read([Record.model_validate({"id": "x", "text": example.text})])[0]
        facts = facts_of(reading, kb).facts
        print(f"{example.rule}: {'must fire' if example.must_fire else 'must not fire'}: {example.text}")
        print(f"    when {example.condition.text}")
        print(
            f"    read {sorted(facts.present)} absent {sorted(facts.absent & example.condition.findings)} numbers {dict(facts.measurements)}"
        )
    print(f"{failed} of {total} examples fail")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
