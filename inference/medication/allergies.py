"""What the record says the patient is allergic to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

_ALLERGY = re.compile(r"([^。；;\n，,]{1,24}?)(?:类)?(?:药物)?(?:过敏|皮试阳性|皮试\(\+\)|皮试（\+）)")
_DENIED = re.compile(r"(否认|无|没有|未发现|不)[^，。；]{0,12}$")
_DENIAL = re.compile(r"否认|无|没有")
_ASSERTED = re.compile(r"\s*(有|对|曾|但|既往|自述|诉|是|系)")
_KIN = re.compile(r"父|母|爸|妈|爷|奶奶|外公|外婆|兄|弟|哥|姐|妹|丈夫|妻|老公|老婆|爱人|儿子|女儿|家人|家属|子女")
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
            if _not_the_patient_s(text, match):
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


def _not_the_patient_s(text: str, match: re.Match[str]) -> bool:
    """Denied in the clause (否认青霉素过敏), before it in a list (否认青霉素，头孢过敏), after it (过敏史：无), or a relative's."""
    clause = match[1]
    if _DENIED.search(clause) or (_KIN.search(clause) and "诉" not in clause) or _AFTER_DENIED.match(text[match.end() : match.end() + 6]):
        return True
    if _DENIAL.search(clause):
        return True
    return not _ASSERTED.match(clause) and bool(_DENIAL.search(text[max(0, match.start() - 8) : match.start(1)]))


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
