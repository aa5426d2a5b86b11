"""What the record says the patient is allergic to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

_ALLERGY = re.compile(r"([^。；;\n，,]{1,24}?)(?:类)?(?:药物)?(?:过敏|皮试阳性|皮试\(\+\)|皮试（\+）)")
_DENIED = re.compile(r"(否认|无|没有|未发现|不)[^，。；]{0,12}$")
_AFTER_DENIED = re.compile(r"^(史)?[：:]?\s*(无|否认|\(-\)|（-）|阴性|不详)")
_LIST = re.compile(r"[、和及与,/]|以及")


def allergy_classes(reading: Reading, kb: KnowledgeBase) -> dict[str, str]:
    """Allergy class id to the words of the record, for stated (not denied) allergies.

    Classes and their names stand in `content/allergy_classes.yaml`; a medicine's own name means its classes and itself.
    """
    names = _class_names(kb)
    found: dict[str, str] = {}
    for section, text in reading.section_texts.items():
        for match in _ALLERGY.finditer(text):
            before = text[max(0, match.start() - 8) : match.start(1)] + match[1]
            if _DENIED.search(match[1]) or re.search(r"(否认|无|没有)", before) or _AFTER_DENIED.match(text[match.end() : match.end() + 6]):
                continue
            for part in _LIST.split(match[1]):
                for name, classes in names:
                    if name in part:
                        for ident in classes:
                            found.setdefault(ident, match.group().strip())
        if section == "allergy_history":
            _listed(text, names, found)
    for part in reading.sections:
        if part.name == "allergy_history" and None in reading.section_texts:
            _listed(reading.section_texts[None][part.start : part.end], names, found)
    return found


def _listed(text: str, names: list[tuple[str, tuple[str, ...]]], found: dict[str, str]) -> None:
    """A section 过敏史 may hold bare names: 青霉素、头孢."""
    if re.search(r"(否认|无|没有|不详)", text):
        return
    for name, classes in names:
        if name in text:
            for ident in classes:
                found.setdefault(ident, name)


def _class_names(kb: KnowledgeBase) -> list[tuple[str, tuple[str, ...]]]:
    table: Mapping[str, Any] = kb.tables.get("allergy_classes", {})
    names = [(name, (ident,)) for ident, row in table.items() for name in row["names"]]
    for ident, medicine in kb.medicines.items():
        classes = (*medicine.get("allergy_classes", ()), f"medicine:{ident}")
        names += [(name, classes) for name in (medicine["name"], *medicine.get("aliases", ())) if len(name) >= 2]
    return sorted(names, key=lambda pair: -len(pair[0]))
