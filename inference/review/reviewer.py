"""The reviewer: rules first (values, medicines, old diseases), then the ranked differential, within an alert budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from data_contracts.diagnosis import RedFlag, Versions
from data_contracts.review import Alert, Review
from data_contracts.spans import DiseaseRef, Evidence
from inference.facts import RecordFacts, facts_of
from inference.flagging import one_for_each_disease, red_flags, rule_evidence
from inference.ranking.ranker import Ranked, Ranker
from inference.reading.quality import assess_quality
from inference.reading.types import Reading
from inference.review.candidates import CandidateFeatures, Naming, RecordCandidates
from inference.review.coverage import Coverage, lies_in
from inference.review.omissions import REVIEW, Omissions
from knowledge_base.compiled import KnowledgeBase
from knowledge_base.conditions import Condition

BUDGET = 3
NEARLY_ALWAYS = 0.9
_SEVERITY = {"critical": 0, "warning": 1, "hint": 2}
_KIND = {"red_flag": 0, "missed": 1, "doubtful": 2, "incomplete": 3}
_FLAG_SEVERITY = {"immediate": "critical", "today": "warning", "soon": "hint"}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Fused probabilities from which the model speaks; tuned on complete records (`training.stages.ranker_evaluate`, `review`)."""

    missed: float = 0.50
    missed_must_not_miss: float = 0.40
    critical: float = 0.75
    doubtful: float = 0.02


@dataclass(frozen=True, slots=True)
class ValueRule:
    """A rule of `content/rules/review.yaml`, parsed."""

    id: str
    condition: Condition
    unless: Condition | None
    row: Mapping[str, Any]


class Reviewer:
    """Reviews readings against the diagnoses that the doctor has entered."""

    def __init__(self, kb: KnowledgeBase, ranker: Ranker, thresholds: Thresholds | None = None) -> None:
        self.kb, self.ranker = kb, ranker
        sealed = ranker.fusion.review
        self.thresholds = thresholds or (Thresholds(**sealed) if sealed else Thresholds())
        self.rules = [
            ValueRule(row["id"], kb.condition(row["when"]), kb.condition(row["unless"]) if row.get("unless") else None, row)
            for row in kb.tables.get("rules/review", ())
            if row.get("enabled", True)
        ]
        bundle = ranker.bundle
        self.omissions = Omissions(bundle.json(REVIEW)) if bundle is not None and REVIEW in bundle.manifest["files"] else None
        self.features = CandidateFeatures(kb, ranker)

    def review(self, reading: Reading, versions: Versions) -> Review:
        """All alerts of one record, within the budget, without what was overridden with a reason."""
        record = facts_of(reading, self.kb)
        coverage = Coverage(reading.record.diagnoses, self.kb, self.ranker.names)
        ranked = self.ranker.rank(reading, record)
        missed = self.by_rule(reading, record, coverage)
        if self.omissions is None or not reading.record.diagnoses:
            missed += self._model(ranked, record, coverage)
        else:
            missed = self._weighed(missed, self.candidates(reading, ranked), coverage, len(reading.record.diagnoses), self.omissions)
        flags = self.flags(record)
        if not flags and not reading.record.diagnoses:
            flags = [self._flag_alert(flag, "model:ranker") for flag in self.ranker.danger_flags(ranked)]
        alerts = [
            *flags,
            *missed,
            *self._doubtful(ranked, record, coverage),
            *self._incomplete(reading),
        ]
        return Review(
            id=reading.record.id,
            alerts=tuple(within_budget(alerts, {o.id for o in reading.record.overridden if o.reason.strip()})),
            versions=versions,
        )

    def by_rule(self, reading: Reading, record: RecordFacts, coverage: Coverage) -> list[Alert]:
        """Diseases that values, medicines and the record's own words show and the list lacks."""
        return [*self._values(record, coverage), *self._medicines(record, coverage), *self._carried_over(reading, record, coverage)]

    def candidates(self, reading: Reading, ranked: Ranked) -> RecordCandidates:
        """The candidates of one record before any list, with what rules, medicines and red flags say of each."""
        record = ranked.record
        rules = {r.row["disease"]: r.row["severity"] for r in self.rules if r.row.get("disease") and _fires(r, record)}
        chronic = [m for ident in record.facts.medicines if (m := self.kb.medicines.get(ident)) and m.get("chronic")]
        medicines = {d for m in chronic for d in m.get("indication_diseases", ()) if d in self.kb.diseases}
        flagged = {flag.diseases[0] for flag in red_flags(record, self.kb)}
        return self.features.of_record(reading, ranked, rules=rules, medicines=medicines, flagged=flagged)

    def _ref(self, target: str | None) -> DiseaseRef | None:
        if target is None:
            return None
        if target in self.kb.diseases:
            disease = self.kb.diseases[target]
            return DiseaseRef(id=disease.id, name=disease.name, icd10=disease.icd10[0])
        if target in self.kb.thin:
            thin = self.kb.thin[target]
            return DiseaseRef(id=thin.id, name=thin.name, icd10=thin.code)
        return None

    def flags(self, record: RecordFacts) -> list[Alert]:
        """The red flags of one record's rules as alerts."""
        return [self._flag_alert(flag, f"rule:{flag.rule}") for flag in one_for_each_disease(red_flags(record, self.kb))]

    def _flag_alert(self, flag: RedFlag, source: str) -> Alert:
        return Alert(
            id=f"alert:red_flag:{flag.rule}",
            kind="red_flag",
            severity=_FLAG_SEVERITY[flag.urgency],  # type: ignore[arg-type]
            disease=self._ref(flag.diseases[0]),
            message=flag.message,
            evidence=flag.evidence,
            source=source,
        )

    def _values(self, record: RecordFacts, coverage: Coverage) -> list[Alert]:
        """Abnormal measurements that no entered diagnosis explains."""
        found = []
        for rule in self.rules:
            if not _fires(rule, record) or coverage.explains(rule.row["covered_by"]):
                continue
            found.append(
                Alert(
                    id=f"alert:missed:{rule.id}",
                    kind="missed",
                    severity=rule.row["severity"],
                    disease=self._ref(rule.row.get("disease")),
                    message=rule.row["message"],
                    evidence=rule_evidence(rule.condition.findings, rule.condition.measurements, record, self.kb),
                    source=f"rule:{rule.id}",
                )
            )
        return found

    def _medicines(self, record: RecordFacts, coverage: Coverage) -> list[Alert]:
        """Long-term medicines whose indication stands neither in the list nor in the text."""
        found = []
        for ident in sorted(record.facts.medicines & set(self.kb.medicines)):
            medicine = self.kb.medicines[ident]
            wanted = [d for d in medicine.get("indication_diseases", ()) if d in self.kb.diseases]
            if (
                not medicine.get("chronic")
                or not wanted
                or any(coverage.covers(d) for d in wanted)
                or any(record.mentioned.get(d) in ("present", "possible", "historical") for d in wanted)
            ):
                continue
            names = "、".join(self.kb.diseases[d].name for d in wanted[:3])
            evidence = tuple(record.evidence.get(ident, ()))
            found.append(
                Alert(
                    id=f"alert:missed:medicine:{ident}",
                    kind="missed",
                    severity="hint",
                    disease=self._ref(wanted[0]),
                    message=f"正在使用{medicine['name']}，诊断中没有相应的疾病（{names}）。",
                    evidence=evidence,
                    source="rule:medicine_without_disease",
                )
            )
        return found

    def _carried_over(self, reading: Reading, record: RecordFacts, coverage: Coverage) -> list[Alert]:
        """Ongoing diseases that the record itself names and the list leaves out."""
        if not reading.record.diagnoses:
            return []
        found = []
        for target, assertion in sorted(record.mentioned.items()):
            if assertion != "present" or coverage.covers(target) or not self._belongs_on_every_list(target):
                continue
            evidence: list[Evidence] = record.evidence.get(f"disease:{target}", [])
            ref = self._ref(target)
            if ref is None:
                continue
            found.append(
                Alert(
                    id=f"alert:missed:history:{target}",
                    kind="missed",
                    severity="hint",
                    disease=ref,
                    message=f"病历中写有{ref.name}，诊断中没有列出。",
                    evidence=tuple(evidence[:2]),
                    source="rule:stated_not_listed",
                )
            )
        return found

    def _belongs_on_every_list(self, target: str) -> bool:
        """Whether a stated lasting disease is one of `content/carried_over.yaml`; thin entries are too coarse for that."""
        if target not in self.kb.diseases:
            return False
        disease = self.kb.diseases[target]
        lasting = disease.entry["onset"]["course"] in ("chronic", "recurrent", "congenital")
        return lasting and lies_in(disease.icd10[0][:3], self.kb.tables["carried_over"]["categories"])

    def _model(self, ranked: Ranked, record: RecordFacts, coverage: Coverage) -> list[Alert]:
        """Likely or dangerous candidates that the list does not cover."""
        found = []
        t = self.thresholds
        for target_index, probability in zip(ranked.targets[:10].tolist(), ranked.probabilities[:10].tolist(), strict=True):
            target = self.ranker.targets[target_index]
            dangerous = target in self.kb.diseases and self.kb.diseases[target].must_not_miss
            if probability < (t.missed_must_not_miss if dangerous else t.missed) or coverage.covers(target):
                continue
            candidate = self.ranker.evidence_of(target, probability, record)
            if not candidate.supports or self._contradicted(target, record):
                continue
            said = "、".join(dict.fromkeys(_words(e) for e in candidate.supports[:4] if e.span))
            severity = (
                "critical" if dangerous and probability >= t.critical else "warning" if dangerous or probability >= t.critical else "hint"
            )
            found.append(
                Alert(
                    id=f"alert:missed:{target}",
                    kind="missed",
                    severity=severity,  # type: ignore[arg-type]
                    disease=self._ref(target),
                    message=f"请考虑{candidate.name}：依据“{said}”。",
                    evidence=candidate.supports,
                    source="model:ranker",
                )
            )
        return found

    def _weighed(
        self, by_rule: Sequence[Alert], found: RecordCandidates, coverage: Coverage, entered: int, omissions: Omissions
    ) -> list[Alert]:
        """What the rules warn of, and the candidates and hints that the scorer holds for left out, the surest first."""
        places, matrix = self.features.matrix(found, coverage, entered)
        scores = omissions.scores(matrix)
        hints = {alert.disease.id: alert for alert in reversed(by_rule) if is_weighed(alert) and alert.disease}
        weighed = {found.targets[place] for place in places.tolist()} & set(hints)
        alerts = [a for a in by_rule if a.disease is None or a.disease.id not in weighed or not is_weighed(a)]
        taken = {alert.disease.id for alert in alerts if alert.disease} | found.flagged
        for i in np.argsort(-scores, kind="stable").tolist():
            if scores[i] < omissions.threshold or len(alerts) >= BUDGET:
                break
            place = int(places[i])
            target = found.targets[place]
            alert = None if target in taken else hints.get(target) or self._left_out(target, found, float(found.probabilities[place]))
            if alert is not None:
                alerts.append(alert)
        return alerts

    def _left_out(self, target: str, found: RecordCandidates, probability: float) -> Alert | None:
        """A left-out candidate with its evidence: the words that name it, else the findings that speak for it; None without any."""
        ref = self._ref(target)
        naming = found.namings.get(target, Naming())
        supports = tuple(naming.evidence[:2]) or self.ranker.evidence_of(target, probability, found.record).supports
        if ref is None or not supports or self._contradicted(target, found.record):
            return None
        if naming.evidence and naming.shown:
            ref = ref.model_copy(update={"name": naming.shown[0], "icd10": naming.shown[1]})
        said = "、".join(dict.fromkeys(_words(e) for e in supports[:4] if e.span))
        dangerous = target in self.kb.diseases and self.kb.diseases[target].must_not_miss
        sure = probability >= self.thresholds.critical
        return Alert(
            id=f"alert:missed:{target}",
            kind="missed",
            severity="critical" if dangerous and sure else "warning" if dangerous or sure else "hint",
            disease=ref,
            message=f"病历中写有“{said}”，诊断中没有列出{ref.name}。" if naming.evidence else f"请考虑{ref.name}：依据“{said}”。",
            evidence=supports,
            source="model:review",
        )

    def _contradicted(self, target: str, record: RecordFacts) -> bool:
        """Whether the record denies a finding that nearly every patient with the disease has (a potassium of 6.7 and 低钾血症)."""
        findings = self.kb.diseases[target].findings if target in self.kb.diseases else {}
        return any(p >= NEARLY_ALWAYS and finding in record.facts.absent for finding, p in findings.items())

    def _doubtful(self, ranked: Ranked, record: RecordFacts, coverage: Coverage) -> list[Alert]:
        """Entered diagnoses that the record contradicts; never from absence of support alone."""
        found = []
        probability = {self.ranker.targets[t]: p for t, p in zip(ranked.targets.tolist(), ranked.probabilities.tolist(), strict=True)}
        for target in sorted(coverage.targets):
            if target not in self.kb.diseases or probability.get(target, 0.0) > self.thresholds.doubtful:
                continue
            if record.mentioned.get(target) in ("present", "possible"):
                continue
            candidate = self.ranker.evidence_of(target, 0.0, record)
            if not candidate.against:
                continue
            said = "、".join(dict.fromkeys((e.span.text if e.span else e.note or "") for e in candidate.against[:3]))
            confirm = "、".join(m.name for m in candidate.missing[:3])
            message = f"诊断“{candidate.name}”与病历不符：{said}。" + (f"如仍考虑，请核实：{confirm}。" if confirm else "")
            found.append(
                Alert(
                    id=f"alert:doubtful:{target}",
                    kind="doubtful",
                    severity="hint",
                    disease=self._ref(target),
                    message=message,
                    evidence=candidate.against,
                    source="model:ranker",
                )
            )
        return found

    def _incomplete(self, reading: Reading) -> list[Alert]:
        """What must be written before any advice is sound: the missing items of the record's quality."""
        missing = [item for item in assess_quality(reading, self.kb).items if not item.present]
        if not missing:
            return []
        hints = "；".join((item.hint or item.item).rstrip("。") for item in missing[:4])
        return [
            Alert(
                id="alert:incomplete",
                kind="incomplete",
                severity="hint",
                disease=None,
                message=f"病历还缺：{hints}。",
                evidence=(),
                source="rule:record_quality",
            )
        ]


def is_weighed(alert: Alert) -> bool:
    """Whether a rule's alert is left to the scorer: hints, but for medicines without their disease and stated lasting diseases.

    In-patient lists often leave these two out themselves, so that weights fitted on them would silence true omissions.
    """
    return alert.severity == "hint" and alert.source not in ("rule:medicine_without_disease", "rule:stated_not_listed")


def _fires(rule: ValueRule, record: RecordFacts) -> bool:
    """Whether a rule's condition holds and what excuses it does not."""
    return rule.condition.evaluate(record.facts) and not (rule.unless is not None and rule.unless.evaluate(record.facts))


def _words(evidence: Evidence) -> str:
    """The record's own words; of a bare number, the finding that it makes."""
    text = evidence.span.text if evidence.span else ""
    return text if any(sign.isalpha() for sign in text) else evidence.note or text


def within_budget(alerts: Sequence[Alert], overridden: set[str], budget: int = BUDGET) -> list[Alert]:
    """Alerts in order of severity and kind: all critical ones, then up to the budget; one for each disease; none overridden."""
    kept: list[Alert] = []
    diseases: set[str] = set()
    spent = 0
    for alert in sorted(alerts, key=lambda a: (_SEVERITY[a.severity], _KIND[a.kind])):
        if alert.id in overridden or any(a.id == alert.id for a in kept):
            continue
        if alert.disease is not None and alert.kind != "doubtful":
            if alert.disease.id in diseases:
                continue
            diseases.add(alert.disease.id)
        if alert.severity != "critical":
            if spent == budget:
                continue
            spent += 1
        kept.append(alert)
    return kept
