"""Search over diseases, findings and medicines: names, codes, everyday words, pinyin, initials, typos, descriptions.

Lexical first (exact, part, character n-grams, one wrong character, one wrong character that sounds alike), pinyin for Latin queries,
ICD-10 codes as codes; whatever names no page by itself is read like a record and ranked, so that 吃完油腻右上腹痛 finds the gallbladder.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from pypinyin import Style, pinyin
from rapidfuzz import fuzz, process

from data_contracts.record import Record
from data_contracts.search import SearchHit
from inference.facts import RecordFacts, facts_of
from inference.medication.names import MedicineNames
from inference.ranking.names import normalise_name
from inference.ranking.ranker import Ranker
from inference.ranking.rendering import render
from inference.reading.reader import Reader
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

Kind = Literal["disease", "finding", "medicine"]
Vector = npt.NDArray[np.float64]
Found = dict[tuple[Kind, str], tuple[float, str]]
_LATIN = re.compile(r"^[a-zA-Z\s']+$")
_CODE = re.compile(r"^[A-Za-z]\d{2}(?:\.[0-9A-Za-z]{0,5})?$")
_ENDING = re.compile(r"(得很|得慌|了|的)$")
_NUMERALS = str.maketrans("一二三四五六七八九", "123456789")
_KIND_WEIGHT = {"disease": 1.0, "medicine": 0.97, "finding": 0.93}
CANDIDATES = 80
DESCRIBED = (0.90, 0.86, 0.82, 0.74, 0.70, 0.67, 0.64, 0.61)
"""Scores of the ranked diseases for a query in which findings were read: below a name that fits, above a name that merely shares letters."""
MEANT = (0.70, 0.66, 0.62, 0.58, 0.54)
"""The same for a query in which no finding was read, so that the encoder's sense of it decides alone."""
ONE_SYMPTOM, SYMPTOM = 0.94, 0.78
"""Scores of the pages of the findings that were read in a query: one alone, or several."""
NEARLY = 0.62
"""Share of a finding's name (weighted character n-grams) that a query must hold for the finding to count as said."""
_PEOPLE = (
    (re.compile(r"新生儿|刚出生"), {"age": {"value": 7, "unit": "day"}}),
    (re.compile(r"婴儿|宝宝|奶娃"), {"age": {"value": 8, "unit": "month"}}),
    (re.compile(r"小孩|孩子|小儿|儿童|儿子|女儿|娃"), {"age": {"value": 5, "unit": "year"}}),
    (re.compile(r"老人|老年|老头|老太"), {"age": {"value": 72, "unit": "year"}}),
    (re.compile(r"孕晚期"), {"sex": "female", "pregnancy_weeks": 34}),
    (re.compile(r"早孕|孕早期"), {"sex": "female", "pregnancy_weeks": 8}),
    (re.compile(r"怀孕|孕妇|孕"), {"sex": "female", "pregnancy_weeks": 26}),
    (re.compile(r"产妇|产后|女"), {"sex": "female"}),
    (re.compile(r"男"), {"sex": "male"}),
)
"""Whom a query is about, where it says so: the first that fits of age and of sex."""
_READINGS = {
    "血": "xue",
    "便": "bian",
    "重": "zhong",
    "长": "chang",
    "调": "tiao",
    "着": "zhuo",
    "结": "jie",
    "泌": "mi",
    "呕": "ou",
    "臀": "tun",
    "椎": "zhui",
    "肋": "lei",
    "薄": "bo",
    "龈": "yin",
    "疟": "nue",
    "跖": "zhi",
    "咯": "ka",
    "参": "shen",
}
"""Readings of characters that medicine says in one way and the dictionary lists first in another."""


@dataclass(frozen=True, slots=True)
class Name:
    """One name of one page."""

    kind: Kind
    id: str
    text: str
    normal: str
    main: bool


@dataclass(frozen=True, slots=True)
class Sounds:
    """Names by sound: sorted (full pinyin, name number) and (initials, name number), and the syllables of every name."""

    full: list[tuple[str, int]]
    initials: list[tuple[str, int]]
    syllables: list[tuple[str, ...]]


class KnowledgeSearch:
    """An index over all names; built once, asked in a few milliseconds."""

    def __init__(self, kb: KnowledgeBase, ranker: Ranker | None = None) -> None:
        self.kb = kb
        self.ranker = ranker
        self.reader = Reader(kb)
        self.names: list[Name] = list(self._all_names())
        grams: dict[str, list[int]] = defaultdict(list)
        for i, name in enumerate(self.names):
            for gram in _grams(name.normal):
                grams[gram].append(i)
        total = len(self.names)
        self.grams = {gram: np.array(rows, dtype=np.int32) for gram, rows in grams.items()}
        self.weight = {gram: float(np.log1p(total / len(rows))) for gram, rows in grams.items()}
        self.long_finding = np.array([name.kind == "finding" and len(name.normal) >= 4 for name in self.names])
        self.medicines = MedicineNames(kb)
        self.size = np.array([sum(self.weight[g] for g in _grams(name.normal)) for name in self.names])

    def _all_names(self) -> Iterable[Name]:
        for disease in self.kb.diseases.values():
            yield from _named("disease", disease.id, disease.names)
        for thin in self.kb.thin.values():
            yield from _named("disease", thin.id, thin.names)
        for ident, medicine in self.kb.medicines.items():
            yield from _named("medicine", ident, (medicine["name"], *medicine.get("aliases", ())))
        for finding in self.kb.findings.values():
            yield from _named("finding", finding.id, finding.names)

    @cached_property
    def _reading(self) -> dict[str, str]:
        """One reading, without tone, of every character that stands in a name."""
        characters = sorted({ch for name in self.names for ch in name.normal})
        sounds = pinyin(characters, style=Style.NORMAL, errors=_spelt)
        return {ch: sound[0] for ch, sound in zip(characters, sounds, strict=True)} | _READINGS

    @cached_property
    def _sounds(self) -> Sounds:
        full, initials, syllables = [], [], []
        for i, name in enumerate(self.names):
            parts = tuple(self._reading.get(ch, ch) for ch in name.normal)
            syllables.append(parts)
            full.append(("".join(parts), i))
            initials.append(("".join(part[:1] for part in parts), i))
        return Sounds(sorted(full), sorted(initials), syllables)

    @cached_property
    def _spellings(self) -> list[str]:
        """The full pinyin of every name, once each."""
        return sorted({full for full, _ in self._sounds.full})

    def search(self, query: str, *, limit: int = 10) -> list[SearchHit]:
        """The best pages, each once, best first; scores lie between 0 and 1."""
        text = query.strip()
        normal = _folded(text)
        best: Found = {}
        if _CODE.match(text):
            self._by_code(text.upper(), best)
        overlap = self._overlap(normal)
        if normal:
            self._by_letters(normal, overlap, best)
        medicine = self.medicines.find(text)
        if medicine is not None:
            self._put(best, Name("medicine", medicine, self.kb.medicines[medicine]["name"], "", True), 0.99)
        if _LATIN.match(text):
            if len(text) >= 2:
                self._by_sound(re.sub(r"[\s']", "", text).lower(), best)
        elif normal and not any(score > 0.95 and kind != "finding" for (kind, _), (score, _) in best.items()):
            self._by_description(text, overlap, best)
        ranked = sorted(
            best.items(), key=lambda item: (-item[1][0], item[0][1].startswith("icd10:"), -self._common(item[0][1]), item[0][1])
        )
        return [self._hit(kind, ident, score, name, normal) for (kind, ident), (score, name) in ranked[:limit]]

    def _common(self, ident: str) -> float:
        """How common a disease is, 0 to 1; between equally good names the commoner page comes first."""
        disease = self.kb.diseases.get(ident)
        return min(float(np.log10(1 + disease.entry["prior"]["base"])) / 3.5, 1.0) if disease is not None else 0.3

    def _put(self, best: Found, name: Name, score: float) -> None:
        score *= _KIND_WEIGHT[name.kind] * (1.0 if name.main else 0.985) * (0.96 if name.id.startswith("icd10:") else 1.0)
        key = (name.kind, name.id)
        if score > best.get(key, (0.0, ""))[0]:
            best[key] = (score, name.text)

    def _by_code(self, code: str, best: Found) -> None:
        """Entries with the code first (as default code before others), then those of its category."""
        for disease in self.kb.diseases.values():
            for i, own in enumerate(disease.icd10):
                if own.startswith(code) or code.startswith(own):
                    score = (0.99 if own == code else 0.95) - (0.05 if i else 0.0) + 0.02 * self._common(disease.id)
                    self._put(best, Name("disease", disease.id, disease.name, "", True), score)
        for target in self.kb.by_category.get(code[:3], ()):
            shown = self.kb.diseases[target].name if target in self.kb.diseases else self.kb.thin[target].name
            self._put(best, Name("disease", target, shown, "", True), 0.85)

    def _overlap(self, normal: str) -> Vector:
        """Weight of the character n-grams that each name shares with the query."""
        overlap = np.zeros(len(self.names))
        for gram in _grams(normal):
            if gram in self.grams:
                overlap[self.grams[gram]] += self.weight[gram]
        return overlap

    def _by_letters(self, normal: str, overlap: Vector, best: Found) -> None:
        size = sum(self.weight.get(gram, 6.0) for gram in _grams(normal))
        jaccard = overlap / (size + self.size - overlap)
        top = np.argpartition(-jaccard, min(CANDIDATES, len(jaccard) - 1))[:CANDIDATES]
        spoken = tuple(self._reading.get(ch, ch) for ch in normal)
        for i in top.tolist():
            if jaccard[i] > 0:
                self._put(best, self.names[i], self._likeness(normal, spoken, i, float(jaccard[i])))
        sound = "".join(spoken)
        if len(normal) >= 2:
            for i in _with_prefix(self._sounds.full, sound):
                if self._sounds.syllables[i] == spoken and self.names[i].normal != normal:
                    self._put(best, self.names[i], 0.91 + 0.02 * self._common(self.names[i].id))

    def _likeness(self, normal: str, spoken: tuple[str, ...], i: int, jaccard: float) -> float:
        name = self.names[i]
        if name.normal == normal:
            return 1.0
        if normal in name.normal:
            return 0.80 + 0.15 * len(normal) / len(name.normal)
        if name.kind == "medicine" and name.normal in normal and len(name.normal) >= 3:
            return 0.80 + 0.15 * len(name.normal) / len(normal)
        if name.normal in normal and len(name.normal) >= 2:
            return 0.62 + 0.25 * len(name.normal) / len(normal)
        written = fuzz.ratio(normal, name.normal) / 100
        score = 0.45 * jaccard + 0.5 * written
        if (
            len(normal) >= 3
            and abs(len(normal) - len(name.normal)) <= 1
            and written >= 1 - (1.3 if len(normal) <= 4 else 2.0) / len(normal)
        ):
            heard = fuzz.ratio(" ".join(spoken), " ".join(self._sounds.syllables[i])) / 100
            score = max(score, (0.60 if len(normal) >= 4 else 0.55) + 0.20 * written + 0.20 * heard)
        return score

    def _by_sound(self, letters: str, best: Found) -> None:
        for i in _with_prefix(self._sounds.full, letters):
            length = sum(len(part) for part in self._sounds.syllables[i])
            if length == len(letters):
                self._put(best, self.names[i], 0.97 + 0.02 * self._common(self.names[i].id))
            elif len(letters) >= 3:
                self._put(best, self.names[i], 0.75 + 0.2 * len(letters) / length)
        for i in _with_prefix(self._sounds.initials, letters):
            length = len(self._sounds.syllables[i])
            common = self._common(self.names[i].id)
            if length == len(letters):
                self._put(best, self.names[i], 0.93 + 0.04 * common)
            else:
                self._put(best, self.names[i], 0.60 + 0.3 * len(letters) / length + 0.02 * common)
        if len(letters) >= 6 and not any(score > 0.9 for score, _ in best.values()):
            for spelling, ratio, _ in process.extract(letters, self._spellings, scorer=fuzz.ratio, score_cutoff=80, limit=10):
                for i in _with_prefix(self._sounds.full, spelling):
                    if "".join(self._sounds.syllables[i]) == spelling:
                        self._put(best, self.names[i], 0.8 * ratio / 100)

    def _by_description(self, text: str, overlap: Vector, best: Found) -> None:
        """Read the query like a record, with findings whose names it nearly contains, and rank it."""
        if self.ranker is None:
            return
        record = Record.model_validate({"id": "search", "text": text, "patient": _person(text)})
        reading = self.reader.read([record])[0]
        # who a query is about is the one who matters: 儿子半夜肚子疼 is no family history
        reading = replace(
            reading,
            entities=tuple(e if e.assertion == "absent" else e.model_copy(update={"assertion": "present"}) for e in reading.entities),
        )
        facts = facts_of(reading, self.kb)
        said = list(dict.fromkeys(e.concept.id for e in reading.entities if e.concept is not None and e.concept.kind == "finding"))
        for ident in self._nearly_said(overlap):
            if ident not in facts.facts.present and ident not in facts.facts.absent:
                facts.facts.present |= {ident, *self.kb.findings[ident].ancestors}
                facts.stated.add(ident)
                said.append(ident)
        targets, scores = self._ranked(text, reading, facts)
        # a thin entry has no page worth reading for a description: it is found by its name
        full = [target for i in targets if (target := self.ranker.targets[i]) in self.kb.diseases]
        for target, score in zip(full, scores, strict=False):
            self._put(best, Name("disease", target, self.kb.diseases[target].name, "", True), score)
        for ident in said:
            # a single symptom is looked up for its own page as much as for its causes
            self._put(best, Name("finding", ident, self.kb.findings[ident].name, "", True), ONE_SYMPTOM if len(said) == 1 else SYMPTOM)

    def _ranked(self, text: str, reading: Reading, facts: RecordFacts) -> tuple[list[int], tuple[float, ...]]:
        """Targets best first and the scores of their places: the record's ranking and the sense of the words together."""
        assert self.ranker is not None
        ranked = self.ranker.rank(reading, facts)
        order = ranked.targets.tolist()
        voices: list[tuple[float, list[int]]] = [(1.0, order)]
        read = bool(facts.stated & facts.facts.present)
        if read:
            # a few findings without a story are what the entries' own probabilities are best at
            voices.append((0.7, np.argsort(-ranked.scores.probabilistic, kind="stable")[: len(order)].tolist()))
        if self.ranker.semantic is not None and (not read or render(reading) != text):
            # the rendering of a record leaves denials out, and 没力 in a query is no denial: the words as typed have their say too
            sense = self.ranker.semantic.score(self.ranker.semantic.encode(text))
            voices.append((1.0, np.argsort(-sense, kind="stable")[: len(order)].tolist()))
        weight: dict[int, float] = defaultdict(float)
        for share, places in voices:
            for place, target in enumerate(places):
                weight[target] += share / (place + 2)
        return sorted(weight, key=lambda target: -weight[target]), DESCRIBED if read else MEANT

    def _nearly_said(self, overlap: Vector) -> list[str]:
        """Findings of which a name of four characters or more stands in the query but for a character or two."""
        share = np.where(self.long_finding, overlap / self.size, 0.0)
        near = np.nonzero(share >= NEARLY)[0]
        order = near[np.argsort(-share[near], kind="stable")]
        return list(dict.fromkeys(self.names[i].id for i in order.tolist()))[:4]

    def _hit(self, kind: Kind, ident: str, score: float, matched: str, normal: str) -> SearchHit:
        code = None
        if kind == "disease":
            name = self.kb.diseases[ident].name if ident in self.kb.diseases else self.kb.thin[ident].name
            code = self.kb.diseases[ident].icd10[0] if ident in self.kb.diseases else self.kb.thin[ident].code
        elif kind == "finding":
            name = self.kb.findings[ident].name
        else:
            name = self.kb.medicines[ident]["name"]
        return SearchHit(kind=kind, id=ident, name=name, icd10=code, score=round(min(score, 1.0), 4), highlight=_highlight(matched, normal))


def _person(text: str) -> dict[str, Any]:
    """The patient of a query, as far as its words tell."""
    person: dict[str, Any] = {}
    for pattern, fields in _PEOPLE:
        if pattern.search(text):
            person = {**fields, **person}
    return person


def _folded(text: str) -> str:
    """A name or query as compared: normalised, numerals as digits, without a closing 了 or 得很."""
    normal = normalise_name(text).translate(_NUMERALS)
    return _ENDING.sub("", normal) or normal


def _named(kind: Kind, ident: str, names: Iterable[str]) -> Iterator[Name]:
    for i, text in enumerate(names):
        yield Name(kind, ident, text, _folded(text), i == 0)


def _with_prefix(table: list[tuple[str, int]], letters: str) -> Iterator[int]:
    """Numbers of the rows of a sorted table that begin with the letters."""
    for key, i in table[bisect_left(table, (letters, -1)) :]:
        if not key.startswith(letters):
            return
        yield i


def _spelt(characters: str) -> Any:
    """Characters without a reading stand for themselves."""
    return [[ch] for ch in characters]


def _grams(text: str) -> set[str]:
    return set(text) | {text[i : i + 2] for i in range(len(text) - 1)}


def _highlight(name: str, normal: str) -> str:
    """The matched name with the characters of the query between <em> and </em>."""
    wanted = set(normal)
    parts: list[str] = []
    inside = False
    for ch in name:
        hit = ch.lower() in wanted
        if hit != inside:
            parts.append("<em>" if hit else "</em>")
            inside = hit
        parts.append(ch)
    if inside:
        parts.append("</em>")
    return "".join(parts)
