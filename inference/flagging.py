"""Red flags: the rules of the entries over a record's facts, outside any model."""

from __future__ import annotations

from collections.abc import Sequence

from data_contracts.diagnosis import RedFlag
from data_contracts.spans import Evidence
from inference.facts import RecordFacts
from knowledge_base.compiled import KnowledgeBase, RedFlagRule

_URGENCY = {"immediate": 0, "today": 1, "soon": 2}


def rule_evidence(
    rule_findings: frozenset[str], rule_measurements: frozenset[str], record: RecordFacts, kb: KnowledgeBase
) -> tuple[Evidence, ...]:
    """The places that made a condition true: its present findings (or their descendants) and its measured numbers."""
    found: list[Evidence] = []
    for ident in sorted(rule_findings):
        if ident not in record.facts.present:
            continue
        members = [ident, *(d for d in kb.findings[ident].descendants if d in record.facts.present)]
        for member in members:
            found += record.evidence.get(member, [])[:2]
    for name in sorted(rule_measurements):
        found += [Evidence(span=m.span, finding=None, note=name) for m in record.measured.get(name, [])[:2] if m.span.text]
    unique: dict[tuple[str | None, int, int], Evidence] = {}
    for item in found:
        if item.span is not None:
            unique.setdefault((item.span.section, item.span.start, item.span.end), item)
    return tuple(unique.values())


def red_flags(record: RecordFacts, kb: KnowledgeBase) -> tuple[RedFlag, ...]:
    """Every rule that fires, the most urgent first; ids are stable across calls."""
    fired: list[tuple[int, RedFlagRule]] = [
        (_URGENCY[rule.urgency], rule)
        for rule in kb.red_flags_worth_asking(record.facts)
        if not _out_of_population(rule, record, kb) and rule.condition.evaluate(record.facts)
    ]
    fired.sort(key=lambda pair: (pair[0], pair[1].id))
    return tuple(
        RedFlag(
            id=f"red_flag:{rule.id}",
            rule=rule.id,
            message=rule.message,
            urgency=rule.urgency,  # type: ignore[arg-type]
            diseases=(rule.disease,),
            evidence=rule_evidence(rule.condition.findings, rule.condition.measurements, record, kb),
        )
        for _, rule in fired
    )


def one_for_each_disease(flags: Sequence[RedFlag]) -> tuple[RedFlag, ...]:
    """Of each disease's flags the most urgent one, of equals the one with the most evidence; what the others say joins it.

    Eight boxes for one pre-eclampsia are read as noise; yet what an equally urgent rule tells to do is never lost (an entry
    may hold rules for different dangers), so its message stands in the same box.
    """
    by_disease: dict[str, list[RedFlag]] = {}
    for flag in flags:
        by_disease.setdefault(flag.diseases[0], []).append(flag)
    merged = []
    for members in by_disease.values():
        first = min(members, key=lambda flag: (_URGENCY[flag.urgency], -len(flag.evidence)))
        places: dict[tuple[str | None, int, int], Evidence] = {}
        for item in (*first.evidence, *(e for flag in members for e in flag.evidence)):
            if item.span is not None:
                places.setdefault((item.span.section, item.span.start, item.span.end), item)
        said = dict.fromkeys([first.message, *(flag.message for flag in members if flag.urgency == first.urgency)])
        merged.append(first.model_copy(update={"evidence": tuple(places.values()), "message": "".join(said)}))
    return tuple(sorted(merged, key=lambda flag: _URGENCY[flag.urgency]))


def _out_of_population(rule: RedFlagRule, record: RecordFacts, kb: KnowledgeBase) -> bool:
    """A rule of a disease that this patient cannot have (sex; far outside the ages) stays silent."""
    population = kb.diseases[rule.disease].entry["population"]
    if population["sex"] != "any" and record.facts.sex not in ("unknown", population["sex"]):
        return True
    if record.facts.age_days is None:
        return False
    low, high = population["age_years"]
    years = record.facts.age_days / 365.25
    return bool(years < low * 0.8 - 0.1 or years > high * 1.2 + 1)
