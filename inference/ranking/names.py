"""Names of diseases: normalised, and looked up among full and thin entries."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from knowledge_base.compiled import KnowledgeBase

_BRACKETS = re.compile(r"[（(\[【][^）)\]】]*[）)\]】]")
_ROMAN = {"Ⅰ": "1", "Ⅱ": "2", "Ⅲ": "3", "Ⅳ": "4", "Ⅴ": "5"}
_TYPE = re.compile(r"(iii|ii|iv|i|一|二|三|四)型")
_TYPE_NUMBER = {"i": "1", "ii": "2", "iii": "3", "iv": "4", "一": "1", "二": "2", "三": "3", "四": "4"}
_LEVEL = re.compile(r"([1-4一二三四]级|(很高|极高|高|中|低)危(组)?|[ivx]+级)$")
_PUNCTUATION = re.compile(r"[\s，。、；：,.;:·\-—_/\\'\"“”‘’?？!！]")
_CODE = re.compile(r"^[A-Za-z]\d{2}(\.[0-9A-Za-z]+)?$")


@lru_cache(maxsize=1 << 16)
def normalise_name(name: str) -> str:
    """Half width, lower case, no brackets, types as digits (Ⅱ型 → 2型), no punctuation, no closing level or risk words."""
    text = "".join(_ROMAN.get(ch, ch) for ch in name)
    text = _BRACKETS.sub("", unicodedata.normalize("NFKC", text)).lower()
    text = _TYPE.sub(lambda m: _TYPE_NUMBER[m[1]] + "型", text)
    text = _PUNCTUATION.sub("", text)
    text = re.sub(r"^糖尿病([12])型", r"\1型糖尿病", text)
    previous = None
    while previous != text:
        previous, text = text, _LEVEL.sub("", text)
    return text or _PUNCTUATION.sub("", unicodedata.normalize("NFKC", name)).lower()


class NameIndex:
    """Normalised names and codes to targets (disease ids, or `icd10:XXX`)."""

    def __init__(self, kb: KnowledgeBase) -> None:
        self.kb = kb
        self.targets: dict[str, str] = {}
        for disease in kb.diseases.values():
            self.targets.setdefault(normalise_name(disease.name), disease.id)
        for disease in kb.diseases.values():
            for alias in disease.aliases:
                self.targets.setdefault(normalise_name(alias), disease.id)
        for thin in kb.thin.values():
            for name in thin.names:
                self.targets.setdefault(normalise_name(name), thin.id)

    def find(self, name: str) -> str | None:
        """The target of a name or code; None where the knowledge base does not hold it."""
        target = self.targets.get(normalise_name(name))
        if target is None and _CODE.match(name.strip()):
            code = name.strip().upper()
            exact = next((d.id for d in self.kb.diseases.values() if code in d.icd10), None)
            target = exact or next(iter(self.kb.by_category.get(code[:3], ())), None)
        return target
