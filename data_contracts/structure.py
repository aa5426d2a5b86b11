"""Structure: what a record says, who it says it of, whether it is so, and under which code."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from data_contracts.base import Contract
from data_contracts.spans import Span

EntityType = Literal[
    "symptom", "sign", "disease", "body_part", "drug", "procedure", "lab_test", "imaging", "microorganism", "device", "department"
]
Assertion = Literal["present", "absent", "possible", "family", "historical", "conditional", "other_person"]


class Concept(Contract):
    """The knowledge-base concept that a mention links to."""

    kind: Literal["finding", "disease", "medicine"]
    id: str
    name: str


class Code(Contract):
    """A code of an entity with the table it belongs to."""

    system: Literal["icd10", "icd9cm3"]
    code: str
    name: str
    edition: str


class Entity(Contract):
    """A mention: its place, type, assertion with the cue that decided it, concept and codes."""

    span: Span
    type: EntityType
    assertion: Assertion = "present"
    cue: Span | None = None
    concept: Concept | None = None
    codes: tuple[Code, ...] = ()


Number = float | tuple[float, float]


class Measurement(Contract):
    """A number that was measured. The span covers the number, with a written comparator."""

    span: Span
    name: str
    value: Number
    comparator: str | None = None
    unit: str | None = None
    canonical_value: Number | None = None
    canonical_unit: str | None = None
    flag: str | None = None
    context: str | None = None


class Duration(Contract):
    """How long something has lasted, in days."""

    span: Span
    days: float


class Section(Contract):
    """A recognised part of the record; offsets count in the whole text (in the section's own value for `sections`)."""

    name: str
    start: int
    end: int


class QualityItem(Contract):
    """One item that a good record of this complaint contains."""

    item: str
    present: bool
    hint: str | None = None


class Quality(Contract):
    """病历规范性: a score out of 100 with its items."""

    score: float = Field(ge=0, le=100)
    items: tuple[QualityItem, ...] = ()


class Structure(Contract):
    """The answer of `structure`."""

    id: str
    sections: tuple[Section, ...]
    entities: tuple[Entity, ...]
    measurements: tuple[Measurement, ...]
    durations: tuple[Duration, ...]
    fields: dict[str, Any] = Field(default_factory=dict)
    quality: Quality
    accepted: tuple[dict[str, Any], ...] = ()
