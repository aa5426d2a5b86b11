"""The reader: trained spans where a bundle is there, rules always.

The trained reader finds and types mentions and proposes an assertion; the lexicon links them and adds what the model has
not seen; rules decide where they are certain. Measurements, durations, sections and patient come from rules in any case.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol, cast

from data_contracts.record import Record
from data_contracts.structure import Assertion, Entity, EntityType
from inference.reading.assertion import Decision
from inference.reading.rule_reader import Draft, Page, RuleReader
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

RULE_WEIGHT = 0.6
"""What the rules' label adds to the classifier's probability of it; a certain rule decides alone."""
_CLINICAL = frozenset({"symptom", "sign", "disease"})


class SpanPrediction(Protocol):
    """A span of a trained reader, in code points of the text it was given."""

    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def type(self) -> str: ...
    @property
    def score(self) -> float: ...
    @property
    def assertion_probabilities(self) -> Mapping[str, float]: ...


class TrainedSpans(Protocol):
    """What `Reader` asks of a trained reader."""

    version: str

    def predict(self, texts: Sequence[str]) -> Sequence[Sequence[Any]]: ...


class Reader:
    """Reads records: one Reading each, in order."""

    def __init__(self, knowledge: KnowledgeBase, spans: TrainedSpans | None = None) -> None:
        self.rules = RuleReader(knowledge)
        self._spans = spans
        self.version = self.rules.version if spans is None else spans.version

    def read(self, records: Sequence[Record]) -> list[Reading]:
        """One reading per record."""
        return [self._read_one(record) for record in records]

    def _read_one(self, record: Record) -> Reading:
        if self._spans is None:
            return self.rules.read(record)
        pages = self.rules.pages(record)
        predictions = self._spans.predict([page.compacted.text for page in pages])
        entities = [pair for page, spans in zip(pages, predictions, strict=True) for pair in self._merge(page, spans)]
        return self.rules.assemble(record, pages, entities, self.version)

    def _merge(self, page: Page, spans: Sequence[SpanPrediction]) -> list[tuple[Entity, bool]]:
        """The trained spans with concepts, and the names of the knowledge base that no span covers."""
        lexicon = self.rules.drafts(page)
        by_place: dict[tuple[int, int], list[Draft]] = {}
        for draft in lexicon:
            by_place.setdefault((draft.start, draft.end), []).append(draft)
        drafts: list[Draft] = []
        probabilities: list[Mapping[str, float] | None] = []
        covered: list[tuple[int, int]] = []
        taken: set[tuple[int, int]] = set()
        for span in spans:
            kind = cast(EntityType, span.type)
            here = [draft for draft in by_place.get((span.start, span.end), ()) if not draft.background]
            same = [draft for draft in here if draft.type == kind or {draft.type, kind} <= _CLINICAL]
            if same:
                concepts = tuple(concept for draft in same for concept in draft.concepts)
                chronic = any(draft.chronic for draft in same) or None
                taken.add((span.start, span.end))
            else:
                concepts, chronic = self.rules.linker.concepts(page.folded[span.start : span.end], kind), None
            drafts.append(Draft(span.start, span.end, kind, concepts, chronic))
            probabilities.append(span.assertion_probabilities)
            if kind in _CLINICAL or kind == "drug":
                covered.append((span.start, span.end))
        covered.sort()
        for draft in lexicon:
            if not draft.concepts or (not draft.background and (draft.start, draft.end) in taken):
                continue
            drafts.append(replace(draft, hidden=draft.hidden or _overlaps(covered, draft.start, draft.end)))
            probabilities.append(None)
        decisions = [_decide(rule, learned) for rule, learned in zip(self.rules.judge(page, drafts), probabilities, strict=True)]
        return self.rules.entities(page, drafts, decisions)


def _overlaps(places: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    index = bisect_left(places, (start, start))
    near = places[max(0, index - 3) : index + 3]
    return any(low < end and start < high for low, high in near)


def _decide(rule: Decision, learned: Mapping[str, float] | None) -> Decision:
    """The rule where it is certain; else the label with the highest sum of the classifier's and the rule's say."""
    if learned is None or rule.certain:
        return rule
    best = max(learned, key=lambda label: learned[label] + (RULE_WEIGHT if label == rule.label else 0.0))
    if best == rule.label:
        return rule
    return Decision(cast(Assertion, best), None, False, "learned")
