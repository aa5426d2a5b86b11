"""The text that the ranker's encoder sees: a rendering of the Reading, without what is absent or said of others.

Sentence vectors do not feel negation, so clauses whose every mention is absent, of the family or of another person are
left out; those findings enter the ranking as features instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from data_contracts.structure import Entity
from inference.reading.types import Reading

MAX_CHARACTERS = 400
SECOND_LOOK = 40
"""Code points that must be left for a second look."""
LEFT_OUT = frozenset({"absent", "family", "other_person", "conditional"})
"""Assertions of what the record does not say of its patient."""
_CLAUSE = re.compile(r"[^，。；;,\n！!？?]*[，。；;,\n！!？?]?")
_ORDER = (
    "chief_complaint",
    "present_illness",
    None,
    "physical_exam",
    "auxiliary_exam",
    "past_history",
    "obstetric_history",
    "personal_history",
)
_SHARE = {
    "chief_complaint": 80,
    "present_illness": 180,
    None: 300,
    "physical_exam": 90,
    "auxiliary_exam": 90,
    "past_history": 60,
    "obstetric_history": 40,
    "personal_history": 30,
}
_BOILERPLATE = re.compile(r"(饮食|睡眠|精神|大小便|二便|体重|体力)[^，。；]{0,12}(正常|如常|可|尚可|无明显[^，。；]{0,6}|一般)")
_HEADING = re.compile(
    r"^\s*(主\s*诉|现病史|既往史|个人史|家族史|过敏史|婚育史|月经史|体格检查|查\s*体|专科检查|辅助检查|入院情况|S|O)\s*[:：]"
)


def _age_text(days: float) -> str:
    if days < 60:
        return f"{int(days)}天"
    if days < 730:
        return f"{int(days / 30.4375)}月"
    return f"{int(days / 365.25)}岁"


def header(reading: Reading) -> str:
    """Sex, age and pregnancy in words."""
    patient = reading.patient
    parts = [{"male": "男", "female": "女"}.get(patient.sex, "")]
    if patient.age_days is not None:
        parts.append(_age_text(patient.age_days))
    if patient.pregnancy_weeks is not None:
        parts.append(f"孕{patient.pregnancy_weeks:g}周")
    elif patient.pregnant:
        parts.append("孕妇")
    return " ".join(part for part in parts if part)


def _kept(text: str, start: int, entities: Sequence[Entity]) -> str:
    """`text` (which begins at offset `start`) without clauses that only deny or speak of others."""
    kept: list[str] = []
    for match in _CLAUSE.finditer(text):
        clause = match.group()
        if not clause.strip():
            continue
        low, high = start + match.start(), start + match.end()
        inside = [e for e in entities if e.span.start >= low and e.span.end <= high]
        if (
            inside
            and all(e.assertion in LEFT_OUT or e.type == "body_part" for e in inside)
            and any(e.assertion in LEFT_OUT for e in inside)
        ):
            continue
        if _BOILERPLATE.search(clause):
            continue
        kept.append(clause)
    return "".join(kept).strip("，；、 \n")


def render(reading: Reading) -> str:
    """The rendering, at most about `MAX_CHARACTERS` code points."""
    return renderings(reading)[0]


def renderings(reading: Reading) -> tuple[str, str]:
    """The rendering, and what a long record tells beyond it, of the same length at most; empty where little is left."""
    parts: list[tuple[str | None, str]] = []
    whole = reading.section_texts.get(None)
    if whole is not None:
        covered: list[tuple[str | None, int, int]] = [(s.name, s.start, s.end) for s in reading.sections] or [(None, 0, len(whole))]
        position = 0
        pieces: list[tuple[str | None, int, int]] = []
        for name, start, end in sorted(covered, key=lambda piece: piece[1]):
            if start > position:
                pieces.append((None, position, start))
            pieces.append((name, start, end))
            position = max(position, end)
        if position < len(whole):
            pieces.append((None, position, len(whole)))
        for name, start, end in pieces:
            parts.append((name, _kept(whole[start:end], start, reading.entities)))
    else:
        for section, text in reading.section_texts.items():
            inside = [e for e in reading.entities if e.span.section == section]
            parts.append((section, _kept(text, 0, inside)))
    ordered: list[str] = []
    beyond: list[str] = []
    room = MAX_CHARACTERS
    for wanted in _ORDER:
        for name, text in parts:
            if name != wanted or not text:
                continue
            text = _HEADING.sub("", text).strip()
            taken = text[: min(room, _SHARE[wanted] if len(parts) > 1 else room)]
            if taken:
                ordered.append(taken)
                room -= len(taken)
            if text[len(taken) :]:
                beyond.append(text[len(taken) :])
    head = [header(reading)] if header(reading) else []
    left = " | ".join(beyond)[:MAX_CHARACTERS]
    return " | ".join((*head, *ordered)), " | ".join((*head, left)) if len(left) >= SECOND_LOOK else ""
