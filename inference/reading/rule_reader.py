"""Reading by rules alone: names of the knowledge base, assertion cues, the measurement grammar, durations, patient."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from data_contracts.record import GivenDiagnosis, Record, split_diagnoses
from data_contracts.spans import Span
from data_contracts.structure import Concept, Duration, Entity, EntityType, Measurement, Section
from inference.reading.assertion import EVENT_OVER, AssertionRules, Decision, Mention
from inference.reading.compounds import CompoundReader
from inference.reading.durations import DurationGrammar
from inference.reading.lexicon_entities import FINDING_TYPES, LexiconReader, Match
from inference.reading.lifetimes import LifeTimes
from inference.reading.linking import Linker
from inference.reading.measurements import FoundMeasurement, MeasurementGrammar
from inference.reading.normalise import Compacted, Normaliser, compact
from inference.reading.patient import PatientReader
from inference.reading.sections import SectionFinder, section_at
from inference.reading.subjects import Subject
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

DIAGNOSIS_SECTION = "diagnosis"


@dataclass(frozen=True, slots=True)
class Page:
    """One text of a record, prepared: as typed, without invisible characters, folded, with its sections.

    Offsets of `folded`, `sections` and everything found count in `compacted.text`; `span` leads back to `original`.
    """

    original: str
    compacted: Compacted
    folded: str
    given_section: str | None
    sections: tuple[Section, ...]
    subjects: list[Subject]
    headings: tuple[tuple[int, int], ...] = ()

    def in_heading(self, start: int, end: int) -> bool:
        """Whether a stretch overlaps a heading (过敏史：)."""
        return any(low < end and start < high for low, high in self.headings)

    def span(self, start: int, end: int) -> Span:
        """The span as answers carry it."""
        first, last = self.compacted.back(start, end)
        section = self.given_section or section_at(self.sections, start)
        return Span(section=section, start=first, end=last, text=self.original[first:last])

    def section(self, position: int) -> str | None:
        """The section that holds a position."""
        return self.given_section or section_at(self.sections, position)

    def parts(self) -> list[tuple[str | None, int, int]]:
        """The text cut at its sections: name, start, end; what no section holds has no name."""
        if self.given_section is not None or not self.sections:
            return [(self.given_section, 0, len(self.folded))]
        parts: list[tuple[str | None, int, int]] = []
        position = 0
        for section in self.sections:
            if section.start > position:
                parts.append((None, position, section.start))
            parts.append((section.name, section.start, section.end))
            position = section.end
        if position < len(self.folded):
            parts.append((None, position, len(self.folded)))
        return parts


@dataclass(frozen=True, slots=True)
class Draft:
    """A mention before it is judged: place in the folded text, type, concepts, whether only ranking sees it, whether it is one name."""

    start: int
    end: int
    type: EntityType
    concepts: tuple[Concept, ...] = ()
    chronic: bool | None = None
    hidden: bool = False
    background: bool = False
    whole: bool = True


class RuleReader:
    """All rules of reading, compiled once from a knowledge base."""

    version = "rules"

    def __init__(self, knowledge: KnowledgeBase) -> None:
        lexicon = knowledge.lexicon
        self.normalise = Normaliser(lexicon["characters"])
        self.assertion = AssertionRules(lexicon)
        self.lifetimes = LifeTimes(lexicon["lifetimes"])
        self.read_patient = PatientReader(lexicon["patient"], self.lifetimes)
        self.measurements = MeasurementGrammar(knowledge.tables["measurements"], lexicon["units"], self.lifetimes)
        self.durations = DurationGrammar(lexicon["durations"], self.lifetimes)
        self.lexicon = LexiconReader(knowledge, self.normalise)
        self.compounds = CompoundReader(knowledge.findings, self.normalise)
        self.linker = Linker(self.lexicon.names, lexicon["terms"]["aliases"], self.normalise)
        self.find_sections = SectionFinder(lexicon["sections"])

    # -- preparing -------------------------------------------------------------------------------------------------

    def pages(self, record: Record) -> list[Page]:
        """The texts of a record, prepared."""
        if record.text is not None:
            return [self._page(record.text, None)]
        return [self._page(text, name) for name, text in (record.sections or {}).items()]

    def _page(self, text: str, section: str | None) -> Page:
        compacted = compact(text)
        folded = self.normalise(compacted.text)
        sections, headings = self.find_sections(folded) if section is None else ((), ())
        return Page(text, compacted, folded, section, sections, self.assertion.subjects(folded), headings)

    # -- mentions --------------------------------------------------------------------------------------------------

    def drafts(self, page: Page) -> list[Draft]:
        """The mentions that the lexicon finds in a page."""
        named = [draft for match in self.lexicon(page.folded, page.compacted.text) for draft in drafts_of(match)]
        told = [Draft(c.start, c.end, FINDING_TYPES[c.kind], (c.concept,), None, True, whole=False) for c in self.compounds(page.folded)]
        return sorted([*named, *told], key=lambda draft: (draft.start, draft.end)) if told else named

    def judge(self, page: Page, drafts: Sequence[Draft]) -> list[Decision]:
        """The rules' decision on each draft, section by section."""
        decisions: list[Decision | None] = [None] * len(drafts)
        order = sorted(range(len(drafts)), key=lambda index: drafts[index].start)
        position = 0
        for name, start, end in page.parts():
            inside: list[int] = []
            while position < len(order) and drafts[order[position]].start < end:
                inside.append(order[position])
                position += 1
            if not inside:
                continue
            text = page.folded[start:end]
            mentions = [
                Mention(d.start - start, min(d.end, end) - start, d.type, d.chronic, d.whole and not d.background)
                for d in (drafts[i] for i in inside)
            ]
            subjects = [Subject(max(s.start, start) - start, min(s.end, end) - start, s.kind, s.cue_start - start, s.cue_end - start) for s in page.subjects if s.start < end and s.end > start and s.cue_start >= start]  # fmt: skip
            for index, decision in zip(inside, self.assertion(text, mentions, name, subjects), strict=True):
                cue = None if decision.cue is None else (decision.cue[0] + start, decision.cue[1] + start)
                decisions[index] = Decision(decision.label, cue, decision.certain, decision.rule)
        return [decision if decision is not None else Decision("present") for decision in decisions]

    def entities(self, page: Page, drafts: Sequence[Draft], decisions: Sequence[Decision]) -> list[tuple[Entity, bool]]:
        """Entities with their concepts, one per concept, each with whether it is hidden."""
        found: list[tuple[Entity, bool]] = []
        for draft, decision in sorted(zip(drafts, decisions, strict=True), key=lambda pair: (pair[0].start, pair[0].end)):
            if draft.background:
                decision = _of_background(draft, decision)
            span = page.span(draft.start, draft.end)
            cue = None if decision.cue is None else page.span(*decision.cue)
            for concept in draft.concepts or (None,):
                entity = Entity(span=span, type=draft.type, assertion=decision.label, cue=cue, concept=concept)
                found.append((entity, draft.hidden))
        return found

    # -- the whole record ------------------------------------------------------------------------------------------

    def read(self, record: Record) -> Reading:
        """Read one record by rules."""
        pages = self.pages(record)
        entities = [pair for page in pages for pair in self.read_page(page)]
        return self.assemble(record, pages, entities, self.version)

    def read_page(self, page: Page) -> list[tuple[Entity, bool]]:
        """The entities of one page by rules."""
        drafts = self.drafts(page)
        return self.entities(page, drafts, self.judge(page, drafts))

    def assemble(self, record: Record, pages: Sequence[Page], entities: Sequence[tuple[Entity, bool]], version: str) -> Reading:
        """Put entities together with measurements, durations, patient and sections."""
        whole = "\n".join(page.folded for page in pages)
        subjects = self.assertion.subjects(whole) if len(pages) > 1 else pages[0].subjects
        years = None if record.patient.age is None else record.patient.age.years
        facts = self.read_patient(record.patient, whole, subjects, None)
        years = years if years is not None else facts.age_years
        measured: list[Measurement] = []
        timed: list[Duration] = []
        gestation: float | None = None
        for page in pages:
            for item in self.measurements(page.folded, page.subjects, years):
                if page.section(item.start) == DIAGNOSIS_SECTION:
                    continue
                measured.append(_measurement(page, item))
                if item.name == "pregnancy_weeks" and isinstance(item.value, float):
                    # 孕20周B超…, now 28 weeks: a pregnancy only grows
                    gestation = item.value if gestation is None else max(gestation, item.value)
            timed += [Duration(span=page.span(item.start, item.end), days=item.days) for item in self.durations(page.folded)]
        if gestation is not None and record.patient.pregnancy_weeks is None:
            facts = self.read_patient(record.patient, whole, subjects, gestation)
        return Reading(
            record=self._with_diagnoses(record, pages),
            patient=facts,
            sections=_sections(pages),
            entities=tuple(entity for entity, _ in entities),
            measurements=tuple(measured),
            durations=tuple(timed),
            given=tuple(self._given(record)),
            reader_version=version,
            section_texts={page.given_section: page.original for page in pages},
            hidden=frozenset(index for index, (_, hidden) in enumerate(entities) if hidden),
        )

    def _with_diagnoses(self, record: Record, pages: Sequence[Page]) -> Record:
        """The record with what stands under 初步诊断 among its diagnoses."""
        written: list[GivenDiagnosis] = []
        for page in pages:
            for section in page.sections:
                if section.name == DIAGNOSIS_SECTION:
                    start, end = page.compacted.back(section.start, section.end)
                    written += [GivenDiagnosis(name=name[:200]) for name in split_diagnoses(page.original[start:end])]
        known = {diagnosis.name for diagnosis in record.diagnoses}
        new = tuple(diagnosis for diagnosis in written if diagnosis.name not in known)
        return record.model_copy(update={"diagnoses": record.diagnoses + new[:50]}) if new else record

    def _given(self, record: Record) -> list[Measurement]:
        """Measurements given as data, brought to canonical units."""
        nowhere = Span(section=None, start=0, end=0, text="")
        found: list[Measurement] = []
        for item in record.measurements:
            name, value, unit, canonical, canonical_unit, flag, context = self.measurements.given(item.name, item.value, item.unit)
            found.append(
                Measurement(
                    span=nowhere,
                    name=name,
                    value=value,
                    unit=unit,
                    canonical_value=canonical,
                    canonical_unit=canonical_unit,
                    flag=flag,
                    context=context,
                )
            )
        return found


def _of_background(draft: Draft, decision: Decision) -> Decision:
    """A history or exposure finding is itself about the past or the family: then it is there (阑尾切除史, 母亲高血压)."""
    own_cue = decision.cue is None or decision.cue[0] >= draft.start
    if (decision.label == "historical" and decision.rule != EVENT_OVER) or (decision.label == "family" and own_cue):
        return Decision("present", decision.cue, decision.certain, decision.rule)
    return decision


def drafts_of(match: Match) -> list[Draft]:
    """The drafts of a name: one per type, with the concepts of that type."""
    drafts: dict[EntityType, Draft] = {}
    for named in match.named:
        concepts: tuple[Concept, ...] = (named.concept,) if named.concept is not None else ()
        before = drafts.get(named.type)
        if before is not None:
            concepts = before.concepts + concepts
        chronic = named.chronic or (before.chronic if before is not None else None)
        drafts[named.type] = Draft(match.start, match.end, named.type, concepts, chronic, named.background, named.background)
    return list(drafts.values())


def _measurement(page: Page, item: FoundMeasurement) -> Measurement:
    return Measurement(
        span=page.span(item.start, item.end),
        name=item.name,
        value=item.value,
        comparator=item.comparator,
        unit=item.unit,
        canonical_value=item.canonical_value,
        canonical_unit=item.canonical_unit,
        flag=item.flag,
        context=item.context,
    )


def _sections(pages: Sequence[Page]) -> tuple[Section, ...]:
    found: list[Section] = []
    for page in pages:
        if page.given_section is not None:
            found.append(Section(name=page.given_section, start=0, end=len(page.original)))
            continue
        for section in page.sections:
            start, end = page.compacted.back(section.start, section.end)
            found.append(Section(name=section.name, start=start, end=end))
    return tuple(found)
