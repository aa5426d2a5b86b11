"""From a mention's words to the concept of the knowledge base: exact, then reduced, then alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from rapidfuzz import fuzz

from data_contracts.structure import Concept, EntityType
from inference.reading.lexicon_entities import Named

LEAST_LIKENESS = 86.0
"""RapidFuzz ratio from which two names count as one; below it a mention stays without a concept."""
_GROUPS: Mapping[str, frozenset[str]] = {
    "symptom": frozenset({"symptom", "sign", "disease"}),
    "sign": frozenset({"symptom", "sign", "disease"}),
    "disease": frozenset({"disease", "symptom", "sign"}),
    "drug": frozenset({"drug"}),
    "imaging": frozenset({"sign"}),
    "lab_test": frozenset({"sign"}),
}
_OPPOSITE_SIGNS = frozenset("左右上下高低增减升降不无未非轻重急慢快慢前后内外干湿")


class Linker:
    """Links mention texts to concepts. Answers are remembered, so a repeated mention costs a dictionary look-up."""

    def __init__(self, names: Mapping[str, tuple[Named, ...]], aliases: Mapping[str, Any], fold: Callable[[str], str]) -> None:
        """Take the names of `LexiconReader` and the `aliases` of `lexicon/terms.yaml`."""
        self._names = {name: tuple(n for n in named if n.concept is not None and not n.background) for name, named in names.items()}
        self._names = {name: named for name, named in self._names.items() if named}
        self._fold = fold
        self._equal = [tuple(pair) for pair in aliases["equal"]]
        self._degrees = tuple(sorted(aliases["degrees"], key=len, reverse=True))
        self._reduced: dict[str, tuple[Named, ...]] = {}
        for name, named in self._names.items():
            # 大量流血 of a wound must not make every 流血 one: a name is kept whole where little would be left
            self._reduced.setdefault(self._reduce(name, least=3), named)
        self._by_pair: dict[str, list[str]] = {}
        for name in self._names:
            for pair in {name[i : i + 2] for i in range(len(name) - 1)}:
                self._by_pair.setdefault(pair, []).append(name)
        self.link = lru_cache(maxsize=20_000)(self._link)

    def concepts(self, text: str, kind: EntityType) -> tuple[Concept, ...]:
        """Every concept of a mention: a disease and a finding may share a name; none where nothing is alike enough."""
        return tuple(named.concept for named in self.link(text, kind) if named.concept is not None)

    def _link(self, text: str, kind: EntityType) -> tuple[Named, ...]:
        allowed = _GROUPS.get(kind)
        if allowed is None:
            return ()
        folded = self._fold(text).strip(" \"'“”()[]:：,，.。")
        for key, table in ((folded, self._names), (self._reduce(folded), self._names), (self._reduce(folded), self._reduced)):
            fitting = tuple(named for named in table.get(key, ()) if named.type in allowed)
            if fitting:
                return self._preferred(fitting, kind)
        return self._alike(folded, allowed, kind)

    def _preferred(self, named: tuple[Named, ...], kind: EntityType) -> tuple[Named, ...]:
        return tuple(sorted(named, key=lambda item: item.type != kind))

    def _reduce(self, name: str, least: int = 2) -> str:
        """Without degree words at its front (`least` characters stay), with everyday equivalents put one way."""
        while name.startswith(self._degrees):
            degree = next((d for d in self._degrees if name.startswith(d) and len(name) - len(d) >= least), None)
            if degree is None:
                break
            name = name[len(degree) :]
        for first, second in self._equal:
            name = name.replace(first, second)
        return name

    def _alike(self, name: str, allowed: frozenset[str], kind: EntityType) -> tuple[Named, ...]:
        if len(name) < 4:
            return ()
        counts: dict[str, int] = {}
        for pair in {name[i : i + 2] for i in range(len(name) - 1)}:
            for candidate in self._by_pair.get(pair, ()):
                counts[candidate] = counts.get(candidate, 0) + 1
        best: tuple[float, str] = (0.0, "")
        for candidate, shared in counts.items():
            if shared * 2 < len(name) - 1 or abs(len(candidate) - len(name)) > 3:
                continue
            likeness = fuzz.ratio(name, candidate)
            alike = likeness >= LEAST_LIKENESS and (likeness, candidate) > best and not (set(name) ^ set(candidate)) & _OPPOSITE_SIGNS
            if alike and any(named.type in allowed for named in self._names[candidate]):
                best = (likeness, candidate)
        if not best[1]:
            return ()
        return self._preferred(tuple(named for named in self._names[best[1]] if named.type in allowed), kind)
