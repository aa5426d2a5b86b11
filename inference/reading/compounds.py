"""Findings told in several words of one clause: where (胸骨后, 胸口), how (压榨样, 憋得慌), together a finding.

A finding's `together` lists patterns; a pattern is a list of groups of words, and holds where one word of every group stands within
one sentence, near each other, with no denial in between.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from data_contracts.structure import Concept
from inference.reading.trie import Trie
from knowledge_base.compiled import Finding

REACH = 22
"""Code points from the first to the last word of a pattern."""
_ENDS = frozenset("。；;\n!！?？")
_DENIALS = frozenset("无不未否没非")


@dataclass(frozen=True, slots=True)
class Compound:
    """A finding told in several words: the stretch that holds them all."""

    start: int
    end: int
    concept: Concept
    kind: str


@dataclass(frozen=True, slots=True)
class _Pattern:
    concept: Concept
    kind: str
    groups: int


class CompoundReader:
    """Finds the compound findings of folded text in one pass over its words."""

    def __init__(self, findings: Mapping[str, Finding], fold: Callable[[str], str]) -> None:
        self._patterns: list[_Pattern] = []
        words: dict[str, list[tuple[int, int]]] = {}
        for finding in findings.values():
            for pattern in finding.together:
                number = len(self._patterns)
                self._patterns.append(_Pattern(Concept(kind="finding", id=finding.id, name=finding.name), finding.kind, len(pattern)))
                for group, choices in enumerate(pattern):
                    for word in choices:
                        words.setdefault(fold(word), []).append((number, group))
        self._trie: Trie[tuple[tuple[int, int], ...]] = Trie({word: tuple(places) for word, places in words.items()})

    def __call__(self, text: str) -> list[Compound]:
        """The compounds of folded text; a finding is told once for each place where its first word stands."""
        if not self._patterns:
            return []
        seen: dict[int, list[tuple[int, int, int]]] = {}
        for start in range(len(text)):
            # every word, not the longest alone: a word of one pattern may begin a longer word of another
            for end, places in self._trie.all_at(text, start):
                for number, group in places:
                    seen.setdefault(number, []).append((start, end, group))
        return sorted((c for number, words in seen.items() for c in self._held(text, number, words)), key=lambda c: (c.start, c.end))

    def _held(self, text: str, number: int, words: list[tuple[int, int, int]]) -> Iterator[Compound]:
        pattern = self._patterns[number]
        if len({group for _, _, group in words}) < pattern.groups:
            return
        last_end = -1
        for i, (start, end, group) in enumerate(words):
            if start < last_end:
                continue
            needed = set(range(pattern.groups)) - {group}
            stop = end
            for other_start, other_end, other in words[i + 1 :]:
                if other_end - start > REACH or any(ch in _ENDS for ch in text[stop:other_start]):
                    break
                if other in needed and other_start >= end:
                    if any(ch in _DENIALS for ch in text[stop:other_start]):
                        break
                    needed.discard(other)
                    stop = max(stop, other_end)
                if not needed:
                    break
            if not needed:
                last_end = stop
                yield Compound(start, stop, pattern.concept, pattern.kind)
