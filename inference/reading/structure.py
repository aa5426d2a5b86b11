"""The structured record: a Reading as the contract that goes back to the EMR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from data_contracts.coding import CodeRequest
from data_contracts.structure import Code, Entity, Structure
from inference.reading.feedback import accepted_items
from inference.reading.fields import record_fields
from inference.reading.quality import assess_quality
from inference.reading.types import Reading
from knowledge_base.compiled import KnowledgeBase

if TYPE_CHECKING:
    from inference.coding.coder import Coder

LEAST_PROBABILITY = 0.35
"""A code below this probability is left to the doctor: `code` lists its alternatives."""
LEAST_SHARED = 0.7
"""Share of a mention's telling characters that the name of its code must have."""
_SAYS_LITTLE = frozenset("的性型级期度病症急慢左右双侧、，,.（）() 伴及和与并不未其他特指123456789ⅠⅡⅢⅣI")
_CODED = {"disease": "icd10", "procedure": "icd9cm3"}


def structure_of(reading: Reading, kb: KnowledgeBase, *, coder: Coder | None = None, bundles: Mapping[str, str] | None = None) -> Structure:
    """The structured record of a reading.

    Args:
        reading: what the record says.
        kb: gives linked diseases their own codes.
        coder: codes the other diseases and procedures.
        bundles: task to version of the bundles that answer now; accepted items that name none came from them.
    """
    entities = coded(shown_entities(reading), kb, coder)
    return Structure(
        id=reading.record.id,
        sections=reading.sections,
        entities=tuple(entities),
        measurements=reading.measurements,
        durations=reading.durations,
        fields=record_fields(reading, entities),
        quality=assess_quality(reading, kb),
        accepted=tuple(accepted_items(reading.record, kb, bundles or {})),
    )


def shown_entities(reading: Reading) -> list[Entity]:
    """Entities without those that only ranking needs, one per place and type; a symptom goes before a disease of its name."""
    chosen: dict[tuple[str | None, int, int, str], Entity] = {}
    for index, entity in enumerate(reading.entities):
        if index in reading.hidden:
            continue
        key = (entity.span.section, entity.span.start, entity.span.end, entity.type)
        known = chosen.get(key)
        if known is None or (known.concept is None and entity.concept is not None) or (_is_disease(entity) and not _is_disease(known)):
            chosen[key] = entity
    symptomatic = {key[:3] for key in chosen if key[3] in ("symptom", "sign")}
    return [entity for key, entity in chosen.items() if not (key[3] == "disease" and key[:3] in symptomatic)]


def _is_disease(entity: Entity) -> bool:
    return entity.concept is not None and entity.concept.kind == "disease"


def coded(entities: Sequence[Entity], kb: KnowledgeBase, coder: Coder | None) -> list[Entity]:
    """Entities with their codes: the knowledge base's own for linked diseases, else the coder's."""
    wanted = {(entity.span.text, _CODED[entity.type]) for entity in entities if entity.type in _CODED and _own_code(entity, kb) is None}
    looked_up: dict[tuple[str, str], tuple[Code, ...]] = {}
    if coder is not None:
        for text, system in sorted(wanted):
            if len(text) >= 2:
                looked_up[text, system] = _codes(coder, text, system)
    out: list[Entity] = []
    for entity in entities:
        if entity.type not in _CODED:
            out.append(entity)
            continue
        own = _own_code(entity, kb)
        codes = (own,) if own is not None else looked_up.get((entity.span.text, _CODED[entity.type]), ())
        out.append(entity.model_copy(update={"codes": codes}) if codes else entity)
    return out


def _own_code(entity: Entity, kb: KnowledgeBase) -> Code | None:
    if entity.type != "disease" or entity.concept is None or entity.concept.kind != "disease":
        return None
    edition = f"knowledge-{kb.version}"
    disease = kb.diseases.get(entity.concept.id)
    if disease is not None:
        return Code(system="icd10", code=disease.icd10[0], name=disease.name, edition=edition)
    thin = kb.thin.get(entity.concept.id)
    return None if thin is None else Code(system="icd10", code=thin.code, name=thin.name, edition=edition)


def _codes(coder: Coder, text: str, system: str) -> tuple[Code, ...]:
    request = CodeRequest.model_validate({"id": "entity", "text": text[:1000], "system": system})
    return tuple(
        Code(system=request.system, code=part.code, name=part.name, edition=part.table.edition)
        for part in coder.code_mention(request).codes
        if part.probability >= LEAST_PROBABILITY and shares_words(text, part.name, part.probability)
    )


def shares_words(text: str, name: str, probability: float) -> bool:
    """Whether a code's name says what the mention says: enough of its characters, or near certainty.

    A table that lacks the disease (膜性肾病 in one of everyday names) has a nearest name all the same; nobody sees its
    probability in a structured record, so that name must share its words.
    """
    signs = {sign for sign in name if sign not in _SAYS_LITTLE}
    mine = {sign for sign in text if sign not in _SAYS_LITTLE}
    shared = len(signs & mine)
    return shared >= LEAST_SHARED * max(1, min(len(signs), len(mine))) and (shared >= LEAST_SHARED * len(mine) or probability >= 0.8)
