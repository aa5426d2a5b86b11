"""The ranker: a reading in, a ranked differential with evidence out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_contracts.diagnosis import Abstention, Candidate, Diagnosis, MissingFinding, NextStep, RedFlag, Versions
from data_contracts.spans import Evidence
from inference.facts import RecordFacts, facts_of
from inference.flagging import one_for_each_disease, red_flags
from inference.ranking.broad_names import BALANCES, covering, entries_of, log_shares
from inference.ranking.broad_names import read as read_balances
from inference.ranking.classes import CLASSES, divided, marks_of, words_of
from inference.ranking.classes import read as read_classes
from inference.ranking.danger import SUSPECTS, danger_flag
from inference.ranking.fusion import FEATURES, Fusion, PartScores, features, pool, unfitted
from inference.ranking.lexical import LEXICAL, Lexical
from inference.ranking.names import NameIndex
from inference.ranking.next_steps import next_steps
from inference.ranking.options import OPTION_PARTS, logits_of_names, shares
from inference.ranking.probabilistic import Probabilistic, ProbabilisticSettings
from inference.ranking.rendering import render
from inference.ranking.semantic import Semantic
from inference.ranking.taught import TAUGHT, Taught
from inference.ranking.taught import read as read_taught
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase
from models.bundle import Bundle

Vector = npt.NDArray[np.float64]
FUSION = "fusion.json"
NO_COMPLAINT = frozenset({"asymptomatic_finding"})
"""Findings that say there is nothing to report."""
MOST_OPTIONS, UNKNOWN_SHARE = 6, 0.3
_EVIDENCE = 6
_MIN_CHINESE = 2


@dataclass(frozen=True, slots=True)
class Ranked:
    """The fused ranking of one record: target indices best first, logits, probabilities, and the parts behind them."""

    targets: npt.NDArray[np.int64]
    logits: Vector
    probabilities: Vector
    scores: PartScores
    record: RecordFacts
    vector: npt.NDArray[np.float32] | None


class Ranker:
    """Ranks readings. Without a bundle the semantic and case-based parts are silent and the entries alone rank."""

    def __init__(self, kb: KnowledgeBase, bundle: Bundle | None, *, state: Path | None = None) -> None:
        self.kb = kb
        self.bundle = bundle
        self.names = NameIndex(kb)
        sealed: dict[str, Any] = bundle.json(FUSION) if bundle and FUSION in bundle.manifest["files"] else unfitted()
        self.fusion = Fusion(sealed)
        self.probabilistic = Probabilistic(kb, ProbabilisticSettings(**sealed.get("probabilistic", {})))
        self.semantic = Semantic(kb, bundle, state) if bundle else None
        self.lexical = Lexical(kb, bundle) if bundle and LEXICAL in bundle.manifest["files"] else None
        self.classes = read_classes(bundle.file(CLASSES)) if bundle and CLASSES in bundle.manifest["files"] else None
        self.balances = read_balances(bundle.file(BALANCES)) if bundle and BALANCES in bundle.manifest["files"] else ()
        self.targets: list[str] = [*kb.diseases, *kb.thin]
        self.taught = self._read_taught(bundle) if bundle and TAUGHT in bundle.manifest["files"] else None
        self.index = {target: i for i, target in enumerate(self.targets)}
        self._groups: tuple[tuple[str, ...], list[npt.NDArray[np.int64]]] | None = None
        """The list that was asked last, and what its names stand for."""
        self.must_not_miss = np.array([disease.must_not_miss for disease in kb.diseases.values()], dtype=bool)

    def _read_taught(self, bundle: Bundle) -> Taught | None:
        if self.semantic is None:
            return None
        return Taught(read_taught(bundle.file(TAUGHT)), self.targets, self.semantic.views, self.semantic.starts)

    # -- scoring ---------------------------------------------------------------------------------------------------

    def parts(self, reading: Reading, record: RecordFacts) -> tuple[PartScores, npt.NDArray[np.float32] | None]:
        """What each part says about the record, and the record's vector."""
        date = reading.record.encounter.date
        probabilistic = self.probabilistic.score(record, date)
        vector = None
        semantic, votes = np.zeros(len(self.targets)), np.zeros(len(self.targets))
        text = render(reading)
        if self.semantic is not None:
            vector = self.semantic.encode(text)
            semantic = self.semantic.score(vector)
            votes = self.semantic.votes(vector)
        columns = [self.probabilistic.column[f] for f in record.facts.present if f in self.probabilistic.column]
        denied = [self.probabilistic.column[f] for f in record.facts.absent if f in self.probabilistic.column]
        key = self.probabilistic.p >= 0.3
        taught = self.taught.score(vector, record.facts.present, record.facts.absent) if self.taught and vector is not None else None
        scores = PartScores(
            semantic=semantic,
            probabilistic=probabilistic,
            votes=votes,
            lexical=self.lexical.score(text) if self.lexical is not None else np.zeros(len(self.targets)),
            taught=taught.likely if taught else np.zeros(len(self.targets)),
            conflicts=self.probabilistic.conflicts(record),
            must_not_miss=self.must_not_miss,
            impossible=self.probabilistic.impossible(record),
            prior=self.probabilistic.priors(record, date),
            hits=key[:, columns].sum(axis=1).astype(float) if columns else np.zeros(len(self.kb.diseases)),
            denials=(self.probabilistic.p[:, denied] >= 0.6).sum(axis=1).astype(float) if denied else np.zeros(len(self.kb.diseases)),
            mentions={self.index[d]: a for d, a in record.mentioned.items() if d in self.index},
            findings=len(record.stated & record.facts.present),
            characters=sum(len(text) for text in reading.section_texts.values()),
            danger=taught.danger if taught else 0.0,
        )
        return scores, vector

    def rank(self, reading: Reading, record: RecordFacts | None = None) -> Ranked:
        """Fuse the parts over the pool of targets."""
        record = record or facts_of(reading, self.kb)
        scores, vector = self.parts(reading, record)
        targets = pool(scores)
        logits = self.fusion.logits(features(scores, targets))
        order = np.argsort(-logits, kind="stable")
        targets, logits = targets[order], logits[order]
        return Ranked(
            targets, logits, self.fusion.probabilities(logits, reading.patient.age_years, scores.characters), scores, record, vector
        )

    def choose(self, reading: Reading, names: Sequence[str], record: RecordFacts | None = None) -> list[tuple[str, str | None, float]]:
        """Rank only the given names or codes: (name, target or None, probability), best first.

        A name that the knowledge base holds is judged by all parts; any other by its words and by its nearest entries. In a long list with many
        unknown names (a hospital's own classes) the names alone are compared, since only they are on one scale; where a training
        set has taught that list, its class reading decides among the names that it knows, and a list that was only balanced is
        judged by the entries that its names stand for as well.
        """
        record = record or facts_of(reading, self.kb)
        scores, vector = self.parts(reading, record)
        balance = covering(self.balances, names) if vector is not None else None
        if balance is not None and vector is not None:
            total = balance.logits(names, *self.list_scores(names, scores, vector))
            share = np.exp(total - total.max())
            share /= share.sum()
            return [(names[i], self.names.find(names[i]), float(share[i])) for i in np.argsort(-share, kind="stable").tolist()]
        found = [self.names.find(name) for name in names]
        classes = len(names) > MOST_OPTIONS and sum(target is None for target in found) > UNKNOWN_SHARE * len(names)
        if classes:
            total = self.name_cosines(names, scores, vector)
        else:
            weights = np.array([self.fusion.options.get(part, 0.0) for part in OPTION_PARTS])
            total = self.option_parts(names, scores, vector) @ weights
        share = np.exp(total - total.max())
        share /= share.sum()
        taught = self.classes.covering(names) if self.classes is not None and vector is not None else None
        if taught is not None and vector is not None:
            share = divided(share, taught[0].logits(vector, words_of(reading), marks_of(reading)), taught[1])
        order = np.argsort(-share, kind="stable")
        return [(names[i], found[i], float(share[i])) for i in order.tolist()]

    def name_cosines(self, names: Sequence[str], scores: PartScores, vector: npt.NDArray[np.float32] | None) -> Vector:
        """(names,): cosine of each name's words with the record, in spreads of all targets' scores; zero without a bundle."""
        if self.semantic is None or vector is None:
            return np.zeros(len(names))
        return np.asarray(self.semantic.name_score(vector, list(names)) / max(float(scores.semantic.std()), 1e-6))

    def option_parts(self, names: Sequence[str], scores: PartScores, vector: npt.NDArray[np.float32] | None) -> Vector:
        """(names, OPTION_PARTS): each name's words, and what the parts say of the entries that it stands for."""
        shared = self.option_shares(names)
        matrix = features(scores, np.arange(len(self.targets)))
        columns = {
            "name": self.name_cosines(names, scores, vector),
            "taught": logits_of_names(scores.taught, shared),
            "lexical": shared @ matrix[:, FEATURES.index("lexical_z")],
            "probabilistic": shared @ matrix[:, FEATURES.index("probabilistic_gap")],
            "fused": logits_of_names(self.fusion.logits(matrix), shared),
        }
        return np.column_stack([columns[part] for part in OPTION_PARTS])

    def option_places(self, names: Sequence[str]) -> list[int | None]:
        """The place of each name's entry among the targets, None for a name that the knowledge base lacks."""
        return [self.index[target] if target is not None else None for target in map(self.names.find, names)]

    def option_shares(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """(names, targets): the entries that each name stands for; without a bundle unknown names stand for all alike."""
        places = self.option_places(names)
        if self.semantic is None:
            even = np.full((len(names), len(self.targets)), 1.0 / len(self.targets), dtype=np.float32)
            for row, place in enumerate(places):
                if place is not None:
                    even[row] = np.eye(1, len(self.targets), place, dtype=np.float32)
            return even
        return shares(self.semantic.name_vectors(names), self.semantic.views[self.semantic.starts], places)

    def list_scores(self, names: Sequence[str], scores: PartScores, vector: npt.NDArray[np.float32]) -> tuple[Vector, Vector]:
        """For each name of a list: log share of the entries that it stands for; cosine of its words, in spreads of all targets' scores."""
        if self.semantic is None:
            raise ValueError("a list is scored with the vectors of a bundle")
        asked = tuple(names)
        if self._groups is None or self._groups[0] != asked:
            self._groups = asked, entries_of(asked, self.kb, self.names, self.index)
        logits = self.fusion.logits(features(scores, np.arange(len(self.targets))))
        return log_shares(logits, self._groups[1]), self.name_cosines(names, scores, vector)

    # -- answers ---------------------------------------------------------------------------------------------------

    def diagnose(self, reading: Reading, *, top_k: int, candidates: Sequence[str] | None, explain: bool, versions: Versions) -> Diagnosis:
        """The whole answer for one reading."""
        record = facts_of(reading, self.kb)
        flags = one_for_each_disease(red_flags(record, self.kb))
        if candidates is not None:
            chosen = self.choose(reading, candidates, record)[:top_k]
            shown = tuple(self._named(name, target, p, record) for name, target, p in chosen)
            return Diagnosis(
                id=reading.record.id,
                status="ranked",
                candidates=shown,
                red_flags=flags,
                next_steps=(),
                department=self._department([t for _, t, _ in chosen if t], flags),
                abstention=None,
                versions=versions,
            )
        ranked = self.rank(reading, record)
        top = [
            (self.targets[t], float(p)) for t, p in zip(ranked.targets[:top_k].tolist(), ranked.probabilities[:top_k].tolist(), strict=True)
        ]
        shown = tuple(self._candidate(target, p, record, ranked if explain else None, i) for i, (target, p) in enumerate(top))
        flags = flags or self.danger_flags(ranked)
        urgent = any(flag.urgency == "immediate" for flag in flags)
        steps = next_steps(top, record, self.probabilistic, self.kb, reading.record.encounter.facility, urgent=urgent)
        reason = self._too_little(reading, ranked)
        if reason and not _informative(record):
            # nothing was read: to list diseases by their frequency alone would be a pretence
            shown, steps = (
                (),
                (
                    NextStep(kind="ask", what="哪里不舒服？有多久了？怎样开始的？", why="病历里没有读到症状", gain=None),
                    *(s for s in steps if s.kind == "refer"),
                ),
            )
        return Diagnosis(
            id=reading.record.id,
            status="abstained" if reason else "ranked",
            candidates=shown,
            red_flags=flags,
            next_steps=steps,
            department=self._department([target for target, _ in top] if shown else [], flags),
            abstention=Abstention(reason=reason, ask=tuple(s for s in steps if s.kind in ("ask", "examine"))[:3]) if reason else None,
            notifiable=tuple(self._notifiable(top)),
            versions=versions,
        )

    def danger_flags(self, ranked: Ranked) -> tuple[RedFlag, ...]:
        """The one flag of a record on which no rule fires and that reads dangerous as a whole; mostly none."""
        if ranked.scores.danger < self.fusion.danger_from or not _informative(ranked.record):
            return ()
        dangerous = [i for i, t in enumerate(ranked.targets.tolist()) if t < len(self.must_not_miss) and self.must_not_miss[t]][:SUSPECTS]
        suspects = [
            self._candidate(self.targets[int(ranked.targets[i])], float(ranked.probabilities[i]), ranked.record, None, i) for i in dangerous
        ]
        evidence = _unique([item for suspect in suspects for item in suspect.supports])
        if not evidence:
            # no entry lists what the record states: then that itself is what reads dangerous
            stated = sorted(ranked.record.stated & ranked.record.facts.present)
            evidence = _unique([item for finding in stated for item in ranked.record.evidence.get(finding, ())])[:_EVIDENCE]
        return (danger_flag(suspects, evidence),) if suspects else ()

    def _too_little(self, reading: Reading, ranked: Ranked) -> str | None:
        """Why no ranking is stood behind, or None."""
        record = ranked.record
        text = "".join(reading.section_texts.values())
        if sum("一" <= ch <= "鿿" for ch in text) < _MIN_CHINESE:
            return "没有可识别的中文病历内容，无法给出鉴别诊断。"
        informative = _informative(record)
        if informative == 0:
            return "没有读到明确的症状、体征或检查异常，无法给出鉴别诊断；请补充主诉和现病史。"
        if len(ranked.probabilities) and ranked.probabilities[0] < self.fusion.abstain_below:
            return "现有信息不足以区分各种可能，请先补充下列问题。"
        if informative == 1 and len(text) < 12:
            return "信息太少，只有一项表现；请先补充下列问题。"
        return None

    def _candidate(self, target: str, probability: float, record: RecordFacts, ranked: Ranked | None, position: int) -> Candidate:
        explanation = self._numbers(ranked, position, target) if ranked is not None else None
        if target not in self.kb.diseases:
            thin = self.kb.thin[target]
            mention = tuple(record.evidence.get(f"disease:{target}", ())[:2])
            return Candidate(
                id=f"diagnosis:{target}", disease=target, name=thin.name, icd10=thin.code, probability=round(probability, 4), must_not_miss=False,
                supports=mention, explanation=explanation,
            )  # fmt: skip
        disease = self.kb.diseases[target]
        contributions = self.probabilistic.contributions(record, target)
        supports: list[Evidence] = (
            list(record.evidence.get(f"disease:{target}", ())[:2]) if record.mentioned.get(target) in ("present", "possible") else []
        )
        against: list[Evidence] = []
        for finding, nats in contributions.items():
            places = record.evidence.get(finding, [])
            if nats > 0.2 and finding in record.facts.present and len(supports) < _EVIDENCE:
                shown = places or [e for d in self.kb.findings[finding].descendants for e in record.evidence.get(d, [])]
                supports += [e.model_copy(update={"finding": finding, "note": self._note(e, finding)}) for e in shown[:1]]
            elif nats < -0.2 and len(against) < _EVIDENCE and (finding in record.facts.absent or finding in disease.against):
                denied = places or [e for a in self.kb.findings[finding].ancestors for e in record.evidence.get(a, [])]
                # what the record denies is said as a denial: 无呕吐, not 呕吐
                said = "无" if finding in record.facts.absent else ""
                against += [e.model_copy(update={"finding": finding, "note": said + self._note(e, finding)}) for e in denied[:1]]
        if self.probabilistic.conflicts(record)[self.probabilistic.index[target]] >= 0.5:
            against.append(Evidence(note="性别、年龄或妊娠状态与该病的好发人群不符"))
        return Candidate(
            id=f"diagnosis:{target}",
            disease=target,
            name=disease.name,
            icd10=disease.icd10[0],
            probability=round(probability, 4),
            must_not_miss=disease.must_not_miss,
            supports=tuple(_unique(supports)),
            against=tuple(_unique(against)),
            missing=self._missing(target, record),
            explanation=explanation,
        )

    def evidence_of(self, target: str, probability: float, record: RecordFacts) -> Candidate:
        """A target as a candidate with its evidence, for the review."""
        return self._candidate(target, probability, record, None, 0)

    def _note(self, evidence: Evidence, finding: str) -> str:
        name = self.kb.findings[finding].name
        return f"{name}（{evidence.note}）" if evidence.note else name

    def _missing(self, target: str, record: RecordFacts, count: int = 3) -> tuple[MissingFinding, ...]:
        """Key findings of the entry that the record neither states nor denies, the most telling first."""
        disease = self.kb.diseases[target]
        known = record.facts.present | record.facts.absent
        scored = [
            (p * float(np.log(p / self.kb.findings[f].background)), f)
            for f, p in disease.findings.items()
            if f not in known and p > self.kb.findings[f].background
        ]
        scored.sort(key=lambda pair: (-pair[0], pair[1]))
        return tuple(
            MissingFinding(finding=f, name=self.kb.findings[f].name, question=self.kb.findings[f].question) for _, f in scored[:count]
        )

    def _named(self, name: str, target: str | None, probability: float, record: RecordFacts) -> Candidate:
        if target is None:
            return Candidate(
                id=f"diagnosis:name:{name}", disease=None, name=name, icd10=None, probability=round(probability, 4), must_not_miss=False
            )
        return self._candidate(target, probability, record, None, 0).model_copy(update={"name": name})

    def _numbers(self, ranked: Ranked, position: int, target: str) -> dict[str, Any]:
        t = int(ranked.targets[position])
        scores = ranked.scores
        numbers: dict[str, Any] = {
            "fused_logit": round(float(ranked.logits[position]), 4),
            "semantic": round(float(scores.semantic[t]), 4),
            "semantic_rank": int((scores.semantic > scores.semantic[t]).sum()) + 1,
            "case_votes": round(float(scores.votes[t]), 4),
            "lexical": round(float(scores.lexical[t]), 4),
            "taught": round(float(scores.taught[t]), 4),
            "mention": scores.mentions.get(t),
        }
        if t < len(scores.probabilistic):
            numbers["probabilistic"] = round(float(scores.probabilistic[t]), 4)
            numbers["probabilistic_rank"] = int((scores.probabilistic > scores.probabilistic[t]).sum()) + 1
            numbers["prior"] = round(float(scores.prior[t]), 4)
            numbers["findings"] = {f: round(v, 3) for f, v in list(self.probabilistic.contributions(ranked.record, target).items())[:12]}
        return numbers

    def _department(self, targets: Sequence[str], flags: Sequence[RedFlag]) -> str | None:
        if any(flag.urgency == "immediate" for flag in flags):
            return "急诊科"
        for target in targets:
            if target in self.kb.diseases:
                return self.kb.diseases[target].department
            if target in self.kb.thin and self.kb.thin[target].department:
                return self.kb.thin[target].department
        return None

    def _notifiable(self, top: Sequence[tuple[str, float]]) -> list[dict[str, Any]]:
        """Class, time limit and action for leading candidates that must be notified if they hold."""
        table = {row["disease"]: row for row in self.kb.tables.get("notifiable", ())}
        found = []
        for target, probability in top[:3]:
            entry = self.kb.diseases[target].entry if target in self.kb.diseases else {}
            if entry.get("notifiable") and probability >= 0.2:
                row = table.get(target, {})
                found.append(
                    {
                        "disease": target,
                        "name": entry["name"],
                        "class": entry["notifiable"]["class"],
                        "hours": entry["notifiable"]["hours"],
                        "action": row.get("action", ""),
                    }
                )
        return found


def _informative(record: RecordFacts) -> int:
    """How many findings, abnormal numbers and named diseases the record asserts."""
    stated = len((record.stated & record.facts.present) - NO_COMPLAINT)
    named = sum(assertion in ("present", "possible") for assertion in record.mentioned.values())
    derived = sum(f in record.evidence and f not in record.stated for f in record.facts.present)
    return stated + named + derived


def _unique(items: Sequence[Evidence]) -> list[Evidence]:
    seen: set[tuple[Any, ...]] = set()
    kept = []
    for item in items:
        key = (item.span.section, item.span.start, item.span.end) if item.span else ("note", item.note)
        if key not in seen:
            seen.add(key)
            kept.append(item)
    return kept
