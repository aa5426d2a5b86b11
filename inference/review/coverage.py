"""Whether the doctor's list covers a disease: by ICD-10 category, by name, by the knowledge base's relations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from data_contracts.record import GivenDiagnosis
from inference.ranking.names import NameIndex, normalise_name
from knowledge_base.compiled import KnowledgeBase

_STAGE = re.compile(r"[（(][^）)]*[）)]|(很高危|极高危|高危|中危|低危)$|[0-9ⅠⅡⅢⅣⅤIVABab一二三四五～~-]+[期级度型]|[，,、伴并].*$")


def without_stage(name: str) -> str:
    """A diagnosis without stage, grade, risk and what it is accompanied by: 慢性肾脏病3期 to 慢性肾脏病."""
    return _STAGE.sub("", name.replace(" ", "")).strip()


class Coverage:
    """What a list of entered diagnoses covers."""

    def __init__(self, entered: Sequence[GivenDiagnosis], kb: KnowledgeBase, names: NameIndex) -> None:
        self.kb = kb
        self.names = [normalise_name(d.name) for d in entered]
        self.targets = {t for d in entered if (t := names.find(d.name) or names.find(without_stage(d.name))) is not None}
        self.categories: set[str] = {d.icd10[:3] for d in entered if d.icd10}
        for target in self.targets:
            self.categories |= set(self._categories(target))

    def _categories(self, target: str) -> tuple[str, ...]:
        if target in self.kb.diseases:
            return self.kb.diseases[target].categories
        return (target.removeprefix("icd10:"),)

    def covers(self, target: str) -> bool:
        """Whether an entered diagnosis is the target, shares its category, or names it more or less exactly."""
        if target in self.targets or set(self._categories(target)[:1]) & self.categories:
            return True
        if target in self.kb.diseases and set(self.kb.diseases[target].categories) & self.categories:
            return True
        shown = self.kb.diseases[target].names if target in self.kb.diseases else self.kb.thin[target].names
        return any(_within(normalise_name(name), mine) for name in shown for mine in self.names)

    def explains(self, ranges: Iterable[str]) -> bool:
        """Whether an entered diagnosis lies in one of the categories or ranges (`I10`, `J00-J99`)."""
        wanted = tuple(ranges)
        return any(lies_in(category, wanted) for category in self.categories)


def lies_in(category: str, ranges: Iterable[str]) -> bool:
    """Whether a three-character category is one of the categories or ranges (`I10`, `J00-J99`)."""
    return any(low <= category <= (high or low) for low, _, high in (item.partition("-") for item in ranges))


def _within(name: str, entered: str) -> bool:
    """One name inside the other, both long enough to mean something (肺炎 in 社区获得性肺炎)."""
    return len(name) >= 2 and len(entered) >= 2 and (name in entered or entered in name)
