"""The reader: trained spans where a bundle is there, rules always.

The trained reader finds and types mentions and proposes an assertion; the lexicon links them and adds what the model has
not seen; rules decide where they are certain. Measurements, durations, sections and patient come from rules in any case.
"""

from __future__ import annotations

import re
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

LEXICON_LEEWAY: Mapping[str, float] = {"symptom": 3.0, "sign": 3.0, "disease": 2.0, "drug": 2.0}
"""How far below its threshold a span may lie for a name of the knowledge base to be shown beside a span that overlaps it.

A name that no span overlaps stands in any case; one that the model sees otherwise (直肠癌 in 直肠癌根治术) serves ranking
alone. `docs/log/structure.md` has the figures.
"""
LEAST_TYPED: Mapping[str, int] = {"symptom": 2, "sign": 2, "disease": 3}
"""Characters from which a word of the term list (喘不上气, 腹水征, 慢性病) stands without a concept and without the model."""
RULE_WEIGHT = 0.85
"""What the rules' label adds to the classifier's probability of it; a certain rule decides alone."""
_CLINICAL = frozenset({"symptom", "sign", "disease"})
_SENTENCE_END = re.compile("[。；;\\n]")
_SAID_BY: Mapping[str, re.Pattern[str]] = {
    "absent": re.compile("[无不未否没非阴×除排勿]|\\(-|no|正常"),
    "family": re.compile("[父母爸妈爷奶公婆祖兄弟姐妹哥姨姑叔伯舅子女孙]|家族|遗传|亲属"),
    "other_person": re.compile("[夫妻公婆伴人友邻学事工]|家里|同|接触|班"),
}
"""Without such a word in its sentence a mention is neither denied nor another person's."""
_OPERATION = re.compile(r"(?:根治|切除|松解|摘除|修补|手术|清扫|消融|栓塞)")


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


class SpanAnswer(Protocol):
    """What a trained reader says of a text: its spans, and by how much others miss their threshold."""

    @property
    def served(self) -> Sequence[Any]: ...
    @property
    def near(self) -> Mapping[tuple[int, int, str], float]: ...


class TrainedSpans(Protocol):
    """What `Reader` asks of a trained reader."""

    version: str

    def read(self, texts: Sequence[str]) -> Sequence[Any]: ...


class Reader:
    """Reads records: one Reading each, in order."""

    def __init__(self, knowledge: KnowledgeBase, spans: TrainedSpans | None = None) -> None:
        self.rules = RuleReader(knowledge)
        self._spans = spans
        self._not_spans: frozenset[str] = frozenset(knowledge.lexicon["terms"]["not_spans"])
        self.version = self.rules.version if spans is None else spans.version

    def read(self, records: Sequence[Record]) -> list[Reading]:
        """One reading per record."""
        return [self._read_one(record) for record in records]

    def _read_one(self, record: Record) -> Reading:
        if self._spans is None:
            return self.rules.read(record)
        pages = self.rules.pages(record)
        answers = self._spans.read([self.rules.normalise.plain(page.compacted.text) for page in pages])
        entities = [pair for page, answer in zip(pages, answers, strict=True) for pair in self._merge(page, answer)]
        return self.rules.assemble(record, pages, entities, self.version)

    def _merge(self, page: Page, answer: SpanAnswer) -> list[tuple[Entity, bool]]:
        """The trained spans with concepts, and the names of the knowledge base that no span covers."""
        spans: Sequence[SpanPrediction] = answer.served
        lexicon = self.rules.drafts(page)
        by_place: dict[tuple[int, int], list[Draft]] = {}
        for draft in lexicon:
            by_place.setdefault((draft.start, draft.end), []).append(draft)
        drafts: list[Draft] = []
        probabilities: list[Mapping[str, float] | None] = []
        covered: dict[bool, list[tuple[int, int]]] = {True: [], False: []}
        taken: set[tuple[int, int]] = set()
        for span in spans:
            kind = cast(EntityType, span.type)
            if page.folded[span.start : span.end] in self._not_spans:
                continue
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
            if kind != "body_part":
                covered[True].append((span.start, span.end))
            if kind in _CLINICAL or kind == "drug":
                covered[False].append((span.start, span.end))
        for draft in lexicon:
            if not draft.background and (draft.start, draft.end) in taken:
                continue
            typed = not draft.concepts
            if typed and draft.end - draft.start < LEAST_TYPED.get(draft.type, len(page.folded) + 1):
                continue
            seen = not typed and draft.type in ("symptom", "sign") and _seen(draft, answer.near)
            hidden = draft.hidden or _overlaps(covered[not seen], draft.start, draft.end) or _in_operation(page.folded, draft)
            if typed and hidden:
                continue
            drafts.append(replace(draft, hidden=hidden))
            probabilities.append(None)
        decisions = [
            _decide(rule, learned, page.folded, draft)
            for draft, rule, learned in zip(drafts, self.rules.judge(page, drafts), probabilities, strict=True)
        ]
        return self.rules.entities(page, drafts, decisions)


def _seen(draft: Draft, near: Mapping[tuple[int, int, str], float]) -> bool:
    """Whether the model nearly had a span at the place of a name."""
    kinds = _CLINICAL if draft.type in _CLINICAL else (draft.type,)
    leeway = LEXICON_LEEWAY.get(draft.type, 0.0)
    return any(near.get((draft.start, draft.end, kind), leeway + 1.0) <= leeway for kind in kinds)


def _in_operation(text: str, draft: Draft) -> bool:
    """Whether a disease is only the first part of an operation's name (直肠癌根治术)."""
    return draft.type == "disease" and _OPERATION.match(text, draft.end) is not None


def _overlaps(places: Sequence[tuple[int, int]], start: int, end: int) -> bool:
    index = bisect_left(places, (start, start))
    near = places[max(0, index - 3) : index + 3]
    return any(low < end and start < high for low, high in near)


def _sentence(text: str, start: int, end: int) -> str:
    """The sentence that holds a stretch."""
    low = max(text.rfind(mark, 0, start) for mark in "。；;\n")
    stop = _SENTENCE_END.search(text, end)
    return text[low + 1 : stop.end() if stop else len(text)]


def _decide(rule: Decision, learned: Mapping[str, float] | None, text: str, draft: Draft) -> Decision:
    """The rule where it is certain; else the label with the highest sum of the classifier's and the rule's say.

    The classifier may deny or ascribe to others only where the sentence has a word that can say so.
    """
    if learned is None or rule.certain:
        return rule
    best = max(learned, key=lambda label: learned[label] + (RULE_WEIGHT if label == rule.label else 0.0))
    if best == rule.label:
        return rule
    if best in _SAID_BY and not _SAID_BY[best].search(_sentence(text, draft.start, draft.end)):
        return rule
    return Decision(cast(Assertion, best), None, False, "learned")
