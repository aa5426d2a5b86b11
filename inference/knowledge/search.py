"""Search over diseases, findings and medicines: names, everyday words, pinyin, initials, typos, meaning.

Lexical first (exact, prefix, substring, character n-grams, edit distance), pinyin for Latin queries, the encoder's
vectors for what no name contains.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pypinyin import Style, pinyin
from rapidfuzz import fuzz

from data_contracts.search import SearchHit
from inference.ranking.names import normalise_name
from inference.ranking.semantic import Semantic
from knowledge_base.compiled import KnowledgeBase

Kind = Literal["disease", "finding", "medicine"]
_LATIN = re.compile(r"^[a-zA-Z\s']+$")
_KIND_WEIGHT = {"disease": 1.0, "medicine": 0.97, "finding": 0.93}
CANDIDATES = 60


@dataclass(frozen=True, slots=True)
class Name:
    """One name of one page."""

    kind: Kind
    id: str
    text: str
    normal: str
    main: bool


class KnowledgeSearch:
    """An index over all names; built once, asked in a few milliseconds."""

    def __init__(self, kb: KnowledgeBase, semantic: Semantic | None = None) -> None:
        self.kb = kb
        self.semantic = semantic
        self.names: list[Name] = list(self._all_names())
        self.grams: dict[str, list[int]] = defaultdict(list)
        for i, name in enumerate(self.names):
            for gram in _grams(name.normal):
                self.grams[gram].append(i)
        total = len(self.names)
        self.weight = {gram: float(np.log1p(total / len(rows))) for gram, rows in self.grams.items()}
        self.size = np.array([sum(self.weight[g] for g in _grams(name.normal)) for name in self.names])

    def _all_names(self) -> Iterable[Name]:
        for disease in self.kb.diseases.values():
            for i, text in enumerate(disease.names):
                yield Name("disease", disease.id, text, normalise_name(text), i == 0)
        for thin in self.kb.thin.values():
            for i, text in enumerate(thin.names):
                yield Name("disease", thin.id, text, normalise_name(text), i == 0)
        for ident, medicine in self.kb.medicines.items():
            for i, text in enumerate((medicine["name"], *medicine.get("aliases", ()))):
                yield Name("medicine", ident, text, normalise_name(text), i == 0)
        for finding in self.kb.findings.values():
            for i, text in enumerate(finding.names):
                yield Name("finding", finding.id, text, normalise_name(text), i == 0)

    @cached_property
    def _sounds(self) -> tuple[dict[str, list[int]], list[tuple[str, str]]]:
        """Initials to name numbers, and (full pinyin, initials) of every name, from one reading of each character."""
        characters = sorted({ch for name in self.names for ch in name.normal})
        reading = {ch: sound[0] for ch, sound in zip(characters, pinyin(characters, style=Style.NORMAL, errors=_spelt), strict=True)}
        reading |= {
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
        }
        table: dict[str, list[int]] = defaultdict(list)
        sounds = []
        for i, name in enumerate(self.names):
            parts = [reading.get(ch, ch) for ch in name.normal]
            initials = "".join(part[:1] for part in parts)
            sounds.append(("".join(parts), initials))
            table[initials].append(i)
        return table, sounds

    def search(self, query: str, *, limit: int = 10) -> list[SearchHit]:
        """The best pages, each once, best first; scores lie between 0 and 1."""
        text = query.strip()
        normal = normalise_name(text)
        best: dict[tuple[Kind, str], tuple[float, str]] = {}
        if _LATIN.match(text) and len(text) >= 2:
            self._by_sound(text.replace(" ", "").replace("'", "").lower(), best)
        if normal:
            self._by_letters(normal, best)
            self._by_meaning(text, best)
        ranked = sorted(best.items(), key=lambda item: (-item[1][0], item[0][1].startswith("icd10:"), item[0][1]))
        return [self._hit(kind, ident, score, name, normal) for (kind, ident), (score, name) in ranked[:limit]]

    def _put(self, best: dict[tuple[Kind, str], tuple[float, str]], name: Name, score: float) -> None:
        score *= _KIND_WEIGHT[name.kind] * (1.0 if name.main else 0.985) * (0.96 if name.id.startswith("icd10:") else 1.0)
        key = (name.kind, name.id)
        if score > best.get(key, (0.0, ""))[0]:
            best[key] = (score, name.text)

    def _by_letters(self, normal: str, best: dict[tuple[Kind, str], tuple[float, str]]) -> None:
        grams = _grams(normal)
        overlap: dict[int, float] = defaultdict(float)
        for gram in grams:
            for i in self.grams.get(gram, ()):
                overlap[i] += self.weight[gram]
        size = sum(self.weight.get(gram, 6.0) for gram in grams)
        scored = sorted(((shared / (size + self.size[i] - shared), i) for i, shared in overlap.items()), reverse=True)[:CANDIDATES]
        for jaccard, i in scored:
            name = self.names[i]
            if name.normal == normal:
                score = 1.0
            elif normal in name.normal:
                score = 0.80 + 0.15 * len(normal) / len(name.normal)
            elif name.normal in normal and len(name.normal) >= 2:
                score = 0.62 + 0.25 * len(name.normal) / len(normal)
            else:
                score = 0.45 * jaccard + 0.5 * fuzz.ratio(normal, name.normal) / 100
            self._put(best, name, score)

    def _by_sound(self, letters: str, best: dict[tuple[Kind, str], tuple[float, str]]) -> None:
        table, sounds = self._sounds
        for i in table.get(letters, ()):
            self._put(best, self.names[i], 0.97)
        for i, (full, initials) in enumerate(sounds):
            if full == letters:
                self._put(best, self.names[i], 0.99)
            elif full.startswith(letters) and len(letters) >= 3:
                self._put(best, self.names[i], 0.75 + 0.2 * len(letters) / len(full))
            elif len(letters) >= 2 and initials.startswith(letters):
                self._put(best, self.names[i], 0.60 + 0.3 * len(letters) / len(initials))
        if len(letters) >= 6 and not any(score > 0.9 for score, _ in best.values()):
            for i, (full, _) in enumerate(sounds):
                ratio = fuzz.ratio(letters, full, score_cutoff=82)
                if ratio:
                    self._put(best, self.names[i], 0.8 * ratio / 100)

    def _by_meaning(self, text: str, best: dict[tuple[Kind, str], tuple[float, str]]) -> None:
        if self.semantic is None:
            return
        scores = self.semantic.score(self.semantic.encode(text))
        top = np.argsort(-scores)[:12]
        low, high = float(np.median(scores)), float(scores[top[0]])
        for i in top.tolist():
            target = self.semantic.targets[i]
            shown = self.kb.diseases[target].name if target in self.kb.diseases else self.kb.thin[target].name
            self._put(best, Name("disease", target, shown, "", True), 0.70 * (float(scores[i]) - low) / max(high - low, 1e-6))

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
