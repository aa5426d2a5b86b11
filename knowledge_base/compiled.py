"""The compiled KnowledgeBase: one immutable object, loaded from `build/knowledge.json` in well under 300 ms."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from data_contracts.problems import XinglinError
from knowledge_base import conditions
from knowledge_base.build import COMPILED, FORMAT, build


@dataclass(frozen=True, slots=True)
class Finding:
    """A finding as compiled; `ancestors` are what its presence implies, `descendants` what its absence denies."""

    id: str
    name: str
    aliases: tuple[str, ...]
    kind: str
    question: str
    background: float
    ancestors: frozenset[str]
    descendants: frozenset[str]
    opposites: tuple[str, ...]
    measurement: Mapping[str, Any] | None
    together: tuple[tuple[tuple[str, ...], ...], ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every alias."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class Disease:
    """A disease entry; `entry` holds all its fields as written."""

    id: str
    name: str
    aliases: tuple[str, ...]
    icd10: tuple[str, ...]
    department: str
    must_not_miss: bool
    findings: Mapping[str, float]
    against: Mapping[str, float]
    risk_factors: Mapping[str, float]
    entry: Mapping[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every alias."""
        return (self.name, *self.aliases)

    @property
    def categories(self) -> tuple[str, ...]:
        """The three-character categories of its codes and of what it covers, the default first."""
        found = [code[:3] for code in self.icd10] + list(self.entry.get("covers", ()))
        return tuple(dict.fromkeys(found))


@dataclass(frozen=True, slots=True)
class ThinEntry:
    """A three-character category known by name, aliases and code alone."""

    code: str
    name: str
    aliases: tuple[str, ...]
    chapter: str
    department: str

    @property
    def id(self) -> str:
        """The id that answers carry for it."""
        return f"icd10:{self.code}"

    @property
    def names(self) -> tuple[str, ...]:
        """The name and every alias."""
        return (self.name, *self.aliases)


@dataclass(frozen=True, slots=True)
class RedFlagRule:
    """A compiled red-flag rule of a disease."""

    id: str
    disease: str
    condition: conditions.Condition
    urgency: str
    message: str
    source: str
    fires: tuple[str, ...]
    must_not_fire: tuple[str, ...]


class KnowledgeBase:
    """All knowledge, immutable. `version` is the hash of the content."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        if data.get("format") != FORMAT:
            raise XinglinError("knowledge-invalid", "知识库文件的格式与本程序不符，请重新运行 python -m knowledge_base.build。")
        self.version: str = data["version"]
        self.lexicon: Mapping[str, Any] = data["lexicon"]
        self.tables: Mapping[str, Any] = data["tables"]
        self.medicines: Mapping[str, Mapping[str, Any]] = data["medicines"]
        self.medicine_classes: Mapping[str, Mapping[str, Any]] = data.get("medicine_classes", {})
        ancestors = _closure({ident: entry.get("parents", ()) for ident, entry in data["findings"].items()})
        descendants: dict[str, set[str]] = {ident: set() for ident in data["findings"]}
        for ident, above in ancestors.items():
            for ancestor in above:
                descendants[ancestor].add(ident)
        self.findings: Mapping[str, Finding] = {
            ident: Finding(
                ident,
                entry["name"],
                tuple(entry.get("aliases", ())),
                entry["kind"],
                entry.get("question") or f"有没有{entry['name']}？",
                entry["background"],
                frozenset(ancestors[ident]),
                frozenset(descendants[ident]),
                tuple(entry.get("opposites", ())),
                entry.get("measurement"),
                tuple(tuple(tuple(group) for group in pattern) for pattern in entry.get("together", ())),
            )
            for ident, entry in data["findings"].items()
        }
        self.diseases: Mapping[str, Disease] = {
            ident: Disease(
                ident,
                entry["name"],
                tuple(entry.get("aliases", ())),
                tuple(entry["icd10"]),
                entry["department"],
                entry["must_not_miss"],
                {name: figure["p"] for name, figure in entry["findings"].items()},
                {name: figure["value"] for name, figure in entry.get("against", {}).items()},
                {name: figure["value"] for name, figure in entry.get("risk_factors", {}).items()},
                entry,
            )
            for ident, entry in data["diseases"].items()
        }
        self.thin: Mapping[str, ThinEntry] = {f"icd10:{row['code']}": _thin(row) for row in data["thin"]}
        self.covered: tuple[ThinEntry, ...] = tuple(_thin(row) for row in data.get("covered", ()))
        """Categories that a full entry stands for: their own names, where a record means one of them (十二指肠溃疡 of 消化性溃疡)."""

    def condition(self, text: str) -> conditions.Condition:
        """Parse a condition against this knowledge."""
        return conditions.parse(
            text,
            findings=self.findings.__contains__,
            medicines=lambda name: name in self.medicines or name in self.medicine_classes or not self.medicines,
            diseases=self.diseases.__contains__,
        )

    @cached_property
    def red_flags(self) -> tuple[RedFlagRule, ...]:
        """Every enabled red-flag rule, parsed."""
        return tuple(
            RedFlagRule(
                rule["id"],
                disease.id,
                self.condition(rule["when"]),
                rule["urgency"],
                rule["message"],
                rule["source"],
                tuple(rule["fires"]),
                tuple(rule["must_not_fire"]),
            )
            for disease in self.diseases.values()
            for rule in disease.entry.get("red_flags", ())
            if rule.get("enabled", True)
        )

    @cached_property
    def _red_flags_by_trigger(self) -> tuple[Mapping[str, tuple[int, ...]], tuple[int, ...]]:
        """Places of the rules by each of their triggers, and those that have none."""
        found: dict[str, list[int]] = {}
        for place, rule in enumerate(self.red_flags):
            for trigger in rule.condition.triggers or ():
                found.setdefault(trigger, []).append(place)
        always = tuple(place for place, rule in enumerate(self.red_flags) if rule.condition.triggers is None)
        return {trigger: tuple(places) for trigger, places in found.items()}, always

    def red_flags_worth_asking(self, facts: conditions.Facts) -> list[RedFlagRule]:
        """The rules that these facts can make true, in their order: some thirty of a thousand."""
        by_trigger, always = self._red_flags_by_trigger
        places = set(always).union(*(by_trigger.get(told, ()) for told in facts.told()))
        return [self.red_flags[place] for place in sorted(places)]

    @cached_property
    def by_category(self) -> Mapping[str, tuple[str, ...]]:
        """Three-character ICD-10 category to the ids of the entries that carry it, default code first."""
        found: dict[str, list[str]] = {}
        for disease in self.diseases.values():
            if disease.icd10[0][:3] not in found or disease.id not in found[disease.icd10[0][:3]]:
                found.setdefault(disease.icd10[0][:3], []).append(disease.id)
        for disease in self.diseases.values():
            for category in disease.categories[1:]:
                if disease.id not in found.setdefault(category, []):
                    found[category].append(disease.id)
        for entry in self.thin.values():
            found.setdefault(entry.code, []).append(entry.id)
        return {category: tuple(ids) for category, ids in found.items()}


def _thin(row: Mapping[str, Any]) -> ThinEntry:
    return ThinEntry(row["code"], row["name"], tuple(row["aliases"]), row["chapter"], row["department"])


def _closure(parents: Mapping[str, Iterable[str]]) -> dict[str, set[str]]:
    """Every ancestor of every id (the build has refused circles)."""
    done: dict[str, set[str]] = {}

    def above(ident: str) -> set[str]:
        if ident not in done:
            done[ident] = set()
            for parent in parents.get(ident, ()):
                done[ident] |= {parent} | above(parent)
        return done[ident]

    for ident in parents:
        above(ident)
    return done


def load(path: Path | None = None) -> KnowledgeBase:
    """Load compiled knowledge; the house's own file is built first where it does not exist yet."""
    file = path or (Path(os.environ["XINGLIN_KNOWLEDGE"]) if os.environ.get("XINGLIN_KNOWLEDGE") else COMPILED)
    if not file.is_file():
        if path is not None:
            raise XinglinError("knowledge-invalid", f"没有找到知识库文件 {file.name}，请运行 python -m knowledge_base.build。")
        build()
    return KnowledgeBase(orjson.loads(file.read_bytes()))
