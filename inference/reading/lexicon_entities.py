"""The rule reader of mentions: every name and alias of the knowledge base that stands in a text, longest first."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from data_contracts.structure import Concept, EntityType
from inference.reading.trie import Trie

FINDING_TYPES: Mapping[str, EntityType] = {
    "symptom": "symptom",
    "sign": "sign",
    "laboratory": "sign",
    "imaging": "sign",
    "history": "disease",
    "exposure": "symptom",
}
_AFTER_NAME = re.compile(
    r"(?:科|门诊|病房|医院|中心|疫苗|防治所|专家|协会|知识|药物|用药|药(?!物?过敏)|变(?!化|异|应)(?=[，。；、,;\\s)（(]|可|较|代|性|大|小|灶|待|$))"
)
_DISEASE_HISTORY = re.compile(r"(?:病?史|病史?|\d+年|多年|既往|有|患者)+$|^(?:既往|有|患)+")
_SEEN_OR_HEARD = re.compile(r"^(?:可)?(?:闻及|触及|扪及|听到|摸到)(?=...)")
"""A verb before a sign (闻及心包摩擦音) is no part of its name: 未闻及 must stay a cue."""
_SIDES = {"前": "天日周月年时之以期", "后": "天日周月年时之以术餐饭产"}
"""3天前胸痛 speaks of the chest, not of its front: what stands before 前 and 后 makes them words of time."""
_NEGATORS = frozenset("无不未没非")


@dataclass(frozen=True, slots=True)
class Named:
    """One reading of a name: its type and, where the knowledge base knows it, its concept and course."""

    type: EntityType
    concept: Concept | None = None
    chronic: bool | None = None
    background: bool = False
    """A history or exposure finding: what ranking knows, no mention that a record shows."""


@dataclass(frozen=True, slots=True)
class Match:
    """A name in folded text with all it can stand for (a disease and a history finding may share one)."""

    start: int
    end: int
    named: tuple[Named, ...]


def name_variants(name: str, equal: Iterable[tuple[str, str]]) -> set[str]:
    """The name and its forms under everyday equivalences (疼 and 痛, 发烧 and 发热)."""
    forms = {name}
    for first, second in equal:
        if not second:
            continue
        forms |= {form.replace(first, second) for form in tuple(forms) if first in form}
        forms |= {form.replace(second, first) for form in tuple(forms) if second in form and len(second) > 1}
    return forms


def collect_names(knowledge: Any, fold: Callable[[str], str]) -> dict[str, tuple[Named, ...]]:
    """Every folded name of the knowledge base and of the term lists, with what it stands for.

    Exact names come before variants; a variant never takes a name that stands for something else.
    """
    lexicon = knowledge.lexicon
    terms = lexicon["terms"]
    equal = [tuple(pair) for pair in terms["aliases"]["equal"]]
    changeable = re.compile("|".join(re.escape(word) for pair in equal for word in pair if word))
    exact: dict[str, list[Named]] = {}
    variants: dict[str, list[Named]] = {}

    def add(names: Iterable[str], named: Named) -> None:
        for name in names:
            folded = _SEEN_OR_HEARD.sub("", fold(name).strip())
            if len(folded) < 2:
                continue
            if named not in exact.setdefault(folded, []):
                exact[folded].append(named)
            for variant in name_variants(folded, equal) - {folded} if changeable.search(folded) else ():
                if len(variant) >= 2:
                    variants.setdefault(variant, []).append(named)

    by_name: dict[str, Named] = {}
    disease_names = {fold(name) for disease in knowledge.diseases.values() for name in disease.names}
    for disease in knowledge.diseases.values():
        concept = Concept(kind="disease", id=disease.id, name=disease.name)
        course = disease.entry.get("onset", {}).get("course")
        named = Named("disease", concept, True if course in ("chronic", "congenital") else None)
        by_name.update({fold(name): named for name in disease.names})
        add(disease.names, named)
    for finding in knowledge.findings.values():
        concept = Concept(kind="finding", id=finding.id, name=finding.name)
        named = Named(FINDING_TYPES[finding.kind], concept, background=finding.kind in ("history", "exposure"))
        by_name.setdefault(fold(finding.name), named)
        names_of = finding.names
        if finding.kind == "history":
            # 高血压史, 高血压10年: the disease itself is the mention, its history finding follows from it
            names_of = tuple(
                name
                for name in names_of
                if _DISEASE_HISTORY.sub("", fold(name)) == fold(name) or _DISEASE_HISTORY.sub("", fold(name)) not in disease_names
            )
        add(names_of, named)
    for ident, entry in knowledge.medicines.items():
        add((entry["name"], *entry.get("aliases", ())), Named("drug", Concept(kind="medicine", id=ident, name=entry["name"])))
    generic = frozenset(terms["generic"])
    for entry in knowledge.thin.values():
        named = Named("disease", Concept(kind="disease", id=entry.id, name=entry.name))
        add((name for name in entry.names if fold(name).strip() not in exact and fold(name) not in generic), named)
    for kind, words in terms["types"].items():
        for word in words:
            folded = fold(word)
            if folded not in exact:
                exact[folded] = [Named(kind)]
    abbreviations = lexicon["abbreviations"]
    for short, name in {**abbreviations["diseases"], **abbreviations["findings"]}.items():
        known = by_name.get(fold(name))
        if known is not None and fold(short) not in exact:
            exact[fold(short)] = [known]
    names: dict[str, tuple[Named, ...]] = {name: tuple(meanings) for name, meanings in exact.items()}
    for variant, meanings in variants.items():
        if variant not in names and len({meaning.concept.id if meaning.concept else "" for meaning in meanings}) == 1:
            names[variant] = (meanings[0],)
    return names


def _is_unit(text: str, written: str | None, start: int, end: int) -> bool:
    """Whether a short Latin name is no abbreviation here: written small, or behind a number (16mg, MG)."""
    if end - start > 3 or not text[start:end].isascii():
        return False
    if (start and (text[start - 1].isdigit() or text[start - 1] == "/")) or text[end : end + 1].isdigit():
        return True
    return written is None or not written[start:end].isupper()


def _is_half_of_denial(text: str, start: int) -> bool:
    """Whether a name 有糖尿病 begins within 没有: the denial's word is no part of it."""
    return start > 0 and text.startswith("没有", start - 1)


class LexiconReader:
    """Finds the names of the knowledge base in folded text.

    Names of history and exposure findings (母亲高血压, 接触牛羊) are looked for apart: they tell the ranker something, and
    must not swallow the disease inside them.
    """

    def __init__(self, knowledge: Any, fold: Callable[[str], str]) -> None:
        """Compile the names of a `KnowledgeBase`, folded as the texts will be."""
        self.names = collect_names(knowledge, fold)
        nothing: dict[str, tuple[Named, ...]] = {fold(word): () for word in knowledge.lexicon["terms"]["not_entities"]}
        plain = {name: tuple(n for n in named if not n.background) for name, named in self.names.items()}
        behind = {name: tuple(n for n in named if n.background) for name, named in self.names.items()}
        self._trie: Trie[tuple[Named, ...]] = Trie({**nothing, **{name: named for name, named in plain.items() if named}})
        self._behind: Trie[tuple[Named, ...]] = Trie({name: named for name, named in behind.items() if named})

    def __call__(self, text: str, written: str | None = None) -> list[Match]:
        """Leftmost-longest names of folded text, in order.

        Args:
            text: the folded text.
            written: the same text with its capitals; without it short Latin abbreviations are not found.
        """
        found = [Match(start, end, named) for start, end, named in self._behind.find(text) if not _is_half_of_denial(text, start)]
        found += self._plain(text, written)
        return sorted(found, key=lambda match: (match.start, match.end))

    def _plain(self, text: str, written: str | None) -> list[Match]:
        found: list[Match] = []
        position, length = 0, len(text)
        longest = self._trie.longest_at
        while position < length:
            hit = longest(text, position)
            if hit is None or (position and text[position] in _SIDES and text[position - 1] in _SIDES[text[position]]):
                position += 1
                continue
            end, named = hit
            if _is_half_of_denial(text, position):
                position += 1
                continue
            if text[position] in _NEGATORS and position + 1 < length:
                # 无尿|频: the negator belongs to the longer name behind it
                behind = longest(text, position + 1)
                if behind is not None and behind[0] > end:
                    position += 1
                    continue
            if text.startswith("没有", position) and position + 2 < length:
                # 没有呼吸|困难, 没有意识|障碍, 没有尿|痛: the same for the negator of two letters
                behind = longest(text, position + 2)
                if behind is not None and behind[0] > end:
                    position += 2
                    continue
            if named and not self._is_part(text, position, end, named) and not _is_unit(text, written, position, end):
                found.append(Match(position, end, named))
            position = end
        return found

    def _is_part(self, text: str, start: int, end: int, named: tuple[Named, ...]) -> bool:
        """Whether the name is only the first part of another word (感冒药, 心脏病医院)."""
        if named[0].type == "disease" or named[0].type == "symptom":
            return _AFTER_NAME.match(text, end) is not None
        return False
