"""Diagnoses that a list may lack: the ranked targets, those that the record names, and what each rests on once the list is known.

Every feature is a number that a clinician can check: how high the ranker puts the candidate, how and where the record names it,
which abnormal values define it, and how much of the record the entered diagnoses leave unexplained.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from data_contracts.spans import Evidence
from data_contracts.structure import Entity
from inference.facts import RecordFacts
from inference.ranking.fusion import features as fusion_features
from inference.ranking.names import normalise_name
from inference.ranking.ranker import Ranked, Ranker
from inference.reading.types import Reading
from inference.review.coverage import Coverage, lies_in
from knowledge_base.compiled import KnowledgeBase

Vector = npt.NDArray[np.float64]

NEARLY_ALWAYS = 0.9
LASTING = frozenset({"chronic", "recurrent", "congenital"})
_NAMING = frozenset({"disease", "symptom", "sign", "imaging", "lab_test"})
_SHORTEST = 2
_MOST_BEFORE = 8
_PLACES: Mapping[str, str] = {
    "chief_complaint": "complaint",
    "present_illness": "illness",
    "past_history": "history",
    "physical_exam": "examination",
    "auxiliary_exam": "tests",
}


@dataclass(slots=True)
class Naming:
    """How a record names one target: the assertions and the places, the words and the category that they stand for."""

    assertions: set[str] = field(default_factory=set)
    places: set[str] = field(default_factory=set)
    exact: bool = False
    evidence: list[Evidence] = field(default_factory=list)
    shown: tuple[str, str] | None = None
    """Name and category where the words name another category of the entry than its default one (十二指肠溃疡, K26)."""


class NamedTargets:
    """Finds the targets that a record's own words name, under laterality and degree (双侧胸腔积液 names 胸腔积液)."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self.names: dict[str, tuple[str, tuple[str, str] | None]] = {}
        for disease in kb.diseases.values():
            for name in disease.names:
                self.names.setdefault(normalise_name(name), (disease.id, None))
        for thin in kb.thin.values():
            for name in thin.names:
                self.names.setdefault(normalise_name(name), (thin.id, None))
        for row in kb.covered:
            owners = [d for d in kb.by_category.get(row.code, ()) if d in kb.diseases]
            # the entry that lists the fewest categories speaks of this one the most
            owner = min(
                owners, key=lambda d: (row.code not in [c[:3] for c in kb.diseases[d].icd10], len(kb.diseases[d].categories)), default=None
            )
            if owner is None:
                continue
            for name in row.names:
                self.names.setdefault(normalise_name(name), (owner, (row.name, row.code)))

    def find(self, text: str) -> tuple[str, tuple[str, str] | None, bool] | None:
        """(target, shown name and category, exact) of a mention's words: as written, else without what stands before its head."""
        name = normalise_name(text)
        hit = self.names.get(name)
        if hit is not None:
            return (*hit, True)
        for start in range(1, min(len(name) - _SHORTEST, _MOST_BEFORE) + 1):
            hit = self.names.get(name[start:])
            if hit is not None and len(name) - start > _SHORTEST:
                return (*hit, False)
        return None

    def of(self, entities: Iterable[Entity]) -> dict[str, Naming]:
        """Every target that some entity names."""
        found: dict[str, Naming] = {}
        for entity in entities:
            if entity.type not in _NAMING:
                continue
            hits: list[tuple[str, tuple[str, str] | None, bool]] = []
            named = self.find(entity.span.text)
            if named is not None:
                hits.append(named)
            concept = entity.concept
            if concept is not None and concept.kind == "disease" and (named is None or named[0] != concept.id):
                hits.append((concept.id, None, True))
            if concept is not None and concept.kind == "finding":
                by_finding = self.names.get(normalise_name(concept.name))
                if by_finding is not None and (named is None or named[0] != by_finding[0]):
                    hits.append((*by_finding, True))
            for target, shown, exact in hits:
                naming = found.setdefault(target, Naming())
                naming.assertions.add(entity.assertion)
                naming.exact |= exact
                if entity.assertion in ("present", "possible", "historical"):
                    naming.places.add(_PLACES.get(entity.span.section or "", "elsewhere"))
                    naming.evidence.append(Evidence(span=entity.span))
                    naming.shown = naming.shown or shown
        return found


FEATURES: tuple[str, ...] = (
    "logit",
    "probability",
    "first",
    "among_three",
    "gap_to_covered",
    "rank_uncovered",
    "first_uncovered",
    "first_is_covered",
    "thin",
    "must_not_miss",
    "carried_over",
    "named",
    "named_exactly",
    "named_often",
    "named_in_complaint",
    "named_in_illness",
    "named_in_history",
    "named_in_examination",
    "named_in_tests",
    "named_possible",
    "named_only_absent",
    "rule_hint",
    "rule_warning",
    "medicine",
    "contradicted",
    "defined",
    "unexplained_support",
    "explained_record",
    "differential_of_entered",
    "same_block",
    "same_chapter",
    "entered",
)


@dataclass(slots=True)
class RecordCandidates:
    """Candidates of one record before any list: targets, fused logits and probabilities, and what the record says of each."""

    targets: list[str]
    logits: Vector
    probabilities: Vector
    namings: dict[str, Naming]
    rules: dict[str, str]
    medicines: set[str]
    flagged: set[str]
    record: RecordFacts
    support: Vector
    """(targets, findings): nats for each candidate from each present finding; zero for thin entries."""
    columns: list[int]


class CandidateFeatures:
    """The features of candidates, over one ranker and one knowledge base."""

    def __init__(self, kb: KnowledgeBase, ranker: Ranker) -> None:
        self.kb, self.ranker = kb, ranker
        self.named = NamedTargets(kb)
        carried = kb.tables["carried_over"]["categories"]
        self.carried_over = {
            d.id for d in kb.diseases.values() if d.entry["onset"]["course"] in LASTING and lies_in(d.icd10[0][:3], carried)
        }
        self.differentials = {d.id: frozenset(d.entry.get("differential", ())) for d in kb.diseases.values()}
        self.always = {d.id: [f for f, p in d.findings.items() if p >= NEARLY_ALWAYS] for d in kb.diseases.values()}

    def of_record(
        self, reading: Reading, ranked: Ranked, *, rules: Mapping[str, str], medicines: Iterable[str], flagged: Iterable[str]
    ) -> RecordCandidates:
        """What is known of each candidate before the list: the ranked ones and those that the record names or its values suggest."""
        ranker, record = self.ranker, ranked.record
        namings = self.named.of(reading.entities)
        known = set(ranked.targets.tolist())
        spoken = {t for t, n in namings.items() if n.assertions & {"present", "possible", "historical"}}
        wanted = sorted(
            {ranker.index[t] for t in spoken | set(rules) | set(medicines) | set(flagged) if t in ranker.index} - known
            - set(np.nonzero(ranked.scores.impossible)[0].tolist())
        )  # fmt: skip
        added = np.array(wanted, dtype=np.int64)
        logits = ranked.logits
        if wanted:
            logits = np.concatenate([logits, ranker.fusion.logits(fusion_features(ranked.scores, added))])
        indices = np.concatenate([ranked.targets, added])
        targets = [ranker.targets[i] for i in indices.tolist()]
        full = indices < len(self.kb.diseases)
        columns, weights, _, _ = ranker.probabilistic.weights(record)
        support = np.zeros((len(targets), len(columns)))
        if columns:
            rows = ranker.probabilistic.present[np.ix_(indices[full], np.array(columns))] * np.array(weights)
            support[full] = np.maximum(rows, 0.0)
        return RecordCandidates(
            targets=targets,
            logits=logits,
            probabilities=ranker.fusion.probabilities(logits, reading.patient.age_years, ranked.scores.characters),
            namings=namings,
            rules=dict(rules),
            medicines=set(medicines),
            flagged=set(flagged),
            record=record,
            support=support,
            columns=columns,
        )

    def matrix(self, found: RecordCandidates, coverage: Coverage, entered: int) -> tuple[npt.NDArray[np.int64], Vector]:
        """Places of the candidates that the list does not cover, and their features (uncovered, len(FEATURES))."""
        covered = np.array([coverage.covers(t) for t in found.targets], dtype=bool)
        places = np.nonzero(~covered)[0]
        if not len(places):
            return places, np.zeros((0, len(FEATURES)))
        logits = found.logits
        best_covered = float(logits[covered].max()) if covered.any() else float(logits.min())
        best_uncovered = float(logits[places].max())
        ranks = np.empty(len(logits))
        ranks[np.argsort(-logits, kind="stable")] = np.arange(len(logits))
        among = np.empty(len(places))
        among[np.argsort(-logits[places], kind="stable")] = np.arange(len(places))
        known = self.known(coverage)
        full = [self.ranker.probabilistic.index[t] for t in known if t in self.kb.diseases]
        columns = found.columns
        explained = np.zeros(len(columns))
        if full and columns:
            p = self.ranker.probabilistic
            explained = np.where(p.listed[np.ix_(full, columns)], p.p[np.ix_(full, columns)], 0.0).max(axis=0)
        blocks = {c[:2] for c in coverage.categories}
        chapters = {c[0] for c in coverage.categories}
        rows = []
        for j, i in enumerate(places.tolist()):
            target = found.targets[i]
            own = self.kb.diseases[target].categories[:1] if target in self.kb.diseases else (target.removeprefix("icd10:"),)
            categories = {c[:2] for c in own}
            rows.append(self._row(found, i, target, known))
            rows[-1] |= {
                "gap_to_covered": float(np.clip(float(logits[i]) - best_covered, -6, 6)),
                "first": float(ranks[i] == 0),
                "among_three": float(ranks[i] < 3),
                "rank_uncovered": 1.0 / (1.0 + among[j]),
                "first_uncovered": float(among[j] == 0),
                "first_is_covered": float(best_covered > best_uncovered),
                "unexplained_support": float(np.minimum((found.support[i] * (1 - explained)).sum(), 12.0)),
                "explained_record": float(explained.mean()) if len(columns) else 0.0,
                "same_block": float(bool(categories & blocks)),
                "same_chapter": float(any(c[0] in chapters for c in categories)),
                "entered": float(np.log1p(entered)),
            }
        return places, np.array([[row[name] for name in FEATURES] for row in rows])

    def known(self, coverage: Coverage) -> list[str]:
        """Targets that the entered diagnoses stand for: by name, by the head of the name, else the first entry of the category."""
        found = set(coverage.targets)
        found |= {hit[0] for hit in (self.named.find(name) for name in coverage.names) if hit is not None}
        held = {c for t in found for c in (self.kb.diseases[t].categories if t in self.kb.diseases else (t.removeprefix("icd10:"),))}
        found |= {self.kb.by_category[c][0] for c in coverage.categories - held if c in self.kb.by_category}
        return sorted(found)

    def _row(self, found: RecordCandidates, i: int, target: str, known: Sequence[str]) -> dict[str, float]:
        """What does not depend on how the other candidates stand to the list."""
        kb, record = self.kb, found.record
        disease = kb.diseases.get(target)
        naming = found.namings.get(target, Naming())
        named = float("present" in naming.assertions)
        carried = float(target in self.carried_over)
        rule = found.rules.get(target)
        logit = float(found.logits[i])
        always = self.always.get(target, ())
        return {
            "logit": logit,
            "probability": float(found.probabilities[i]),
            "thin": float(disease is None),
            "must_not_miss": float(disease is not None and disease.must_not_miss),
            "carried_over": carried,
            "named": named,
            "named_exactly": float(named and naming.exact),
            "named_often": float(np.log1p(len(naming.evidence))),
            **{f"named_in_{place}": float(bool(named) and place in naming.places) for place in _PLACES.values()},
            "named_possible": float("possible" in naming.assertions and not named),
            "named_only_absent": float(
                bool(naming.assertions) and naming.assertions <= {"absent", "family", "other_person", "conditional"}
            ),
            "rule_hint": float(rule == "hint"),
            "rule_warning": float(rule in ("warning", "critical")),
            "medicine": float(target in found.medicines),
            "contradicted": float(any(f in record.facts.absent for f in always)),
            "defined": float(any(f in record.facts.present and kb.findings[f].measurement for f in always)),
            "differential_of_entered": float(
                any(target in self.differentials.get(t, ()) or t in self.differentials.get(target, ()) for t in known)
            ),
        }
