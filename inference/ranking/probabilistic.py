"""The probabilistic part: what the entries' probabilities say about asserted findings, measurements and the patient.

score(d) = log prior(d | age, sex, pregnancy, season)
         + Σ_present w·log(p/b) + Σ_absent w·log((1-p)/(1-b)) + λ Σ_key unmentioned log((1-r·p)/(1-r·b)) + odds of risk factors

with p the entry's probability (or a leak near the background), b the background. Each ratio is clipped; correlated
findings (one body of the same ancestor) count less after the first; a denial can never raise what it speaks against.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from inference.facts import RecordFacts
from knowledge_base.compiled import KnowledgeBase

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ProbabilisticSettings:
    """Settings fitted on development records."""

    unmentioned: float = 0.15
    """λ: how much a key finding that the record does not mention speaks against the disease."""
    written: float = 0.6
    """r: the chance that a key finding would be written if present."""
    ratio_low: float = 1 / 20
    ratio_high: float = 50.0
    leak: float = 0.5
    """A present finding that the entry does not list has probability leak × background: it costs, but not everything."""
    repeat: tuple[float, ...] = (1.0, 0.5, 0.25)
    prior_weight: float = 0.5
    conflict: float = -8.0
    """Nats for a sex, age or pregnancy outside the entry's population."""


class Probabilistic:
    """Scores of all full entries for one record's facts."""

    def __init__(self, kb: KnowledgeBase, settings: ProbabilisticSettings | None = None) -> None:
        self.kb = kb
        self.settings = settings or ProbabilisticSettings()
        self.diseases = list(kb.diseases)
        self.index = {ident: i for i, ident in enumerate(self.diseases)}
        self.findings = list(kb.findings)
        self.column = {ident: j for j, ident in enumerate(self.findings)}
        n, m = len(self.diseases), len(self.findings)
        self.background = np.array([kb.findings[f].background for f in self.findings])
        self.p = np.zeros((n, m), dtype=np.float64)
        self.listed = np.zeros((n, m), dtype=bool)
        self.fixed = np.zeros((n, m), dtype=np.float64)
        """Log likelihood or odds ratios that an entry states outright (`against`, `risk_factors`)."""
        for ident, disease in kb.diseases.items():
            i = self.index[ident]
            for finding, probability in disease.findings.items():
                j = self.column[finding]
                self.p[i, j] = max(self.p[i, j], min(probability, 0.98))
                self.listed[i, j] = True
                for ancestor in kb.findings[finding].ancestors:
                    a = self.column[ancestor]
                    self.p[i, a] = max(self.p[i, a], min(probability, 0.98))
                    self.listed[i, a] = True
            for finding, ratio in disease.against.items():
                self.fixed[i, self.column[finding]] += np.log(ratio)
            for finding, ratio in disease.risk_factors.items():
                self.fixed[i, self.column[finding]] += min(np.log(ratio), 2.0)
        s = self.settings
        leak = s.leak * self.background
        p = np.where(self.listed, 1 - (1 - self.p) * (1 - leak), leak)
        p = np.clip(p, 1e-5, 0.99)
        self.present = np.clip(np.log(p / self.background), np.log(s.ratio_low), np.log(s.ratio_high))
        self.present = np.where(self.listed, self.present, np.maximum(self.present, -0.5))
        absent = np.clip(np.log((1 - p) / (1 - self.background)), np.log(s.ratio_low), 0.0)
        self.absent = np.where(self.listed, absent, 0.0)
        key = self.listed & (self.p >= 0.5)
        r = s.written
        self.silent = np.where(key, np.clip(np.log((1 - r * p) / (1 - r * self.background)), -1.5, 0.0), 0.0)
        self.prior = np.array([np.log(kb.diseases[d].entry["prior"]["base"]) for d in self.diseases])
        populations = [kb.diseases[d].entry["population"] for d in self.diseases]
        self.sex = np.array([population["sex"] for population in populations])
        self.ages = np.array([population["age_years"] for population in populations], dtype=np.float64)
        self.pregnancy = np.array([population.get("pregnancy", "any") for population in populations])
        self.age_bands = [_bands(kb.diseases[d].entry["prior"].get("by_age", {})) for d in self.diseases]
        self.seasons = [_bands(kb.diseases[d].entry["prior"].get("by_season", {})) for d in self.diseases]

    def priors(self, record: RecordFacts, date: dt.date | None) -> Vector:
        """Log priors of this patient at this season, with the penalty of a population conflict."""
        facts = record.facts
        prior = self.prior.copy()
        years = None if facts.age_days is None else facts.age_days / 365.25
        if years is not None:
            prior += np.array([np.log(max(_lookup(bands, years), 1e-3)) for bands in self.age_bands])
        if date is not None:
            prior += np.array([np.log(max(_lookup_month(bands, date.month), 1e-3)) for bands in self.seasons])
        return self.settings.prior_weight * prior + self.settings.conflict * self.conflicts(record)

    def conflicts(self, record: RecordFacts) -> Vector:
        """1 where sex, age or pregnancy lies outside the entry's population (an age at the edge counts in part)."""
        facts = record.facts
        conflict = np.zeros(len(self.diseases))
        if facts.sex != "unknown":
            conflict[(self.sex != "any") & (self.sex != facts.sex)] = 1.0
        if facts.age_days is not None:
            years = facts.age_days / 365.25
            low, high = self.ages[:, 0], self.ages[:, 1]
            outside = np.maximum(low - years, years - high - 0.99)
            conflict = np.maximum(conflict, np.clip(outside / np.maximum(0.15 * np.maximum(low, 2.0), 0.3), 0.0, 1.0))
        pregnant = facts.pregnant or facts.pregnancy_weeks is not None
        if pregnant:
            conflict[self.pregnancy == "never"] = 1.0
        else:
            conflict[self.pregnancy == "only"] = np.maximum(conflict[self.pregnancy == "only"], 0.5)
        return conflict

    def impossible(self, record: RecordFacts) -> npt.NDArray[np.bool_]:
        """Entries that this patient cannot have: of the other sex, or of pregnancy in a man."""
        if record.facts.sex == "unknown":
            return np.zeros(len(self.diseases), dtype=bool)
        other_sex = (self.sex != "any") & (self.sex != record.facts.sex)
        return np.asarray(other_sex | ((self.pregnancy == "only") & (record.facts.sex == "male")))

    def weights(self, record: RecordFacts) -> tuple[list[int], list[float], list[int], list[float]]:
        """Columns and weights of the present and of the absent findings: the most specific first, relatives less."""
        kb = self.kb
        present = sorted((f for f in record.facts.present if f in self.column), key=lambda f: (kb.findings[f].background, f))
        used: dict[str, int] = {}
        columns: list[int] = []
        weights: list[float] = []
        for finding in present:
            family = kb.findings[finding].ancestors | {finding}
            if finding not in record.stated and any(f in kb.findings[finding].descendants for f in present):
                continue
            count = max((used.get(member, 0) for member in family), default=0)
            weights.append(self.settings.repeat[min(count, len(self.settings.repeat) - 1)])
            columns.append(self.column[finding])
            for member in family:
                used[member] = used.get(member, 0) + 1
        absent = [f for f in sorted(record.facts.absent) if f in self.column and f in record.stated]
        derived = [f for f in sorted(record.facts.absent) if f in self.column and f not in record.stated]
        return (
            columns,
            weights,
            [self.column[f] for f in absent] + [self.column[f] for f in derived],
            [1.0] * len(absent) + [0.5] * len(derived),
        )

    def score(self, record: RecordFacts, date: dt.date | None = None) -> Vector:
        """Unnormalised log posterior of every full entry."""
        columns, weights, denied, denied_weights = self.weights(record)
        total = self.priors(record, date)
        if columns:
            total += self.present[:, columns] @ np.array(weights)
            total += self.fixed[:, columns].sum(axis=1)
        if denied:
            total += self.absent[:, denied] @ np.array(denied_weights)
        mentioned = [self.column[f] for f in (record.facts.present | record.facts.absent | record.facts.possible) if f in self.column]
        silent = self.silent.sum(axis=1) - self.silent[:, mentioned].sum(axis=1)
        possible = [self.column[f] for f in sorted(record.facts.possible - record.facts.present) if f in self.column]
        if possible:
            total += 0.3 * self.present[:, possible].sum(axis=1)
        return total + self.settings.unmentioned * silent

    def contributions(self, record: RecordFacts, disease: str) -> dict[str, float]:
        """Finding id to its nats for or against one full entry, strongest first."""
        i = self.index[disease]
        columns, weights, denied, denied_weights = self.weights(record)
        found = {self.findings[j]: float(w * self.present[i, j] + self.fixed[i, j]) for j, w in zip(columns, weights, strict=True)}
        for j, w in zip(denied, denied_weights, strict=True):
            found[self.findings[j]] = float(w * self.absent[i, j])
        return dict(sorted(found.items(), key=lambda item: -abs(item[1])))


def _bands(table: dict[str, float]) -> list[tuple[float, float, float]]:
    bands = []
    for key, value in table.items():
        text = str(key)
        if text.endswith("+"):
            bands.append((float(text[:-1]), 200.0, value))
        elif "-" in text:
            low, high = text.split("-", 1)
            bands.append((float(low), float(high), value))
        else:
            bands.append((float(text), float(text), value))
    return bands


def _lookup(bands: list[tuple[float, float, float]], years: float) -> float:
    for low, high, value in bands:
        if low <= years < high + 1:
            return value
    return 1.0


def _lookup_month(bands: list[tuple[float, float, float]], month: int) -> float:
    for low, high, value in bands:
        if low <= month <= high or (low > high and (month >= low or month <= high)):
            return value
    return 1.0
